package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/keep"
)

// process is a backend's process, or its absence.
type process struct {
	world               *World
	name, kind, address string
	pool                string

	running bool
	life    int // counts starts, so that what belongs to an earlier one is told
	pid     int
	frozen  bool
	delay   time.Duration
	errors  bool     // it answers with errors
	waiting []func() // work that came while it was frozen

	keep  keep.Process    // what becomes of it
	awake instant.Instant // when keep is woken next
}

// fault is the one in force on it, as its keeper has it; nil: none.
func (p *process) fault() *keep.Fault {
	if f, ok := p.keep.Fault(); ok {
		return &f
	}
	return nil
}

// serve answers one request after the time it takes.
func (p *process) serve(reply func(answer)) {
	w, life := p.world, p.life
	var finish func()
	finish = func() {
		switch {
		case p.life != life || !p.running:
			reply(answer{reason: "connection reset"})
		case p.frozen:
			p.waiting = append(p.waiting, finish)
		case p.errors:
			reply(answer{begun: true, reason: "status 503"})
		default:
			reply(answer{ok: true, begun: true})
		}
	}
	if p.frozen {
		p.waiting = append(p.waiting, finish)
		return
	}
	w.queue.Add(w.now.Add(p.delay+between(w.rand, w.knobs.ServeMax/10, w.knobs.ServeMax)), finish)
}

// thaw lets it go on with what waits.
func (p *process) thaw() {
	p.frozen = false
	p.world.truth.anew(p.name) // what waited is answered now, be the way to it cut since
	p.resume()
	p.world.truth.refresh()
}

func (p *process) resume() {
	waiting := p.waiting
	p.waiting = nil
	for _, f := range waiting {
		f()
	}
}

// die ends the process. Whoever is connected hears of it, unless the network is
// in the way.
func (p *process) die(reason string) {
	if !p.running {
		return
	}
	w := p.world
	w.trace.say(w.now, "%s dies: %s", p.name, reason)
	p.running, p.frozen, p.delay, p.errors = false, false, 0, false
	p.resume()
	for _, h := range w.hosts {
		h.path.died(p)
	}
	w.truth.refresh()
	w.keeper.ended(p, reason)
}
