package sim

import (
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
)

// checkAnswer: every command is answered once, at once; one that is refused, or
// only tried, changes nothing.
type checkAnswer struct {
	world    *World
	answered map[string]bool
}

func newCheckAnswer(w *World) *checkAnswer {
	return &checkAnswer{world: w, answered: map[string]bool{}}
}

func (c *checkAnswer) fleet(ev fleet.Event, out *fleet.Effects) {
	ask, ok := ev.(fleet.Ask)
	want := 0
	if ok {
		want = 1
	}
	if len(out.Answers) != want {
		c.world.fail("answer", "%T brings %d answers", ev, len(out.Answers))
		return
	}
	if !ok {
		return
	}
	r := out.Answers[0].Receipt
	if r.ID != ask.ID || c.answered[r.ID] {
		c.world.fail("answer", "request %s is answered as %s, again: %t", ask.ID, r.ID, c.answered[r.ID])
	}
	c.answered[r.ID] = true
	if r.OK && (api.Stops(r.Refusals, true) || r.Done == "") || !r.OK && len(r.Refusals) == 0 {
		c.world.fail("answer", "the receipt %s says ok: %t, with the refusals %v", r.ID, r.OK, r.Refusals)
	}
	if r.OK && !ask.Request.DryRun {
		if r.Seq == 0 {
			c.world.fail("answer", "request %s is accepted and not recorded", r.ID)
		}
		return
	}
	for _, e := range out.Events {
		if e.Receipt == r.ID {
			c.world.fail("answer", "request %s is refused or only tried, and event %d comes of it: %s", r.ID, e.Seq, e.Text)
		}
	}
	if out.Spec != nil {
		c.world.fail("answer", "request %s is refused or only tried, and brings a spec into force", r.ID)
	}
	for _, h := range out.Hosts {
		c.world.fail("answer", "request %s is refused or only tried, and %s is told %T", r.ID, h.Host, h.Event)
	}
}
