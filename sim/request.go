package sim

import (
	"net/netip"
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// request is one client's question through one host.
type request struct {
	path     *path
	listener *spec.Listener
	source   netip.Addr
	began    instant.Instant
	until    instant.Instant
	tried    []string
	gone     bool // the client has its answer or waits no more
	done     func(answer)
}

// serve takes a client's request. The host may be down, or not listen; done is
// called once, when the client knows.
func (w *World) serve(h *simHost, l *spec.Listener, source netip.Addr, timeout time.Duration, done func(answer)) {
	r := &request{listener: l, source: source, began: w.now, until: w.now.Add(timeout)}
	over := false
	r.done = func(a answer) {
		if !over {
			over, r.gone = true, true
			done(a)
		}
	}
	w.queue.Add(r.until, func() { r.done(answer{reason: "no answer in time"}) })
	if !w.net.both(clientsEnd, h.name) {
		return
	}
	w.queue.Add(w.now.Add(w.net.hop()), func() {
		if h.down || h.path.bound[l.Name] == "" {
			w.queue.Add(w.now.Add(w.net.hop()), func() { r.done(answer{reason: reasonRefused}) })
			return
		}
		r.path = h.path
		m := r.path.listeners[l.Name]
		m.active++
		m.totals.Requests++
		finish := r.done
		closed := false
		r.done = func(a answer) {
			if !closed {
				closed = true
				m.active--
				if a.ok {
					m.answered(w.now, w.now.Sub(r.began))
				} else {
					m.totals.Errors++
				}
			}
			finish(a)
		}
		// The client's time-out ends it here, too.
		w.queue.Add(r.until, func() { r.done(answer{reason: "no answer in time"}) })
		if st := r.path.state(l.Pool); st != nil {
			st.budget.Request()
		}
		r.attempt()
	})
}

// state is what is kept of a pool that the table has; nil otherwise.
func (p *path) state(pool string) *poolState {
	if p.pool(pool) < 0 {
		return nil
	}
	return p.pools[pool]
}

// pool is the index of a pool in the table; -1 without one.
func (p *path) pool(name string) int {
	for i := range p.table.Pools {
		if p.table.Pools[i].Spec.Name == name {
			return i
		}
	}
	return -1
}

// attempt sends the request to one backend.
func (r *request) attempt() {
	p, w := r.path, r.path.host.world
	pool := p.pool(r.listener.Pool)
	if pool < 0 {
		r.reply(answer{reason: errNobody})
		return
	}
	at, ok := p.acquire(pool, r.source, r.tried)
	if !ok {
		r.reply(answer{reason: errNobody})
		return
	}
	at.meter.totals.Requests++
	x := w.keeper.at(at.backend, at.address)
	f := &flow{backend: at.backend, address: at.address, process: x}
	if x != nil {
		f.life = x.life
	}
	began, over := w.now, false
	finish := func(a answer, blame, free bool) {
		if over {
			return
		}
		over = true
		p.forget(f)
		if p.host.path != p {
			r.reply(answer{reason: "connection reset"}) // the host went down meanwhile
			return
		}
		if a.begun {
			at.meter.answered(w.now, w.now.Sub(began))
		}
		if blame {
			p.done(at, !a.ok, a.reason)
		} else {
			at.meter.active--
		}
		r.tried = append(r.tried, at.backend)
		// What has begun to answer is not asked again, and neither is for whom
		// nobody waits.
		if a.ok || a.begun || r.gone || r.listener.Protocol != spec.HTTP || len(r.tried) > *at.pool.Retry.Attempts ||
			!free && !a.unreached && !at.meter.trouble.Refuses() && (p.state(r.listener.Pool) == nil || !p.pools[r.listener.Pool].budget.Take(w.now)) {
			r.reply(a)
			return
		}
		at.meter.totals.Retries++
		r.attempt()
	}
	f.end = func(reason string) { finish(answer{reason: reason}, reason != "cut", false) }
	if r.listener.Protocol == spec.HTTP && len(r.tried) < *at.pool.Retry.Attempts {
		f.lost = func() { finish(answer{reason: "the backend went down before it answered"}, true, true) }
	}
	p.flows = append(p.flows, f)
	left := r.until.Sub(w.now)
	connect := at.pool.Upstream.Connect.D()
	w.net.ask(question{from: p.host.name, backend: at.backend, address: at.address, connect: connect, timeout: left}, func(a answer) {
		// A client that gave up says nothing of the backend.
		finish(a, !r.until.Reached(w.now), false)
	})
}

// reply carries the answer to the client.
func (r *request) reply(a answer) {
	w := r.path.host.world
	if !w.net.open(r.path.host.name, clientsEnd) {
		return
	}
	w.queue.Add(w.now.Add(w.net.hop()), func() { r.done(a) })
}

// connect opens a long flow through a host, such as a WebSocket or a tunnel: it
// stays until its time is over, its backend dies, or its drain ends.
func (w *World) connect(h *simHost, l *spec.Listener, source netip.Addr, lasts time.Duration) {
	p := h.path
	pool := p.pool(l.Pool)
	if h.down || p.bound[l.Name] == "" || pool < 0 {
		return
	}
	at, ok := p.acquire(pool, source, nil)
	if !ok {
		return
	}
	x := w.keeper.at(at.backend, at.address)
	f := &flow{backend: at.backend, address: at.address, process: x}
	if x != nil {
		f.life = x.life
	}
	over := false
	f.end = func(reason string) {
		if over {
			return
		}
		over = true
		p.forget(f)
		if h.path != p {
			return
		}
		if reason == "cut" {
			at.meter.active--
			return
		}
		p.done(at, reason != "", reason)
	}
	p.flows = append(p.flows, f)
	connect := at.pool.Upstream.Connect.D()
	w.net.ask(question{from: h.name, backend: at.backend, address: at.address, connect: connect, timeout: connect, dial: true}, func(a answer) {
		if !a.ok {
			f.end(a.reason)
			return
		}
		at.meter.trouble.Succeeded() // it was accepted; what ends it later is another matter
		w.queue.Add(w.now.Add(lasts), func() { f.end("") })
	})
}
