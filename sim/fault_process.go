package sim

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// strikeCrash ends a process, rather one that suffers what was ordered: it must
// suffer it again. Its keeper starts it again.
func strikeCrash(w *World) {
	p := w.suffering()
	if p == nil {
		p = w.victim()
	}
	if p != nil {
		p.die("segmentation fault")
	}
}

// suffering is a process that runs with a fault in force; nil: none does.
func (w *World) suffering() *process {
	for _, p := range w.keeper.children {
		if p.running && p.fault() != nil {
			return p
		}
	}
	return nil
}

// during does something to a process for a while, unless an order or a new
// process came over it.
func (w *World) during(p *process, what string, begin func()) {
	if p.fault() != nil {
		return
	}
	life := p.life
	begin()
	w.trace.say(w.now, "%s is hurt: %s", p.name, what)
	w.truth.refresh()
	w.queue.Add(w.now.Add(w.lasts()), func() {
		if p.life == life {
			p.recover()
		}
	})
}

// recover ends what nature does to a process; what was ordered stays.
func (p *process) recover() {
	ordered := api.FaultKind("")
	if p.fault() != nil {
		ordered = p.fault().Kind
	}
	p.errors = false
	if ordered != api.FaultSlow {
		p.delay = 0
	}
	if p.frozen && ordered != api.FaultFreeze {
		p.thaw()
	}
	p.world.truth.refresh()
}

// strikeFreeze stops a process that keeps its connections.
func strikeFreeze(w *World) {
	if p := w.victim(); p != nil {
		w.during(p, "freeze", func() { p.frozen = true })
	}
}

// strikeSlow makes each answer late.
func strikeSlow(w *World) {
	if p := w.victim(); p != nil {
		d := between(w.rand, 10*time.Millisecond, 1500*time.Millisecond)
		w.during(p, "slow", func() { p.delay = d })
	}
}

// strikeErrors makes each answer an error.
func strikeErrors(w *World) {
	if p := w.victim(); p != nil {
		w.during(p, "errors", func() { p.errors = true })
	}
}

// strikeFlap makes a process fail and come right again and again, about as fast
// as its probes can see.
func strikeFlap(w *World) {
	p := w.victim()
	if p == nil {
		return
	}
	life, until := p.life, w.now.Add(w.lasts()*2)
	var turn func()
	turn = func() {
		if p.life != life || p.fault() != nil {
			return
		}
		p.errors = !p.errors && !until.Reached(w.now) && !w.healed
		w.truth.refresh()
		if !until.Reached(w.now) && !w.healed {
			w.queue.Add(min(w.now.Add(between(w.rand, 100*time.Millisecond, 1500*time.Millisecond)), max(until, w.now+instant.Instant(time.Millisecond))), turn)
		}
	}
	turn()
}
