package sim

import (
	"fmt"
	"io"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// trace is what happened, as a hash and, for whoever reads, as lines. Nothing
// in it depends on addresses or on a map's order.
type trace struct {
	hash  uint64
	lines io.Writer // nil: nobody reads
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func newTrace(lines io.Writer) trace { return trace{hash: fnvOffset, lines: lines} }

// number adds a number to the hash.
func (t *trace) number(n uint64) {
	for range 8 {
		t.hash = (t.hash ^ n&0xff) * fnvPrime
		n >>= 8
	}
}

// text adds a text to the hash.
func (t *trace) text(s string) {
	for i := range len(s) {
		t.hash = (t.hash ^ uint64(s[i])) * fnvPrime
	}
	t.hash = (t.hash ^ 0xff) * fnvPrime
}

// mark adds something that happened, without a line.
func (t *trace) mark(now instant.Instant, what string, n uint64) {
	t.number(uint64(now))
	t.text(what)
	t.number(n)
}

// say adds something that happened, with a line.
func (t *trace) say(now instant.Instant, format string, args ...any) {
	t.number(uint64(now))
	s := fmt.Sprintf(format, args...)
	t.text(s)
	if t.lines != nil {
		_, _ = fmt.Fprintf(t.lines, "%10.4fs  %s\n", float64(now)/1e9, s)
	}
}
