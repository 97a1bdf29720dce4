package spec

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, written as Go does: 500ms, 2s, 1m30s. Zero is
// "not said" where a default exists.
type Duration time.Duration

// D returns d as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String prints d as it is written in a spec.
func (d Duration) String() string { return time.Duration(d).String() }

// Size is a number of bytes, written 512B, 16KiB, 4MiB or as a plain number.
type Size int64

// String prints s as it is written in a spec.
func (s Size) String() string {
	switch {
	case s >= 1<<20 && s%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", s>>20)
	case s >= 1<<10 && s%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", s>>10)
	}
	return fmt.Sprintf("%dB", int64(s))
}

// Percent is a share, written 20%. The value is in percent: 20, not 0.2.
type Percent float64

// Share returns p as a number from 0 to 1.
func (p Percent) Share() float64 { return float64(p) / 100 }

// String prints p as it is written in a spec.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'g', -1, 64) + "%" }

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil && s != "" && strings.Trim(s, "0123456789.") == "":
		return 0, fmt.Errorf("%s has no unit", quote(s))
	case err != nil:
		return 0, fmt.Errorf("found %s", quote(s))
	case d < 0:
		return 0, fmt.Errorf("%s is negative", quote(s))
	}
	return d, nil
}

func parsePercent(s string) (float64, error) {
	digits, ok := strings.CutSuffix(s, "%")
	if !ok {
		return 0, fmt.Errorf("%s has no percent sign", quote(s))
	}
	digits = strings.TrimSpace(digits)
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || f > 100 || strings.Trim(digits, "0123456789.") != "" {
		return 0, fmt.Errorf("%s is not between 0%% and 100%%", quote(s))
	}
	return f, nil
}

func parseSize(s string) (int64, error) {
	digits, unit := s, int64(1)
	for suffix, u := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20} {
		if d, ok := strings.CutSuffix(s, suffix); ok {
			digits, unit = d, u
		}
	}
	if unit == 1 {
		digits = strings.TrimSuffix(s, "B")
	}
	digits = strings.TrimSpace(digits)
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/unit || strings.Trim(digits, "0123456789") != "" {
		return 0, fmt.Errorf("found %s", quote(s))
	}
	return n * unit, nil
}
