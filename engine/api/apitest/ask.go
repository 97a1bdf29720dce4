package apitest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

func backend(name string) id.Ref { return id.To(id.KindBackend, name) }

func (s *suite) dryRun() {
	st := s.status()
	before := s.asked(st).Weight
	r := s.do(api.Request{Command: weights(s.backend, before-1), DryRun: true})
	if !r.OK || r.Done == "" || r.Seq != 0 {
		s.Errorf("a dry run of what would be accepted: %+v", r)
	}
	if no := s.do(api.Request{Command: weights(s.backend, 101), DryRun: true}); no.OK || len(no.Refusals) == 0 {
		s.Errorf("a dry run of what would be refused: %+v", no)
	}
	// A real command comes after it, so what the dry run did would be there.
	real := s.do(api.Request{Command: api.Drain{Target: backend(s.backend)}})
	after := s.until("the drain", func(st *api.Status) bool { return s.asked(st).Drain })
	if w := s.asked(after).Weight; w != before {
		s.Errorf("a dry run changed the weight from %d to %d", before, w)
	}
	for _, e := range s.since(st.Seq, api.EventRing) {
		if e.Receipt == r.ID && r.ID != real.ID {
			s.Errorf("a dry run made event %d: %s", e.Seq, e.Text)
		}
	}
}

func (s *suite) refusals() {
	seq := s.status().Seq
	for _, c := range []struct {
		command api.Command
		reason  api.Reason
	}{
		{weights("no-such-backend", 1), api.ReasonNoSuchTarget},
		{weights(s.backend, 101), api.ReasonOutOfRange},
		{weights(s.backend, -1), api.ReasonOutOfRange},
		{weights(s.backend, s.asked(s.status()).Weight), api.ReasonNothingToDo},
		{api.SetWeights{}, api.ReasonNothingToDo},
		{api.Undrain{Target: backend(s.backend)}, api.ReasonNothingToDo},
		{api.Drain{Target: id.To(id.KindPool, s.pool)}, api.ReasonWrongKind},
		{api.Force{Backend: s.backend, Health: "fine"}, api.ReasonOutOfRange},
		{api.InjectFault{Kind: "bite", Target: backend(s.backend)}, api.ReasonOutOfRange},
		{api.ClearFault{ID: "f999"}, api.ReasonNoSuchFault},
		{api.StartDrill{Name: "no-such-drill"}, api.ReasonNoSuchTarget},
		{api.AbortDrill{}, api.ReasonNoDrillRunning},
		{api.Apply{Name: "bad.yaml", Text: "fleet: ["}, api.ReasonSpecInvalid},
		{api.Apply{Name: "empty.yaml"}, api.ReasonSpecInvalid},
	} {
		r := s.do(api.Request{Command: c.command})
		if r.OK || r.Seq != 0 || !slices.ContainsFunc(r.Refusals, func(x api.Refusal) bool { return x.Reason == c.reason && x.String() != "" }) {
			s.Errorf("%s: %+v; want a refusal: %s", c.command.Sentence(), r, c.reason)
		}
	}
	for _, e := range s.since(seq, api.EventRing) {
		if e.Lane == api.LanePeople {
			s.Errorf("a refusal made event %d: %s", e.Seq, e.Text)
		}
	}
}

func (s *suite) confirmation() {
	st := s.status()
	var all api.SetWeights
	for i := range st.Backends {
		if b := &st.Backends[i]; b.Pool == s.pool {
			all.Weights = append(all.Weights, api.Weight{Backend: b.Name})
		}
	}
	need := api.Confirmation(all, st)
	if need == "" {
		s.Fatal("to leave a pool with nobody to serve needs no confirmation")
	}
	for _, word := range []string{"", "yes", need + " ", "no"} {
		r := s.do(api.Request{Command: all, Confirm: word})
		why := func(reason api.Reason) bool {
			return slices.ContainsFunc(r.Refusals, func(x api.Refusal) bool { return x.Reason == reason })
		}
		if r.OK || r.Seq != 0 || !why(api.ReasonLastServing) || !why(api.ReasonNotConfirmed) {
			s.Errorf("confirmed with %q: %+v", word, r)
		}
	}
	if w := s.asked(s.status()).Weight; w == 0 {
		s.Error("a command that was not confirmed was carried out")
	}
	if r := s.do(api.Request{Command: all, Confirm: need}); !r.OK || r.Seq == 0 {
		s.Fatalf("confirmed with %q: %+v", need, r)
	}
	s.until("a pool with nobody to serve", func(st *api.Status) bool {
		p, _ := st.Pool(s.pool)
		return p != nil && p.Up == 0 && p.State == api.StateDown
	})
}

