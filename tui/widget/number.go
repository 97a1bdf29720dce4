package widget

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Count writes a whole number with a space between thousands.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// Rate writes a number per second: one decimal below ten, none above.
func Rate(f float64) string {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return "–"
	case f > 0 && f < 9.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case math.Abs(f) > 1e15:
		return "–"
	}
	return Count(int64(math.Round(f)))
}

// Percent writes 0 to 100 with two decimals below ten.
func Percent(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "–"
	}
	if f < 9.995 {
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}

// Millis writes a duration in milliseconds, without the unit: the head has it.
// Zero is a dash: nothing was measured.
func Millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d <= 0:
		return "–"
	case ms < 9.95:
		return strconv.FormatFloat(ms, 'f', 1, 64)
	}
	return Count(int64(math.Round(ms)))
}

// Took writes a measured duration with its unit: 0.2 ms, 612 ms, 6.2 s.
func Took(d time.Duration) string {
	switch a := d.Abs(); {
	case a < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case a < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case a < 100*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return Age(d)
}

// Age writes how long ago: 33 s, 4 min, 2 h, 12 d.
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 100*time.Second:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// Since is the Age of t at now, and a dash when t is unknown.
func Since(now, t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return Age(now.Sub(t))
}

// Short writes a number in four cells for an axis: 71, 2.2k, 41k.
func Short(f float64) string {
	switch {
	case f < 10 && f != math.Trunc(f):
		return strconv.FormatFloat(f, 'f', 1, 64)
	case f < 1000:
		return strconv.Itoa(int(math.Round(f)))
	case f < 10e3:
		return strconv.FormatFloat(f/1e3, 'f', 1, 64) + "k"
	case f < 1e6:
		return strconv.Itoa(int(f/1e3)) + "k"
	}
	return strconv.FormatFloat(f/1e6, 'f', 1, 64) + "M"
}

// Bytes writes a rate of bytes per second.
func Bytes(f float64) string {
	switch {
	case f < 1e3:
		return fmt.Sprintf("%d B/s", int(f))
	case f < 1e6:
		return fmt.Sprintf("%.1f kB/s", f/1e3)
	case f < 1e9:
		return fmt.Sprintf("%.1f MB/s", f/1e6)
	}
	return fmt.Sprintf("%.1f GB/s", f/1e9)
}
