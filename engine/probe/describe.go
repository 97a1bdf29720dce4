package probe

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Describe says what a probe does, in words for people.
func Describe(p spec.Probe) string {
	var b strings.Builder
	b.WriteString(string(p.Kind))
	if p.HTTP != nil {
		fmt.Fprintf(&b, " %s %s", p.HTTP.Method, p.HTTP.Path)
	}
	if p.Exec != nil && len(p.Exec.Command) > 0 {
		fmt.Fprintf(&b, " %s", p.Exec.Command[0])
	}
	fmt.Fprintf(&b, " every %s, time-out %s, out after %d, back after %d; found out within %s", p.Interval, p.Timeout, p.Fall, p.Rise, shown(Detection(p)))
	return b.String()
}

// shown rounds a worst case up: it must not be shown smaller than it is.
func shown(d time.Duration) time.Duration {
	const step = 10 * time.Millisecond
	return (d + step - 1) / step * step
}