func (s *suite) receipt() {
	from := s.status().Seq
	updates := s.watch(s.ctx, from)
	r := s.do(api.Request{Command: weights(s.backend, 12), By: api.Actor{Name: "mika", From: "console"}, Why: "it is slow today"})
	if !r.OK || r.Done == "" {
		s.Fatalf("not accepted: %+v", r)
	}
	for y := (tally{at: from}); ; {
		u := s.next(updates)
		y.take(s.T, u)
		i := slices.IndexFunc(u.Events, func(e api.Event) bool { return e.Seq == r.Seq })
		if i < 0 {
			continue
		}
		e := u.Events[i]
		if e.Receipt != r.ID || e.By != "mika" || e.Reason != "it is slow today" || e.Lane != api.LanePeople || e.Subject != backend(s.backend) || e.Text == "" || e.At.IsZero() {
			s.Errorf("the event of the request is %+v", e)
		}
		if w := s.asked(u.Status).Weight; w != 12 {
			s.Errorf("the picture that knows the event says weight %d", w)
		}
		return
	}
}

func (s *suite) result() {
	st := s.status()
	if b, _ := st.Backend(s.backend); b.PID == 0 {
		s.Skip("the fleet runs no process that could be broken")
	}
	r := s.do(api.Request{Command: api.InjectFault{Kind: api.FaultSlow, Target: backend(s.backend), Delay: 1e6}})
	if !r.OK {
		s.Fatalf("not accepted: %+v", r)
	}
	answered := func(lane api.Lane) func(*api.Status) bool {
		return func(*api.Status) bool {
			return slices.ContainsFunc(s.since(r.Seq-1, api.EventRing), func(e api.Event) bool { return e.Receipt == r.ID && e.Lane == lane })
		}
	}
	s.until("the fault's event with the receipt's ID", answered(api.LaneFault))
	seen := s.until("the fault in the picture", func(st *api.Status) bool { return len(st.Faults) == 1 && st.Faults[0].State == api.StateDegraded })
	if no := s.do(api.Request{Command: api.InjectFault{Kind: api.FaultSlow, Target: backend(s.backend), Delay: 1e6}}); no.OK {
		s.Errorf("a second fault on the same backend: %+v", no)
	}
	if c := s.do(api.Request{Command: api.ClearFault{ID: seen.Faults[0].ID}}); !c.OK {
		s.Fatalf("not cleared: %+v", c)
	}
	s.until("the end of the fault", func(st *api.Status) bool { return len(st.Faults) == 0 })
}

func (s *suite) noCommand() {
	if r, err := s.Client.Do(s.ctx, api.Request{}); err == nil {
		s.Errorf("a request without a command: %+v", r)
	}
	s.weigh(3) // and it goes on
}

// many holds that commands are obeyed one after another, in the order of their
// events.
func (s *suite) many() {
	const askers, each = 16, 8
	var mu sync.Mutex
	var newest api.Seq
	var weight int
	ids, seqs := map[string]bool{}, map[api.Seq]bool{}
	var all sync.WaitGroup
	for a := range askers {
		all.Go(func() {
			for i := range each {
				w := 1 + (a*each+i)%100
				r, err := s.Client.Do(s.ctx, api.Request{Command: weights(s.backend, w), By: api.Actor{Name: fmt.Sprintf("asker-%d", a)}})
				mu.Lock()
				switch {
				case err != nil:
					s.Errorf("Do: %v", err)
				case ids[r.ID]:
					s.Errorf("receipt %s was given twice", r.ID)
				case r.OK && seqs[r.Seq]:
					s.Errorf("event %d answers two commands", r.Seq)
				case r.OK && r.Seq > newest:
					newest, weight = r.Seq, w
				}
				ids[r.ID], seqs[r.Seq] = true, true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	st := s.until("the last command's event", func(st *api.Status) bool { return st.Seq >= newest })
	if w := s.asked(st).Weight; w != weight {
		s.Errorf("the weight is %d; the last that was accepted is %d", w, weight)
	}
}
