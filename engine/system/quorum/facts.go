package quorum

import (
	"context"
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// Facts are those of one group, seen from this host.
type Facts struct {
	q     *Quorum
	group replica.GroupID
}

// Facts returns a group's facts. This host need not have a replica of it.
func (q *Quorum) Facts(group replica.GroupID) *Facts { return &Facts{q, group} }

// Do carries out a command. Without an error it was carried out once, and the
// result says what came of it. An error is a *Refused when the group has not done
// it, or, with replica.ReasonUnknown, when nobody knows.
func (f *Facts) Do(ctx context.Context, c facts.Command) (facts.Result, error) {
	a := f.do(ctx, facts.Encode(c))
	if err := f.refused(a); err != nil {
		return facts.Result{}, err
	}
	r, err := facts.DecodeResult(a.Result)
	if err != nil {
		return r, &Refused{Group: f.group, Reason: replica.ReasonUnknown, Detail: err.Error()}
	}
	return r, nil
}

func (f *Facts) do(ctx context.Context, command []byte) replica.Answer {
	if len(command) > replica.CommandSizeMax {
		return replica.Answer{Reason: replica.ReasonTooLarge}
	}
	if f.q.serves(f.group) {
		if a := f.q.propose(ctx, f.group, command); !lacks(a.Reason) {
			return a
		}
	}
	return f.q.forward(ctx, f.group, askDo, command)
}

// Ask answers from what was agreed on: it sees everything that was acknowledged to
// anybody before Ask was called.
func (f *Facts) Ask(ctx context.Context, query facts.Query) (facts.Answer, error) {
	a := f.ask(ctx, facts.EncodeQuery(query))
	if err := f.refused(a); err != nil {
		return facts.Answer{}, err
	}
	return facts.DecodeAnswer(a.Result)
}

func (f *Facts) ask(ctx context.Context, query []byte) replica.Answer {
	if f.q.serves(f.group) {
		if a := f.q.read(ctx, f.group, query); !lacks(a.Reason) {
			return a
		}
	}
	return f.q.forward(ctx, f.group, askRead, query)
}

// Local answers from what this host's replica knows now, which may not be the
// newest. It reports false when there is no replica here.
func (f *Facts) Local(query facts.Query) (a facts.Answer, ok bool) {
	ok = f.q.machine.view(f.group, func(s *facts.Store) { a = s.Ask(query) })
	return a, ok
}

func (f *Facts) refused(a replica.Answer) error {
	if a.Reason == replica.ReasonHalted {
		// It met the contradiction after it took the request.
		a.Detail = fmt.Sprintf("%s: %s", a.Reason.Sentence(), a.Detail)
		a.Reason = replica.ReasonUnknown
	}
	return refused(f.group, a)
}

// serves reports whether this host's replica of a group takes part and has the data.
func (q *Quorum) serves(group replica.GroupID) bool {
	return q.machine.view(group, func(*facts.Store) {})
}
