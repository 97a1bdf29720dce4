package flow

import (
	"sync"
	"sync/atomic"

	"github.com/holdfast-edge/holdfast/engine/balance"
)

// trouble is a balance.Trouble for many flows at once. As long as there is none,
// which is nearly always, nobody takes the lock.
type trouble struct {
	any, refuses atomic.Bool // as the rule has it

	mu   sync.Mutex
	rule balance.Trouble
}

// change changes the rule's state.
func (t *trouble) change(f func(*balance.Trouble)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.rule)
	t.any.Store(t.rule.Any())
	t.refuses.Store(t.rule.Refuses())
}

// shuns reports whether a new flow passes the backend over.
func (b *Backend) shuns() (shuns bool) {
	if b.trouble.refuses.Load() {
		b.trouble.change(func(t *balance.Trouble) { shuns = t.Shuns(b.flows.options.Now()) })
	}
	return shuns
}

// succeeded counts a success.
func (b *Backend) succeeded() {
	if b.trouble.any.Load() {
		b.trouble.change((*balance.Trouble).Succeeded)
	}
}

// hurt counts what speaks against the backend, and tells the balancer when it is
// enough: failures is the pool's number that ejects.
func (b *Backend) hurt(failures int, count func(*balance.Trouble)) {
	var news balance.Outcomes
	tell := false
	b.trouble.change(func(t *balance.Trouble) {
		count(t)
		news, tell = t.Report(b.flows.options.Now(), b.name, failures)
	})
	if tell {
		b.flows.options.Report(news)
	}
}
