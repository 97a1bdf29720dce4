package sim

import (
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
)

// checks are the promises that are watched. Each is a small file, check_*.go,
// and sees what it asks for by the methods that it has.
type checks struct {
	world *World

	onPick []interface{ pick(h *simHost, p picked) }
	onCut  []interface {
		cut(h *simHost, c balance.Cut)
	}
	onTold []interface {
		told(h *simHost, ev host.Event)
	}
	onLaunch []interface {
		launched(h *simHost, l probe.Launch)
	}
	onChange []interface{ changed(h *simHost) }
	onReport []interface {
		report(h *simHost, s *host.Status)
	}
	onSample []interface {
		sample(p *witness, s drill.Sample)
	}
	onHeard []interface{ heard(ev fleet.Event) }
	onFleet []interface {
		fleet(ev fleet.Event, out *fleet.Effects)
	}
	onPicture []interface{ picture(s *api.Status) }
	onTick    []interface{ tick() }
	onEnd     []interface{ end() }
}

// picked is one flow's place.
type picked struct {
	backend *balance.Backend
	pool    *balance.Pool
	sticky  bool // persistence asked for it
}

func newChecks(w *World) *checks {
	c := &checks{world: w}
	for _, one := range []any{
		&checkForce{w}, &checkDrain{w}, &checkFlow{w}, &checkAsked{w}, &checkTable{w}, &checkPanic{w},
		newCheckEjection(w), newCheckSlowStart(w), newCheckProbe(w), &checkDetection{w},
		newCheckFault(w), newCheckDrill(w), newCheckApply(w), newCheckAnswer(w), &checkEvents{world: w}, &checkWords{world: w},
		newCheckPicture(w), &checkBounds{world: w},
	} {
		add(&c.onPick, one)
		add(&c.onCut, one)
		add(&c.onTold, one)
		add(&c.onLaunch, one)
		add(&c.onChange, one)
		add(&c.onReport, one)
		add(&c.onSample, one)
		add(&c.onHeard, one)
		add(&c.onFleet, one)
		add(&c.onPicture, one)
		add(&c.onTick, one)
		add(&c.onEnd, one)
	}
	return c
}

// add puts a check on a list if it has the list's method.
func add[T any](list *[]T, check any) {
	if c, ok := check.(T); ok {
		*list = append(*list, c)
	}
}

func (c *checks) pick(h *simHost, pool, i int, sticky bool) {
	t := h.path.table
	p := picked{&t.Backends[i], &t.Pools[pool], sticky}
	for _, x := range c.onPick {
		x.pick(h, p)
	}
}

func (c *checks) cut(h *simHost, cut balance.Cut) {
	for _, x := range c.onCut {
		x.cut(h, cut)
	}
}

func (c *checks) hostTold(h *simHost, ev host.Event) {
	for _, x := range c.onTold {
		x.told(h, ev)
	}
}

func (c *checks) launched(h *simHost, l probe.Launch) {
	for _, x := range c.onLaunch {
		x.launched(h, l)
	}
}

func (c *checks) changed(h *simHost) {
	for _, x := range c.onChange {
		x.changed(h)
	}
}

func (c *checks) report(h *simHost, s *host.Status) {
	for _, x := range c.onReport {
		x.report(h, s)
	}
}

func (c *checks) sample(p *witness, s drill.Sample) {
	for _, x := range c.onSample {
		x.sample(p, s)
	}
}

func (c *checks) fleetTold(ev fleet.Event) {
	for _, x := range c.onHeard {
		x.heard(ev)
	}
}

func (c *checks) fleet(ev fleet.Event, out *fleet.Effects) {
	for _, x := range c.onFleet {
		x.fleet(ev, out)
	}
	if out.Picture != nil {
		for _, x := range c.onPicture {
			x.picture(out.Picture)
		}
	}
}

func (c *checks) tick() {
	for _, x := range c.onTick {
		x.tick()
	}
}

func (c *checks) end() {
	for _, x := range c.onEnd {
		x.end()
	}
}

// seen is one backend of a host with what the checkers know of it.
type seen struct {
	*word
	status *host.Backend
	table  *balance.Backend
}

// sights are the backends of a host whose word, status and table are all known.
func sights(h *simHost, s *host.Status) []seen {
	all := make([]seen, 0, len(s.Backends))
	t := h.path.table
	j := 0
	for i := range s.Backends {
		b := &s.Backends[i]
		x := h.asked.served[b.Name]
		if x == nil {
			continue
		}
		one := seen{word: x, status: b}
		for j = range t.Backends {
			if t.Backends[j].Spec.Name == b.Name {
				one.table = &t.Backends[j]
				break
			}
		}
		if one.table != nil {
			all = append(all, one)
		}
	}
	return all
}

// takes reports whether a phase takes new flows.
func takes(p api.Phase) bool { return p == api.PhaseServing || p == api.PhaseRising }

// key is a backend on one life of a host.
type key struct {
	host    string
	life    int
	backend string
}

func keyOf(h *simHost, backend string) key { return key{h.name, h.life, backend} }

// never is before all that happens.
const never instant.Instant = -1
