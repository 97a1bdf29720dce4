package auditlog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
)

// Record writes a record and returns it when it is kept.
type Record func(context.Context, audit.Entry) (audit.Record, error)

// Times of a record.
const (
	// askWithin is how long a command waits for its record. A group that has lost
	// its leader has another one sooner.
	askWithin = 5 * time.Second
	// answerWithin is how long the record of what became of it may take: whoever
	// asked is waiting.
	answerWithin = 2 * time.Second
)

// Recorded returns a client that records each command before it asks for it: who,
// from where, what and why; and then what became of it. What cannot be recorded is
// refused. It belongs in front of who obeys, so that there is one record whichever
// way a command came.
func Recorded(client api.Client, record Record) api.Client { return &recorded{client, record} }

type recorded struct {
	api.Client
	record Record
}

// Do implements api.Client.
func (c *recorded) Do(ctx context.Context, req api.Request) (api.Receipt, error) {
	if req.Command == nil || req.DryRun {
		return c.Client.Do(ctx, req)
	}
	e := EntryOf(req)
	asked, err := c.write(ctx, askWithin, e)
	if err != nil {
		return api.Receipt{ID: unrecorded, Refusals: []api.Refusal{{Reason: api.ReasonNotRecorded, Detail: detailOf(err)}}}, nil
	}
	r, err := c.Client.Do(ctx, req)
	e.Kind, e.Of, e.Why = audit.KindAnswer, asked.Seq, ""
	switch {
	case err != nil:
		e.Outcome, e.Detail = "unknown", err.Error()
	case !r.OK:
		e.Outcome, e.Detail = "refused", Reasons(r.Refusals)
	default:
		e.Outcome, e.Receipt, e.Event, e.Detail = "done", r.ID, uint64(r.Seq), r.Done
	}
	// The command is under way: an answer that cannot be recorded undoes nothing,
	// and the question is in the log. Nor does it matter that whoever asked has
	// left.
	_, _ = c.write(context.WithoutCancel(ctx), answerWithin, e)
	return r, err
}

func (c *recorded) write(ctx context.Context, within time.Duration, e audit.Entry) (audit.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return c.record(ctx, e)
}

// unrecorded is of a receipt that no fleet has seen: no event will ever bear it.
const unrecorded = "unrecorded"

// EntryOf is what the log says of a command that is asked for.
func EntryOf(req api.Request) audit.Entry {
	by := req.By
	e := audit.Entry{
		Kind: audit.KindAsk, Who: by.Key, Name: strings.TrimSpace(strings.TrimSuffix(by.Name, by.Key)), Role: string(by.Role), From: by.From, Session: by.Session,
		Command: api.Shell(req.Command), Why: strings.TrimSpace(req.Why),
	}
	if a, ok := req.Command.(api.Apply); ok { // its words name a file that may say anything by now
		e.Detail = fmt.Sprintf("%d bytes with the SHA-256 %x", len(a.Text), sha256.Sum256([]byte(a.Text)))
	}
	return e
}

// Reasons are refusals as the log has them.
func Reasons(no []api.Refusal) string {
	all := make([]string, len(no))
	for i, r := range no {
		all[i] = fmt.Sprintf("%s: %s", r.Reason, r)
	}
	return strings.Join(all, "; ")
}

// detailOf says to people why something could not be recorded.
func detailOf(err error) string {
	var lost *LostError
	switch {
	case errors.As(err, &lost):
		return "another host coordinates the fleet by now; ask again"
	case errors.Is(err, ErrUnknown), errors.Is(err, context.DeadlineExceeded):
		return "most of the fleet cannot be reached from here"
	}
	return strings.TrimPrefix(err.Error(), "auditlog: ")
}
