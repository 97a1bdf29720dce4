package spec

import "time"

// Duration is a length of time, written as Go does: 500ms, 2s, 1m30s. Zero is
// "not said" where a default exists.
type Duration time.Duration

// D returns d as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String prints d as it is written in a spec.
func (d Duration) String() string { return time.Duration(d).String() }

// Size is a number of bytes, written 512B, 16KiB, 4MiB or as a plain number.
type Size int64

// Percent is a share, written 20%. The value is in percent: 20, not 0.2.
type Percent float64

// Share returns p as a number from 0 to 1.
func (p Percent) Share() float64 { return float64(p) / 100 }
