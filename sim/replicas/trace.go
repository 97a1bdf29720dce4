package replicas

import (
	"fmt"
	"hash/fnv"
	"io"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// trace is what happened, as a hash and, for whoever reads, as lines.
type trace struct {
	hash  uint64
	lines io.Writer // nil: nobody reads
}

func (t *trace) mark(now instant.Instant, what string, b []byte) {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d ", t.hash, what, now)
	_, _ = h.Write(b)
	t.hash = h.Sum64()
}

func (t *trace) say(now instant.Instant, format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	t.mark(now, s, nil)
	if t.lines != nil {
		_, _ = fmt.Fprintf(t.lines, "%10.4fs  %s\n", float64(now)/1e9, s)
	}
}
