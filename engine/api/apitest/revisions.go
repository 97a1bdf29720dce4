package apitest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// revisions applies a spec and goes back, and holds that both are listed: who,
// why, how, and what it changed.
func (s *suite) revisions() {
	st := s.status()
	before := s.listed(st.Rev)
	now := before[len(before)-1]
	if now.Rev != st.Rev || now.Text != st.Spec || now.Size != len(st.Spec) || now.At.IsZero() || now.How == "" || before[0].Rev != st.RevFirst {
		s.Fatalf("revision %d is in force, from %d on, and %+v is listed last", st.Rev, st.RevFirst, now)
	}
	for _, r := range s.listed() {
		if r.Text != "" {
			s.Errorf("revision %d comes with a text that nobody asked for", r.Rev)
		}
	}
	apply := api.Apply{Name: now.Name, Dir: now.Dir, Text: "# the same again\n" + now.Text, Base: st.Rev}
	try := s.do(api.Request{Command: apply, DryRun: true})
	if !try.OK || len(try.Changes) != 0 {
		s.Errorf("a comment changes %+v: %+v", try.Changes, try)
	}
	r := s.do(api.Request{Command: apply, By: api.Actor{Name: "mika"}, Why: "a comment", Confirm: try.Confirm})
	if !r.OK {
		s.Fatalf("not accepted: %+v", r)
	}
	s.until("the next revision", func(st *api.Status) bool { return st.Rev == now.Rev+1 && st.Spec == apply.Text })
	all := s.listed(now.Rev + 1)
	if last := all[len(all)-1]; last.How != api.HowApply || last.By != "mika" || last.Why != "a comment" || last.Text != apply.Text || len(last.Changes) != 0 {
		s.Errorf("what was applied is listed as %+v", last)
	}
	if no := s.do(api.Request{Command: api.Rollback{Rev: now.Rev, Base: now.Rev}}); no.OK || no.Refusals[0].Reason != api.ReasonOtherRevision {
		s.Errorf("back from what is not in force: %+v", no)
	}
	for _, rev := range []uint64{0, now.Rev + 1, now.Rev + 100} {
		if no := s.do(api.Request{Command: api.Rollback{Rev: rev}}); no.OK || no.Seq != 0 {
			s.Errorf("back to revision %d: %+v", rev, no)
		}
	}
	if r := s.do(api.Request{Command: api.Rollback{Rev: now.Rev, Base: now.Rev + 1}, By: api.Actor{Name: "mika"}, Confirm: try.Confirm}); !r.OK {
		s.Fatalf("back: %+v", r)
	}
	s.until("the text of before", func(st *api.Status) bool { return st.Rev == now.Rev+2 && st.Spec == now.Text })
	all = s.listed(now.Rev+2, now.Rev, 1<<60)
	if last := all[len(all)-1]; last.How != api.HowRollback || last.Of != now.Rev || last.Text != now.Text {
		s.Errorf("to go back is listed as %+v", last)
	}
	if !slices.IsSortedFunc(all, func(a, b api.Revision) int { return int(int64(a.Rev) - int64(b.Rev)) }) {
		s.Error("revisions are not in their order")
	}
	if _, err := s.Client.Revisions(s.ctx, 1, 2, 3, 4, 5); err == nil {
		s.Error("more texts than may be asked for came")
	}
	ended, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := s.Client.Revisions(ended); !errors.Is(err, context.Canceled) {
		s.Errorf("Revisions with an ended context: %v", err)
	}
}

// race holds that of those who apply at the same time, from the same revision, one
// is obeyed, and the others are told.
func (s *suite) race() {
	const askers = 8
	st := s.status()
	now := s.listed(st.Rev)
	last := now[len(now)-1]
	var mu sync.Mutex
	var all sync.WaitGroup
	accepted := 0
	for range askers {
		all.Go(func() {
			r, err := s.Client.Do(s.ctx, api.Request{Command: api.Apply{Name: last.Name, Dir: last.Dir, Text: last.Text, Base: st.Rev}, By: api.Actor{Name: "suite"}, Confirm: st.Fleet})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				s.Errorf("Do: %v", err)
			case r.OK:
				accepted++
			case r.Refusals[0].Reason != api.ReasonOtherRevision:
				s.Errorf("refused: %+v", r)
			}
		})
	}
	all.Wait()
	if accepted != 1 {
		s.Errorf("%d of %d who applied to revision %d were obeyed", accepted, askers, st.Rev)
	}
	s.until("the next revision", func(now *api.Status) bool { return now.Rev == st.Rev+1 })
}

func (s *suite) listed(texts ...uint64) []api.Revision {
	s.Helper()
	all, err := s.Client.Revisions(s.ctx, texts...)
	if err != nil || len(all) == 0 {
		s.Fatalf("Revisions: %v, %v", all, err)
	}
	return all
}
