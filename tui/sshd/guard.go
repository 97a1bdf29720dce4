package sshd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
)

// Commands of one key pass at this pace. A person is slower, and a script that is
// faster would write the audit log over.
const (
	commandsAtOnce = 60
	commandEvery   = 500 * time.Millisecond
)

// pictureWait is how long a command waits for the picture that says whether it is
// dangerous.
const pictureWait = 5 * time.Second

// guard is the fleet as one session may use it. Whatever the session's face
// sends, it is asked in the name of the key, within its role, and recorded.
type guard struct {
	api.Client
	latest func() *api.Status // nil when there is none at hand
	may    grant
	record func(audit.Entry) (audit.Record, error)
	// recorded: the Client records what it is asked for.
	recorded bool
	from     string // address:port
	id       string // of the session
	pace     *pace
	now      func() time.Time
}

// Refuses says why the session may not ask for a command, before it is asked.
func (g *guard) Refuses(c api.Command) []api.Refusal { return g.may.role.Refuses(c) }

// Do implements api.Client.
func (g *guard) Do(ctx context.Context, req api.Request) (api.Receipt, error) {
	if req.Command == nil {
		return g.Client.Do(ctx, req)
	}
	req.By = g.may.actor(g.from, g.id)
	req.Why = strings.TrimSpace(req.Why)
	entry := audit.Entry{
		Kind: audit.KindAsk, Who: g.may.fingerprint, Name: g.may.name, Role: string(g.may.role), From: g.from, Session: g.id,
		Command: api.Shell(req.Command), Why: req.Why,
	}
	if !g.pace.take(g.may.fingerprint, g.now()) {
		return refused(api.Refusal{Reason: api.ReasonBusy, Detail: "this key asks too much at a time"}), nil
	}
	if req.DryRun { // it changes nothing, and shows what everybody may see
		return g.Client.Do(ctx, req)
	}
	if no := g.Refuses(req.Command); no != nil {
		return g.refuse(entry, no...), nil
	}
	st, err := g.picture(ctx)
	if err != nil {
		return api.Receipt{}, err
	}
	entry.Rev = st.Rev
	if req.Why == "" && (api.Confirmation(req.Command, st) != "" || confirmed(req)) {
		return g.refuse(entry, api.Refusal{Reason: api.ReasonNoWhy, Detail: "say --why TEXT"}), nil
	}
	if g.recorded {
		return g.Client.Do(ctx, req)
	}
	asked, err := g.record(entry)
	if err != nil {
		return refused(api.Refusal{Reason: api.ReasonNotRecorded, Detail: "the audit log of the host that serves SSH cannot be written"}), nil
	}
	r, err := g.Client.Do(ctx, req)
	entry.Kind, entry.Of, entry.Outcome, entry.Why = audit.KindAnswer, asked.Seq, "done", ""
	switch {
	case err != nil:
		entry.Outcome, entry.Detail = "unknown", err.Error()
	case !r.OK:
		entry.Outcome, entry.Detail = "refused", reasons(r.Refusals)
	default:
		entry.Receipt, entry.Event, entry.Detail = r.ID, uint64(r.Seq), r.Done
	}
	// The command is under way: an answer that cannot be recorded undoes nothing,
	// and the question is in the log.
	_, _ = g.record(entry)
	return r, err
}

// confirmed reports whether a spec was confirmed that takes something away: what
// that is only the fleet knows.
func confirmed(req api.Request) bool {
	return api.Respecs(req.Command) && req.Confirm != ""
}

// refuse records a no of our own; without a record it is a no all the same.
func (g *guard) refuse(e audit.Entry, no ...api.Refusal) api.Receipt {
	e.Outcome, e.Detail = "refused", reasons(no)
	_, _ = g.record(e)
	return refused(no...)
}

func refused(no ...api.Refusal) api.Receipt { return api.Receipt{ID: "-", Refusals: no} }

func reasons(no []api.Refusal) string {
	all := make([]string, len(no))
	for i, r := range no {
		all[i] = fmt.Sprintf("%s: %s", r.Reason, r)
	}
	return strings.Join(all, "; ")
}

func (g *guard) picture(ctx context.Context) (*api.Status, error) {
	if st := g.latest(); st != nil {
		return st, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, pictureWait, errors.New("no picture came"))
	defer cancel()
	return g.Status(ctx)
}

// pace is the pace of every key that has a session.
type pace struct {
	mu   sync.Mutex
	keys map[string]*bucket
}

// paceKeysMax bounds the table; beyond it all begin anew, which is no harm.
const paceKeysMax = 1024

func (p *pace) take(key string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.keys[key]
	if b == nil {
		if p.keys == nil || len(p.keys) >= paceKeysMax {
			p.keys = map[string]*bucket{}
		}
		b = &bucket{most: commandsAtOnce, every: commandEvery}
		p.keys[key] = b
	}
	return b.take(now)
}
