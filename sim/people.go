package sim

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// people are the operators: they ask for this and that, some of it nonsense.
type people struct {
	world   *World
	asked   int
	waiting map[string]func(api.Receipt)
	sites   []site // of each revision, from 1
}

func newPeople(w *World) *people {
	return &people{world: w, waiting: map[string]func(api.Receipt){}}
}

// busy lets them ask again and again.
func (p *people) busy() {
	w := p.world
	if w.knobs.Operator <= 0 {
		return
	}
	w.queue.Add(w.now.Add(between(w.rand, 0, 2*w.knobs.Operator)), func() {
		if w.healed {
			return
		}
		p.something()
		p.busy()
	})
}

// something asks for something.
func (p *people) something() {
	w := p.world
	var then func(api.Receipt)
	var c api.Command
	if w.rand.Float64() < w.knobs.Nonsense {
		c = p.nonsense()
	} else {
		c, then = p.command()
	}
	req := api.Request{Command: c, By: api.Actor{Name: "akiko", From: "simulation"}, DryRun: w.rand.IntN(10) == 0}
	if w.picture != nil && w.rand.IntN(4) > 0 {
		req.Confirm = api.Confirmation(c, w.picture)
		if api.Respecs(c) { // the fleet may ask for a word that the picture does not
			req.Confirm = api.ConfirmWord(c, w.picture)
		}
	}
	if w.rand.IntN(2) == 0 {
		req.Why = "to see what happens"
	}
	p.ask(req, func(r api.Receipt) {
		if then != nil && r.OK && !req.DryRun {
			then(r)
		}
	})
}

// ask sends a request to the fleet's loop.
func (p *people) ask(req api.Request, then func(api.Receipt)) {
	w := p.world
	w.fleet.tell(between(w.rand, w.knobs.LoopMax/10, w.knobs.LoopMax), p.request(req, then))
}

// request makes the event of a request, as every world's client does.
func (p *people) request(req api.Request, then func(api.Receipt)) fleet.Ask {
	w := p.world
	p.asked++
	ask := fleet.Ask{ID: fmt.Sprintf("r%d", p.asked), Request: req}
	text, named := "", false
	if c, ok := req.Command.(api.Apply); ok {
		text, named = c.Text, true
	}
	if c, ok := req.Command.(api.Rollback); ok {
		for _, r := range w.revs {
			if r.Rev == c.Rev {
				text, named = r.Text, true
			}
		}
	}
	if named {
		s, err := spec.Parse("next.yaml", []byte(text))
		if err != nil {
			ask.Refusal = []api.Refusal{{Reason: api.ReasonSpecInvalid, Detail: err.Error()}}
		}
		ask.Spec = s
	}
	p.waiting[ask.ID] = then
	w.trace.say(w.now, "%s asked: %s, confirmed %q, only tried: %t", ask.ID, req.Command.Sentence(), req.Confirm, req.DryRun)
	return ask
}

// answered takes a receipt.
func (p *people) answered(r api.Receipt) {
	p.world.trace.say(p.world.now, "%s answered: %t %v", r.ID, r.OK, r.Refusals)
	then := p.waiting[r.ID]
	delete(p.waiting, r.ID)
	if then != nil {
		then(r)
	}
}

func (p *people) backend() string {
	w := p.world
	pool := &w.spec.Pools[w.rand.IntN(len(w.spec.Pools))]
	return pool.Backends[w.rand.IntN(len(pool.Backends))].Name
}

func (p *people) target() id.Ref {
	if w := p.world; w.rand.IntN(4) == 0 {
		return id.To(id.KindHost, w.hosts[w.rand.IntN(len(w.hosts))].name)
	}
	return id.To(id.KindBackend, p.backend())
}

// command draws a command that makes sense, and what to remember when it is
// accepted.
func (p *people) command() (api.Command, func(api.Receipt)) {
	w := p.world
	switch w.rand.IntN(16) {
	case 0, 1:
		c := api.SetWeights{Weights: []api.Weight{{Backend: p.backend(), Weight: oneOf(w.rand, 0, 1, 30, 100)}}}
		if b := p.backend(); b != c.Weights[0].Backend {
			c.Weights = append(c.Weights, api.Weight{Backend: b, Weight: oneOf(w.rand, 0, 10, 100)})
		}
		return c, nil
	case 2, 3:
		return api.Drain{Target: p.target(), For: oneOf(w.rand, 0, 300*time.Millisecond, 2*time.Second, 6*time.Second)}, nil
	case 4:
		return api.Undrain{Target: p.target()}, nil
	case 5, 6:
		return api.Force{Backend: p.backend(), Health: oneOf(w.rand, api.Up, api.Down)}, nil
	case 7:
		return api.Unforce{Backend: p.backend()}, nil
	case 8, 9:
		c := api.InjectFault{Kind: oneOf(w.rand, api.FaultKinds()...), Target: id.To(id.KindBackend, p.backend()), For: oneOf(w.rand, 0, 500*time.Millisecond, 3*time.Second, 8*time.Second)}
		if c.Kind == api.FaultSlow {
			c.Delay = oneOf(w.rand, 10*time.Millisecond, 300*time.Millisecond, 2*time.Second)
		}
		return c, nil
	case 10:
		if w.picture != nil && len(w.picture.Faults) > 0 && w.rand.IntN(2) == 0 {
			return api.ClearFault{ID: w.picture.Faults[0].ID}, nil
		}
		return api.ClearFault{}, nil
	case 11, 12, 13:
		return api.StartDrill{Name: w.spec.Drills[w.rand.IntN(len(w.spec.Drills))].Name}, nil
	case 14:
		return api.AbortDrill{}, nil
	}
	// Some speak of a revision that is not in force any more, or that never was.
	newest := w.revs[len(w.revs)-1].Rev
	base := oneOf(w.rand, 0, 0, newest, newest, 1)
	if w.rand.IntN(3) == 0 {
		rev := w.revs[w.rand.IntN(len(w.revs))].Rev
		return api.Rollback{Rev: rev, Base: base}, func(api.Receipt) { p.revised(p.sites[rev-1]) }
	}
	next := w.site.change(w.rand)
	return api.Apply{Name: "next.yaml", Text: next.text(), Base: base}, func(api.Receipt) { p.revised(next) }
}

// revised remembers what site a new revision is of.
func (p *people) revised(s site) {
	p.world.site = s
	p.sites = append(p.sites, s)
}

// nonsense draws a command that must be refused.
func (p *people) nonsense() api.Command {
	w := p.world
	switch w.rand.IntN(11) {
	case 9:
		return api.Rollback{Rev: oneOf(w.rand, 0, uint64(1)<<40)}
	case 0:
		return api.SetWeights{Weights: []api.Weight{{Backend: p.backend(), Weight: oneOf(w.rand, -1, 101, 1<<40)}}}
	case 1:
		return api.SetWeights{}
	case 2:
		return api.Drain{Target: id.To(id.KindPool, w.spec.Pools[0].Name)}
	case 3:
		return api.Drain{Target: p.target(), For: -time.Second}
	case 4:
		return api.Force{Backend: p.backend(), Health: "sideways"}
	case 5:
		return api.InjectFault{Kind: "melt", Target: p.target()}
	case 6:
		return api.InjectFault{Kind: api.FaultKill, Target: id.To(id.KindBackend, "nobody"), For: time.Hour}
	case 7:
		return api.StartDrill{Name: "no-such-drill"}
	case 8:
		return api.Apply{Name: "broken.yaml", Text: w.site.text() + "pools: []\nnonsense: true\n"}
	}
	return api.Unforce{Backend: "nobody"}
}
