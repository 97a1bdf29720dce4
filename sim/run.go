package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Result is what became of one run.
type Result struct {
	Seed    uint64
	Knobs   Knobs
	Virtual time.Duration
	Steps   int
	Events  api.Seq
	Drills  int // that ended
	Hash    uint64
	Err     error // the promise that was broken first
}

// Times of the liveness phase.
const (
	// settleMax is how long everything may take to come right once nothing breaks
	// any more: detection, hold-downs, ejections, slow starts, a drill's settling.
	settleMax = 60 * time.Second
	// calm is how long it must then stay so, without a request that fails.
	calm = 2 * time.Second
)

// Run runs one seed. lines, where not nil, gets what happens in words.
func Run(seed uint64, lines io.Writer) Result { return run1(seed, lines, honest()) }

func run1(seed uint64, lines io.Writer, p plant) Result {
	r := rand.New(rand.NewPCG(seed, 0x686f6c6466617374))
	k := Draw(r)
	site := drawSite(r, k)
	out := Result{Seed: seed, Knobs: k}
	s, err := spec.Parse("site.yaml", []byte(site.text()))
	if err != nil {
		out.Err = fmt.Errorf("the drawn site is not valid: %w", err)
		return out
	}
	if lines != nil {
		_, _ = fmt.Fprintf(lines, "seed %d: %s\n%s", seed, k, site.text())
	}
	w := newWorld(k, r, s, site.text(), lines, p)
	w.people.revised(site)
	w.play()
	out.Virtual, out.Steps, out.Hash, out.Err = time.Duration(w.now), w.steps, w.trace.hash, w.failure
	if w.picture != nil {
		out.Events = w.picture.Seq
		for i := range w.picture.Drills {
			out.Drills += w.picture.Drills[i].Run
		}
	}
	return out
}

// play is the shape of a run: safety, then liveness.
func (w *World) play() {
	w.advance(w.now.Add(2 * time.Second))
	w.storm()
	w.people.busy()
	if w.knobs.FleetDies {
		w.fleetDies(between(w.rand, 0, w.knobs.Safety))
	}
	w.advance(w.now.Add(w.knobs.Safety))
	if w.failure != nil {
		return
	}
	w.heal()
	if !w.fleet.dead {
		w.mend()
		w.settle()
	} else {
		// Nobody clears anything any more. Faults with a time end by themselves.
		w.advance(w.now.Add(20 * time.Second))
	}
	if w.failure == nil {
		w.checks.end()
	}
}

// mend has the operators take back what they did. Weights stay as they are.
func (w *World) mend() {
	by := api.Actor{Name: "akiko", From: "simulation"}
	w.people.ask(api.Request{Command: api.AbortDrill{}, By: by}, nil)
	w.people.ask(api.Request{Command: api.ClearFault{}, By: by}, nil)
	w.advance(w.now.Add(12 * time.Second))
	// A fault may have been on its way when the others were cleared.
	w.people.ask(api.Request{Command: api.ClearFault{}, By: by}, nil)
	for i := range w.spec.Pools {
		for _, b := range w.spec.Pools[i].Backends {
			for _, c := range []api.Command{api.Undrain{Target: id.To(id.KindBackend, b.Name)}, api.Unforce{Backend: b.Name}} {
				w.people.ask(api.Request{Command: c, By: by, Confirm: b.Name}, nil)
			}
		}
	}
}

// settle waits until everything is right, and that it stays so.
func (w *World) settle() {
	deadline := w.now.Add(settleMax)
	why := "it has just been healed"
	for why != "" && w.now < deadline && w.failure == nil {
		w.advance(w.now.Add(500 * time.Millisecond))
		why = w.wrong()
	}
	if w.failure != nil {
		return
	}
	if why != "" {
		w.fail("liveness", "%s after the last fault: %s", settleMax, why)
		return
	}
	// What was asked before may still be failing; what is asked now must not.
	w.advance(w.now.Add(4 * time.Second))
	from := w.now
	w.advance(w.now.Add(calm))
	if why := w.wrong(); why != "" && w.failure == nil {
		w.fail("liveness", "it did not last: %s", why)
	}
	if w.users.newestFailure > from && w.failure == nil && w.allServe() {
		w.fail("liveness", "a request failed at %.3fs, with everything in order", float64(w.users.newestFailure)/1e9)
	}
}

