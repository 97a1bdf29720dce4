package apitest

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Patience is how long a thing may take that must happen: so long that a loaded
// machine is no reason to fail.
const Patience = 60 * time.Second

// Fixture is a running fleet and a client of it. The fleet has a pool of at
// least two backends that all come to serve, and no drill runs by itself.
type Fixture struct {
	// Filler fills the ring of events where Client is dear to ask; nil: Client does.
	Filler api.Client
	Client api.Client
	// Gone ends the fleet and returns when it has ended. The suite calls it once
	// at most; what it does not end, the fixture's own clean-up does.
	Gone func()
}

// TestClient runs the suite on one fleet that open starts. Each test begins with
// what operators set taken back.
func TestClient(t *testing.T, open func(*testing.T) Fixture) {
	f := open(t)
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"PictureIsWholeAndCrossesSockets", (*suite).whole},
		{"PictureIsNeverChanged", (*suite).immutable},
		{"WatchSendsAPictureAtOnce", (*suite).pictureFirst},
		{"WatchSendsEventsInOrderFromASeq", (*suite).inOrder},
		{"WatchersSeeTheSame", (*suite).sameForAll},
		{"AtMostTenPicturesASecond", (*suite).rate},
		{"EventsAreTheNewest", (*suite).events},
		{"DryRunChangesNothing", (*suite).dryRun},
		{"RefusalsHaveReasons", (*suite).refusals},
		{"DangerWantsItsConfirmation", (*suite).confirmation},
		{"ReceiptIsInTheEvents", (*suite).receipt},
		{"ResultOfAFaultCarriesTheReceipt", (*suite).result},
		{"NoCommandIsAnError", (*suite).noCommand},
		{"ManyAskAtOnce", (*suite).many},
		{"RevisionsAreListed", (*suite).revisions},
		{"OneOfThoseWhoApplyAtOnce", (*suite).race},
		{"EndedContexts", (*suite).contexts},
		{"SlowWatcherLosesNothingUntold", (*suite).slow}, // overwrites the first events
		{"FleetThatIsGone", (*suite).gone},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), Patience)
			defer cancel()
			s := &suite{T: t, Fixture: f, ctx: ctx}
			s.restore()
			s.settle()
			test.run(s)
		})
	}
}

// suite is one test of the suite.
type suite struct {
	*testing.T
	Fixture
	ctx     context.Context
	pool    string
	backend string // of pool, which has others

	restored api.Seq // of restore's last command
}

// restore takes back what the test before it asked for. The picture may be from
// before the last of that, so it asks for everything: a refusal says that it is
// so already.
func (s *suite) restore() {
	s.Helper()
	st := s.status()
	var away, back api.SetWeights
	s.do(api.Request{Command: api.ClearFault{}})
	for i := range st.Backends {
		b := &st.Backends[i]
		s.do(api.Request{Command: api.Undrain{Target: backend(b.Name)}})
		s.do(api.Request{Command: api.Unforce{Backend: b.Name}})
		away.Weights = append(away.Weights, api.Weight{Backend: b.Name, Weight: 99})
		back.Weights = append(back.Weights, api.Weight{Backend: b.Name, Weight: b.SpecWeight})
	}
	s.do(api.Request{Command: away})
	// One that is sure to be accepted has an event to wait for.
	if s.restored = s.do(api.Request{Command: back}).Seq; s.restored == 0 {
		s.Fatal("the weights of the spec are not accepted; a backend of weight 99 is not for this suite")
	}
}

// settle waits until a pool of two serves, and chooses a backend of it.
func (s *suite) settle() {
	s.Helper()
	s.until("a pool of two backends that serve", func(st *api.Status) bool {
		if st.Seq < s.restored {
			return false
		}
		for i := range st.Pools {
			if p := &st.Pools[i]; p.Backends >= 2 && p.Up == p.Backends {
				for j := range st.Backends {
					if st.Backends[j].Pool == p.Name {
						b := &st.Backends[j]
						s.pool, s.backend = p.Name, b.Name
						return b.Serves() && b.Asked == (api.Asked{Weight: b.SpecWeight}) && b.Weight == b.SpecWeight && len(st.Faults) == 0
					}
				}
			}
		}
		return false
	})
}

