package sshd

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/audit"
)

// What strangers do is recorded at this pace, so that a scan of the internet does
// not write the log full; how many were left out stands in the next record.
const (
	refusalsAtOnce = 40
	refusalEvery   = 2 * time.Second
)

// recorder writes records, and says in the process's own log when it cannot.
type recorder struct {
	write func(audit.Entry) (audit.Record, error)
	log   *slog.Logger
	now   func() time.Time

	mu   sync.Mutex
	pace bucket
	left int // refusals without a record of their own
}

func newRecorder(write func(audit.Entry) (audit.Record, error), log *slog.Logger, now func() time.Time) *recorder {
	return &recorder{write: write, log: log, now: now, pace: bucket{most: refusalsAtOnce, every: refusalEvery}}
}

// put writes a record that nothing hangs on.
func (r *recorder) put(e audit.Entry) {
	if _, err := r.write(e); err != nil {
		r.log.Error("a record could not be written", "kind", e.Kind, "who", e.Who, "from", e.From, "err", err)
	}
}

// refuse writes that somebody was not let in.
func (r *recorder) refuse(e audit.Entry) {
	e.Kind, e.Outcome = audit.KindRefuse, "refused"
	r.mu.Lock()
	if !r.pace.take(r.now()) {
		r.left++
		r.mu.Unlock()
		return
	}
	left := r.left
	r.left = 0
	r.mu.Unlock()
	if left > 0 {
		e.Detail += fmt.Sprintf("; %d more before it were not recorded one by one", left)
	}
	r.put(e)
}

// rest writes how many refusals have no record yet.
func (r *recorder) rest() {
	r.mu.Lock()
	left := r.left
	r.left = 0
	r.mu.Unlock()
	if left > 0 {
		r.put(audit.Entry{Kind: audit.KindRefuse, Outcome: "refused", Detail: fmt.Sprintf("%d were not recorded one by one", left)})
	}
}
