package flow

import (
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// latency is a balance.Latency for many flows at once. Two that write in the
// same moment may lose one of two near values, no more.
type latency struct {
	value atomic.Int64
	at    atomic.Int64
}

func (l *latency) load() balance.Latency {
	return balance.Latency{Value: time.Duration(l.value.Load()), At: instant.Instant(l.at.Load())}
}

// add counts one answer.
func (l *latency) add(now instant.Instant, d time.Duration) {
	next := l.load().Add(now, d)
	l.value.Store(int64(next.Value))
	l.at.Store(int64(next.At))
}