// until watches until a picture is as wanted, and returns it.
func (s *suite) until(what string, is func(*api.Status) bool) *api.Status {
	s.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	var last *api.Status
	for u := range s.watch(ctx, s.status().Seq) {
		if last = u.Status; is(last) {
			return last
		}
	}
	s.Fatalf("never seen: %s; the last picture is %+v", what, last)
	return nil
}

func (s *suite) status() *api.Status {
	s.Helper()
	st, err := s.Client.Status(s.ctx)
	if err != nil || st == nil {
		s.Fatalf("Status: %v, %v", st, err)
	}
	return st
}

func (s *suite) watch(ctx context.Context, from api.Seq) <-chan api.Update {
	s.Helper()
	updates, err := s.Client.Watch(ctx, from)
	if err != nil {
		s.Fatalf("Watch: %v", err)
	}
	return updates
}

// next is the next update, which must come.
func (s *suite) next(updates <-chan api.Update) api.Update {
	s.Helper()
	select {
	case u, ok := <-updates:
		if !ok {
			s.Fatal("the updates ended")
		}
		if u.Status == nil {
			s.Fatal("an update has no picture")
		}
		return u
	case <-s.ctx.Done():
		s.Fatal("no update came")
	}
	return api.Update{}
}

// do asks, as the suite.
func (s *suite) do(req api.Request) api.Receipt {
	s.Helper()
	if req.By.Name == "" {
		req.By = api.Actor{Name: "suite", From: "test"}
	}
	r, err := s.Client.Do(s.ctx, req)
	if err != nil {
		s.Fatalf("Do %s: %v", req.Command.Sentence(), err)
	}
	if r.ID == "" {
		s.Errorf("the receipt of %s has no ID", req.Command.Sentence())
	}
	return r
}

// weigh sets the backend's weight and requires that it is accepted.
func (s *suite) weigh(weight int) api.Receipt {
	s.Helper()
	r := s.do(api.Request{Command: weights(s.backend, weight)})
	if !r.OK || r.Seq == 0 {
		s.Fatalf("weight %d is not accepted: %+v", weight, r)
	}
	return r
}

func weights(backend string, weight int) api.SetWeights {
	return api.SetWeights{Weights: []api.Weight{{Backend: backend, Weight: weight}}}
}

// asked is what operators want of the backend.
func (s *suite) asked(st *api.Status) api.Asked {
	s.Helper()
	b, ok := st.Backend(s.backend)
	if !ok {
		s.Fatalf("backend %s is gone", s.backend)
	}
	return b.Asked
}

// tally follows the events of a Watch and requires that none is lost untold.
type tally struct {
	at   api.Seq // the newest event seen or missed
	seen int
	gone uint64
	last *api.Status
}

// take checks one update against all before it.
func (y *tally) take(t *testing.T, u api.Update) {
	t.Helper()
	y.at += api.Seq(u.Missed)
	y.gone += u.Missed
	for _, e := range u.Events {
		if e.Seq != y.at+1 {
			t.Fatalf("event %d follows %d; %d were said to be missed", e.Seq, y.at, u.Missed)
		}
		y.at = e.Seq
		y.seen++
	}
	if u.Status.Seq < y.at {
		t.Fatalf("the picture knows events up to %d and came with event %d", u.Status.Seq, y.at)
	}
	if y.last != nil && (u.Status.Seq < y.last.Seq || u.Status.At.Before(y.last.At)) {
		t.Fatalf("the picture of %s, event %d came after that of %s, event %d", u.Status.At, u.Status.Seq, y.last.At, y.last.Seq)
	}
	y.last = u.Status
}
