package coordinator_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/coordinator"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

type rig struct {
	*coordinator.Coordinator
	now      instant.Instant
	released bool
}

func newRig() *rig {
	r := &rig{Coordinator: coordinator.New("a1")}
	r.tell(coordinator.Startup{})
	return r
}

func (r *rig) tell(ev coordinator.Event) {
	var out coordinator.Effects
	r.Step(r.now, ev, &out)
	r.released = out.Release
}

// pass lets time go by, with a Wake at each deadline.
func (r *rig) pass(d time.Duration) {
	until := r.now.Add(d)
	for at := r.Deadline(); at <= until; at = r.Deadline() {
		r.now = at
		r.tell(coordinator.Wake{})
	}
	r.now = until
}

func (r *rig) is(t *testing.T, want coordinator.Term) {
	t.Helper()
	if got := r.Term(); got != want {
		t.Errorf("it is %+v, want %+v", got, want)
	}
}

func TestAloneOnlyAfterAWhile(t *testing.T) {
	r := newRig()
	r.pass(coordinator.AloneAfter - 1)
	r.is(t, coordinator.Term{Kind: coordinator.Waiting})
	r.pass(1)
	r.is(t, coordinator.Term{Kind: coordinator.Alone})
	r.tell(coordinator.Called{Host: "b1", Epoch: 7})
	r.is(t, coordinator.Term{Kind: coordinator.Following, Host: "b1", Epoch: 7})
	r.tell(coordinator.Hung{Host: "b1", Epoch: 7})
	r.pass(coordinator.AloneAfter - 1)
	r.is(t, coordinator.Term{Kind: coordinator.Following, Host: "b1", Epoch: 7})
	r.tell(coordinator.Called{Host: "b1", Epoch: 7})
	r.pass(time.Hour)
	r.is(t, coordinator.Term{Kind: coordinator.Following, Host: "b1", Epoch: 7})
}

func TestALaterCoordinatorTakesOver(t *testing.T) {
	r := newRig()
	r.tell(coordinator.Led{Epoch: 7})
	r.is(t, coordinator.Term{Kind: coordinator.Acting, Host: "a1", Epoch: 7})
	r.tell(coordinator.Called{Host: "b1", Epoch: 6})
	r.is(t, coordinator.Term{Kind: coordinator.Acting, Host: "a1", Epoch: 7})
	r.tell(coordinator.Called{Host: "b1", Epoch: 8})
	if !r.released {
		t.Error("it keeps the lease")
	}
	r.is(t, coordinator.Term{Kind: coordinator.Following, Host: "b1", Epoch: 8})
	r.tell(coordinator.Lost{}) // of the lease that it gave back
	r.is(t, coordinator.Term{Kind: coordinator.Following, Host: "b1", Epoch: 8})
	r.tell(coordinator.Led{Epoch: 7}) // it was on its way
	if !r.released {
		t.Error("it takes up a lease that was overtaken")
	}
	// The end of an older connection says nothing of the one that stands.
	r.tell(coordinator.Hung{Host: "a9", Epoch: 7})
	r.pass(time.Hour)
	r.is(t, coordinator.Term{Kind: coordinator.Following, Host: "b1", Epoch: 8})
}

func TestALostLeaseEndsTheTerm(t *testing.T) {
	r := newRig()
	r.tell(coordinator.Led{Epoch: 7})
	r.pass(time.Hour)
	r.tell(coordinator.Lost{})
	r.is(t, coordinator.Term{Kind: coordinator.Waiting})
	r.pass(coordinator.AloneAfter)
	r.is(t, coordinator.Term{Kind: coordinator.Alone})
	r.tell(coordinator.Led{Epoch: 9})
	r.is(t, coordinator.Term{Kind: coordinator.Acting, Host: "a1", Epoch: 9})
}

// TestWhoKnowsOfALaterOneIsNotFollowed: a coordinator that was asleep hears from the
// hosts that it calls that it was overtaken. It waits for the one who overtook it.
func TestWhoKnowsOfALaterOneIsNotFollowed(t *testing.T) {
	r := newRig()
	r.tell(coordinator.Led{Epoch: 7})
	r.tell(coordinator.Overtaken{Epoch: 7})
	r.tell(coordinator.Overtaken{Epoch: 6})
	r.is(t, coordinator.Term{Kind: coordinator.Acting, Host: "a1", Epoch: 7})
	r.tell(coordinator.Overtaken{Epoch: 9})
	if !r.released {
		t.Error("it keeps the lease")
	}
	r.is(t, coordinator.Term{Kind: coordinator.Waiting})
	r.tell(coordinator.Called{Host: "c1", Epoch: 8}) // it sleeps still
	r.is(t, coordinator.Term{Kind: coordinator.Waiting})
	r.tell(coordinator.Called{Host: "b1", Epoch: 9})
	r.is(t, coordinator.Term{Kind: coordinator.Following, Host: "b1", Epoch: 9})
	// Who is alone learns of an epoch that may be long over, and is alone.
	r.tell(coordinator.Hung{Host: "b1", Epoch: 9})
	r.pass(coordinator.AloneAfter)
	r.tell(coordinator.Overtaken{Epoch: 10})
	r.is(t, coordinator.Term{Kind: coordinator.Alone})
}

// Whatever happens: epochs of terms never go back, it acts only with a lease, it
// follows only who called, and it never stays without a picture.
func TestPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRig()
		led, highest := uint64(0), uint64(0)
		epoch := rapid.Uint64Range(1, 12)
		called := map[coordinator.Term]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				e := coordinator.Led{Epoch: epoch.Draw(t, "led")}
				r.tell(e)
				if !r.released {
					led = e.Epoch
				}
			case 1:
				r.tell(coordinator.Lost{})
				led = 0
			case 2:
				who := coordinator.Called{Host: rapid.SampledFrom([]string{"b1", "c1"}).Draw(t, "who"), Epoch: epoch.Draw(t, "called")}
				called[coordinator.Term{Kind: coordinator.Following, Host: who.Host, Epoch: who.Epoch}] = true
				r.tell(who)
				if r.released {
					led = 0
				}
			case 3:
				r.tell(coordinator.Hung{Host: "b1", Epoch: epoch.Draw(t, "hung")})
			case 4:
				r.tell(coordinator.Overtaken{Epoch: epoch.Draw(t, "overtaken")})
				if r.released {
					led = 0
				}
			case 5:
				r.pass(time.Duration(rapid.IntRange(0, 10).Draw(t, "seconds")) * time.Second)
			}
			is := r.Term()
			if is.Epoch != 0 && is.Epoch < highest {
				t.Fatalf("epoch %d after %d", is.Epoch, highest)
			}
			highest = max(highest, is.Epoch)
			if is.Kind == coordinator.Following && !called[is] {
				t.Fatalf("it follows %+v, who never called", is)
			}
			if is.Kind == coordinator.Acting && is.Epoch != led {
				t.Fatalf("it acts under %d with a lease of %d", is.Epoch, led)
			}
		}
		was := r.Term()
		r.pass(time.Hour)
		if is := r.Term(); is.Kind == coordinator.Waiting {
			t.Fatalf("it waits for ever: %+v, then %+v", was, is)
		}
	})
}