// allServe reports whether every pool has somebody with a weight and no limit
// stands in a user's way.
func (w *World) allServe() bool {
	for i := range w.spec.Pools {
		some := false
		for _, b := range w.spec.Pools[i].Backends {
			if b.FlowsMax > 0 {
				return false
			}
			some = some || w.asked(b.Name).Weight > 0
		}
		if !some {
			return false
		}
	}
	return true
}

// asked is what operators want of a backend.
func (w *World) asked(name string) api.Asked {
	if b, ok := w.picture.Backend(name); ok {
		return b.Asked
	}
	return api.Asked{}
}

// wrong says what is not right yet; empty when everything is.
func (w *World) wrong() string {
	s := w.picture
	if len(s.Faults) > 0 {
		return "fault " + s.Faults[0].ID + " is in the picture"
	}
	for _, p := range w.keeper.children {
		if p.fault() != nil || !p.running || p.hurt() {
			return p.name + " is broken"
		}
	}
	for i := range s.Drills {
		if s.Drills[i].Phase.Live() {
			return "drill " + s.Drills[i].Name + " is " + string(s.Drills[i].Phase)
		}
	}
	for _, h := range w.hosts {
		if why := w.wrongOn(h); why != "" {
			return h.name + ": " + why
		}
	}
	for i := range s.Backends {
		b := &s.Backends[i]
		switch {
		case b.Asked.Drain || b.Asked.Forced != "":
			return b.Name + " is still drained or forced"
		case b.Health.Effective != api.Up && len(b.Votes) > 0:
			return b.Name + " is shown as " + string(b.Health.Effective)
		case b.Weight != b.Asked.Weight && len(b.Votes) > 0:
			return fmt.Sprintf("%s is shown with weight %d, asked is %d", b.Name, b.Weight, b.Asked.Weight)
		case len(b.Votes) > 0 && !settled(b.Phase):
			return b.Name + " is " + string(b.Phase)
		}
	}
	for i := range s.Hosts {
		if s.Hosts[i].State != api.StateOK {
			return s.Hosts[i].Name + " is " + string(s.Hosts[i].State) + ": " + s.Hosts[i].Reason
		}
	}
	return ""
}

func settled(p api.Phase) bool {
	return p == api.PhaseServing || p == api.PhaseStandby || p == api.PhaseIdle
}

// wrongOn says what is not right yet on one host: every host must have come to
// the same.
func (w *World) wrongOn(h *simHost) string {
	status := h.host.Status(w.now)
	if status.Rev != w.picture.Rev {
		return fmt.Sprintf("it has revision %d of %d", status.Rev, w.picture.Rev)
	}
	bySpec := map[string]*host.Backend{}
	for i := range status.Backends {
		bySpec[status.Backends[i].Name] = &status.Backends[i]
	}
	for _, p := range served(w.spec, h.name) {
		for _, b := range p.Backends {
			x := bySpec[b.Name]
			if x == nil {
				return "it does not serve " + b.Name
			}
			asked := w.asked(b.Name)
			drains := x.Balance.DrainTo != instant.Never
			switch {
			case x.Probe.Health.Effective != api.Up:
				return fmt.Sprintf("%s is %s: %s", b.Name, x.Probe.Health.Effective, x.Probe.Reason)
			case !settled(x.Balance.Phase):
				return fmt.Sprintf("%s is %s: %s", b.Name, x.Balance.Phase, x.Balance.Reason)
			case x.Balance.Weight != asked.Weight || drains != asked.Drain || x.Probe.Health.Forced != asked.Forced:
				return fmt.Sprintf("%s has weight %d, drains %t, forced %q; asked is %+v", b.Name, x.Balance.Weight, drains, x.Probe.Health.Forced, asked)
			}
		}
	}
	for _, b := range status.Bindings {
		if !b.Bound {
			return b.Listener + " is not bound: " + b.Reason
		}
	}
	return ""
}
