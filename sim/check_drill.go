package sim

import (
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// checkDrill: a drill ends in time, with a verdict, its fault reverted, and with
// the time that its probes truly saw.
type checkDrill struct {
	world *World
	run   *run
	over  *run // ended, and its report not seen yet
}

// run is the drill under way as the world sees it.
type run struct {
	name    string
	began   instant.Instant
	fault   string          // its ID; empty: not asked for yet
	done    instant.Instant // when it truly was in; never: not yet
	aborted instant.Instant // never: nobody asked for it
	ended   instant.Instant
	failed  []failed
}

type failed struct {
	at   instant.Instant // when the probe's end was known
	took time.Duration   // since the fault
}

func newCheckDrill(w *World) *checkDrill { return &checkDrill{world: w} }

// The parts of a run that are not in its spec.
const (
	drillParts = 5*time.Second /* steady state */ + 5*time.Second /* the fault */ + 10*time.Second /* its revert, asked for twice */
	abortParts = time.Second
)

func (c *checkDrill) fleet(ev fleet.Event, out *fleet.Effects) {
	w := c.world
	if next, ok := ev.(fleet.SetSpec); ok && next.Rev > 0 && c.run != nil {
		ended := false
		for _, e := range out.Events {
			ended = ended || e.Lane == api.LaneDrill && e.Subject.Name == c.run.name && strings.HasSuffix(e.Text, string(api.DrillAborted))
		}
		if !ended {
			w.fail("drill", "%s ended with who coordinated it, and the next one does not say so", c.run.name)
		}
		c.run, c.over = nil, nil // checkFault sees to its fault
		return
	}
	ask, isAsk := ev.(fleet.Ask)
	accepted := isAsk && !ask.Request.DryRun && len(out.Answers) > 0 && out.Answers[0].Receipt.OK
	if accepted {
		switch cmd := ask.Request.Command.(type) {
		case api.StartDrill:
			if c.run != nil {
				w.fail("drill", "%s starts while %s is under way", cmd.Name, c.run.name)
			}
			c.run = &run{name: cmd.Name, began: w.now, done: never, aborted: never}
		case api.AbortDrill:
			if c.run == nil {
				w.fail("drill", "an abort is accepted, and no drill is under way")
			} else {
				c.run.aborted = w.now
			}
		case api.SetWeights, api.Drain, api.Undrain, api.Force, api.Unforce, api.InjectFault, api.ClearFault, api.Apply, api.Rollback,
			api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys:
			// A run goes on through them, or ends by what they do to it.
		}
	}
	if c.run == nil {
		return
	}
	for _, o := range out.Faults {
		if _, ordered := ask.Request.Command.(api.InjectFault); !o.Revert && !ordered {
			c.run.fault = o.ID
		}
	}
	for _, e := range out.Events {
		if e.Lane == api.LaneDrill && e.Subject.Name == c.run.name && !strings.HasSuffix(e.Text, "begins") {
			c.ended()
			return
		}
	}
}

// injured is told by the keeper when a fault is truly in.
func (c *checks) injured(name string) {
	for _, x := range c.onFleet {
		if d, ok := x.(*checkDrill); ok && d.run != nil && d.run.fault == name {
			d.run.done = c.world.now
		}
	}
}

func (c *checkDrill) sample(p *witness, s drill.Sample) {
	r := c.run
	if r == nil || p.order.Drill != r.name || s.OK || r.done == never {
		return
	}
	if end := s.At.Add(s.Took); end >= r.done {
		r.failed = append(r.failed, failed{c.world.now, end.Sub(r.done)})
	}
}

// ended sees the end of a run; its report comes with the next picture.
func (c *checkDrill) ended() {
	w, r := c.world, c.run
	r.ended = w.now
	c.run, c.over = nil, r
	for _, p := range w.keeper.children {
		if p.fault() != nil && p.fault().ID == r.fault {
			w.fail("drill", "%s has ended and its fault is still in force on %s", r.name, p.name)
		}
	}
}

// picture compares the report with the truth.
func (c *checkDrill) picture(s *api.Status) {
	w, r := c.world, c.over
	if r == nil {
		return
	}
	c.over = nil
	d, ok := s.Drill(r.name)
	if !ok || c.run != nil || d.Phase == api.DrillIdle {
		return // it left the spec, or runs again, or was changed by a new spec
	}
	if d.Phase.Live() || d.Reason == "" {
		w.fail("drill", "%s has ended as %s, because %q", r.name, d.Phase, d.Reason)
		return
	}
	if r.aborted != never && d.Phase == api.DrillPassed {
		w.fail("drill", "%s was aborted and has passed", r.name)
	}
	if r.done == never || d.Probes.Sent == 0 {
		return
	}
	most, sure := time.Duration(0), time.Duration(0)
	for _, f := range r.failed {
		most = max(most, f.took)
		// The newest ones may not have been handed over any more.
		if r.ended.Sub(f.at) > deliverEvery+w.knobs.LoopMax && f.at >= w.fleet.stalled {
			sure = max(sure, f.took)
		}
	}
	if took := d.Probes.LastFail; took < sure || took > most {
		w.fail("took", "%s says that the last probe failed %s after the fault; it was %s", r.name, took, most)
	}
}

func (c *checkDrill) tick() {
	w, r := c.world, c.run
	if r == nil || w.fleet.dead || w.now < w.fleet.stalled {
		return
	}
	s := w.spec.Drill(r.name)
	if s == nil {
		return
	}
	// A fleet whose loop stands still is not late itself.
	limit := drillParts + s.Hold.D() + s.Settle.D() + w.stalls
	if age := w.now.Sub(r.began); age > limit {
		w.fail("drill", "%s is under way for %s; %s are its parts", r.name, age, limit)
	}
	if r.aborted != never && w.now.Sub(max(r.aborted, w.fleet.stalled)) > abortParts {
		if d := w.drillReport(r.name); d.Phase == api.DrillChecking || d.Phase == api.DrillRunning {
			w.fail("drill", "%s was aborted %s ago and is still %s", r.name, w.now.Sub(r.aborted), d.Phase)
		}
	}
}

func (c *checkDrill) end() {
	if c.run != nil && !c.world.fleet.dead {
		c.world.fail("drill", "%s never ended", c.run.name)
	}
}
