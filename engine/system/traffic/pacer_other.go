//go:build !linux

package traffic

import (
	"os"
	"sync"
	"time"
)

// timer is the runtime's ticker, for systems without timerfd.
type timer struct {
	ticker *time.Ticker
	once   sync.Once
	ended  chan struct{}
}

func newTicker(every time.Duration) (ticker, error) {
	return &timer{ticker: time.NewTicker(every), ended: make(chan struct{})}, nil
}

func (t *timer) wait() error {
	select {
	case <-t.ticker.C:
		return nil
	case <-t.ended:
		return os.ErrClosed
	}
}

func (t *timer) close() {
	t.once.Do(func() {
		t.ticker.Stop()
		close(t.ended)
	})
}
