package sshd

import (
	"net/netip"
	"sync"
	"time"
)

// Limits of who is connected. A field that is 0 is the default.
type Limits struct {
	Connections int // in all
	Fresh       int // of them not logged in yet
	PerSource   int // of them not logged in yet from one source
	Sessions    int // in all
	PerKey      int // sessions of one key
	// Failures from one source are forgiven one each FailureEvery; with none left
	// the source is not listened to.
	Failures     int
	FailureEvery time.Duration
}

// The defaults. They hold a crew of fifty with wallboards, and make a thousand
// guesses a day of a botnet's source a joke.
const (
	connectionsDefault = 256
	freshDefault       = 64
	perSourceDefault   = 8
	sessionsDefault    = 128
	perKeyDefault      = 32
	failuresDefault    = 10
	failureDefault     = 10 * time.Second
)

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		to *int
		n  int
	}{
		{&l.Connections, connectionsDefault},
		{&l.Fresh, freshDefault},
		{&l.PerSource, perSourceDefault},
		{&l.Sessions, sessionsDefault},
		{&l.PerKey, perKeyDefault},
		{&l.Failures, failuresDefault},
	} {
		if *d.to == 0 {
			*d.to = d.n
		}
	}
	if l.FailureEvery == 0 {
		l.FailureEvery = failureDefault
	}
	return l
}

// sourcesMax bounds the table of sources: 4,096 of them need 400 kB.
const sourcesMax = 4096

// source is where connections come from: an IPv4 address, or an IPv6 /64, which
// is what one site has.
func source(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// from is what is known of a source.
type from struct {
	fresh int
	open  int
	left  float64 // failures that would still be forgiven
	at    time.Time
}

// gate decides who may connect. It is told the time.
type gate struct {
	limits Limits

	mu      sync.Mutex
	open    int
	fresh   int
	sources map[netip.Prefix]*from
}

func newGate(l Limits) *gate { return &gate{limits: l, sources: map[netip.Prefix]*from{}} }

// of returns the entry of a source as it is now.
func (g *gate) of(a netip.Addr, now time.Time) *from {
	p := source(a)
	f := g.sources[p]
	if f == nil {
		if len(g.sources) >= sourcesMax {
			g.forget(now)
		}
		f = &from{left: float64(g.limits.Failures), at: now}
		g.sources[p] = f
	}
	g.refill(f, now)
	return f
}

func (g *gate) refill(f *from, now time.Time) {
	if d := now.Sub(f.at); d > 0 {
		f.left = min(f.left+float64(d)/float64(g.limits.FailureEvery), float64(g.limits.Failures))
		f.at = now
	}
}

// forget makes room for a quarter of the table or more: it forgets sources that
// have nobody connected, those first that would be forgiven most.
func (g *gate) forget(now time.Time) {
	for _, f := range g.sources {
		g.refill(f, now)
	}
	for most := float64(g.limits.Failures); most >= 0; most-- {
		for p, f := range g.sources {
			if f.open == 0 && f.left >= most {
				delete(g.sources, p)
			}
		}
		if len(g.sources) <= sourcesMax*3/4 {
			return
		}
	}
}

// arrive counts a connection in, or says why it is not let in.
func (g *gate) arrive(a netip.Addr, now time.Time) (why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.of(a, now)
	switch {
	case f.left < 1:
		return "too many failed logins from this source"
	case g.open >= g.limits.Connections:
		return "too many connections"
	case g.fresh >= g.limits.Fresh:
		return "too many connections that have not logged in"
	case f.fresh >= g.limits.PerSource:
		return "too many connections from this source that have not logged in"
	}
	g.open++
	g.fresh++
	f.open++
	f.fresh++
	return ""
}

// pass says that a connection has logged in.
func (g *gate) pass(a netip.Addr, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fresh--
	g.of(a, now).fresh--
}

// leave counts a connection out. One that never logged in is a failure.
func (g *gate) leave(a netip.Addr, passed bool, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.of(a, now)
	g.open--
	f.open--
	if !passed {
		g.fresh--
		f.fresh--
		f.left = max(f.left-1, 0)
	}
}

// bucket lets so many pass at once, and then one each while.
type bucket struct {
	most  int
	every time.Duration
	left  float64
	at    time.Time
}

func (b *bucket) take(now time.Time) bool {
	if b.at.IsZero() {
		b.left, b.at = float64(b.most), now
	}
	if d := now.Sub(b.at); d > 0 {
		b.left = min(b.left+float64(d)/float64(b.every), float64(b.most))
		b.at = now
	}
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
