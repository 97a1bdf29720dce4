package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Defaults of listeners and pools: the reference's where it has the setting.
const (
	DefaultEstablished    = 900 * time.Second
	DefaultEstablishedUDP = 60 * time.Second
	DefaultIdle           = 15 * time.Second
	DefaultRequest        = 60 * time.Second
	DefaultHeader         = 10 * time.Second
	DefaultHeaderMax      = 16 << 10
	DefaultDrainFor       = 30 * time.Second
	DefaultSlowStart      = 5 * time.Second
	DefaultConnect        = time.Second
	DefaultUpstreamIdle   = 60 * time.Second
	DefaultQueueFor       = time.Second
)

func (c *checker) checkPools() {
	f := c.fleet
	c.pools = register(c, "pools", f.Pools, func(p *Pool) string { return p.Name })
	c.backends = map[string]*Backend{}
	for i := range f.Pools {
		c.checkPool(&f.Pools[i], fmt.Sprintf("pools[%d]", i))
	}
}

func (c *checker) checkPool(p *Pool, path string) {
	known(c, path+".site", "site", p.Site, c.sites)
	c.serves(path+".site", "pool", p.Site)
	if p.Scheduler == "" {
		p.Scheduler = WRR
	}
	if p.Probe != "" {
		known(c, path+".probe", "probe", p.Probe, c.probes)
	}
	if len(p.Backends) == 0 {
		c.bad(path+".backends", "the pool has no backend", "expected at least one")
	}
	for i := range p.Backends {
		c.checkBackend(p, &p.Backends[i], fmt.Sprintf("%s.backends[%d]", path, i))
	}
	c.span(path+".slow_start", &p.SlowStart, 0, 15*time.Minute, DefaultSlowStart)
	c.span(path+".drain_for", &p.DrainFor, time.Second, 24*time.Hour, DefaultDrainFor)
	c.span(path+".ejection.for", &p.Ejection.For, 100*time.Millisecond, 10*time.Minute, 5*time.Second)
	c.share(path+".ejection.share_max", &p.Ejection.ShareMax, 50)
	c.count(path+".ejection.failures", &p.Ejection.Failures, 1, 1000, 5)
	if p.Retry.Attempts == nil {
		one := 1
		p.Retry.Attempts = &one
	}
	c.within(path+".retry.attempts", *p.Retry.Attempts, 0, 5)
	c.share(path+".retry.budget", &p.Retry.Budget, 20)
	c.persistence(&p.Persistence, path+".persistence")
	c.upstream(&p.Upstream, path+".upstream")
}

func (c *checker) checkBackend(p *Pool, b *Backend, path string) {
	c.name(path+".name", b.Name)
	if _, twice := c.backends[b.Name]; twice && b.Name != "" {
		c.bad(path+".name", fmt.Sprintf("the name %s is taken", quote(b.Name)), "backend names are unique in the fleet")
	}
	c.backends[b.Name] = b
	if b.Host != "" {
		if host, ok := known(c, path+".host", "host", b.Host, c.hosts); ok {
			if c.hostSite[b.Host] != p.Site && p.Site != "" {
				c.bad(path+".host", fmt.Sprintf("host %s is in site %s", b.Host, c.hostSite[b.Host]), "expected a host of site "+p.Site)
			}
			if b.Address == "" {
				b.Address = host.Address
			}
		}
	}
	if b.Address == "" {
		if b.Host == "" {
			c.bad(path, "the backend has neither host nor address", "expected one of them")
		}
	} else if a, ok := c.address(path+".address", b.Address); ok {
		if a.IsUnspecified() || a.IsMulticast() {
			c.bad(path+".address", b.Address+" cannot be connected to", "expected the address of a service")
		}
		b.Address = a.String()
	}
	c.within(path+".port", b.Port, 1, 65535)
	if b.Weight == nil {
		w := WeightDefault
		b.Weight = &w
	}
	c.within(path+".weight", *b.Weight, WeightMin, WeightMax)
	c.within(path+".flows_max", b.FlowsMax, 0, 1<<20)
	c.within(path+".queue_max", b.QueueMax, 0, 1<<16)
	if b.QueueMax > 0 && b.FlowsMax == 0 {
		c.bad(path+".queue_max", "a queue without flows_max is never used", "set flows_max too")
	}
	c.span(path+".queue_for", &b.QueueFor, time.Millisecond, 5*time.Minute, DefaultQueueFor)
	if b.Service != nil {
		if b.Host == "" {
			c.bad(path+".service", "a service needs a host to run on", "set host")
		}
		if b.Service.Kind == "" {
			b.Service.Kind = ServiceHTTP
		}
		transport := "tcp"
		if b.Service.Kind == ServiceUDP {
			transport = "udp"
		}
		c.take(path+".port", transport, b.Address, b.Port)
	}
}

func (c *checker) persistence(p *Persistence, path string) {
	if p.Kind == "" {
		p.Kind = PersistOff
	}
	switch p.Kind {
	case PersistOff:
		if p.For != 0 || p.Cookie != "" {
			c.bad(path, "persistence is off but has settings", "set kind")
		}
	case PersistSource:
		c.span(path+".for", &p.For, time.Second, time.Hour, 5*time.Minute)
		if p.Cookie != "" {
			c.bad(path+".cookie", "persistence by source has no cookie", "leave it out, or use cookie-insert")
		}
	case CookieInsert:
		c.span(path+".for", &p.For, time.Second, 24*time.Hour, time.Hour)
		if p.Cookie == "" {
			p.Cookie = "SERVERID"
		}
	case CookieRewrite:
		if p.Cookie == "" {
			c.bad(path+".cookie", "the cookie to rewrite is not named", "expected the name of the service's own cookie")
		}
		if p.For != 0 {
			c.bad(path+".for", "a rewritten cookie lives as long as the service says", "leave it out")
		}
	}
	if len(p.Cookie) > 200 || strings.ContainsFunc(p.Cookie, func(r rune) bool {
		// RFC 9110 section 5.6.2: a cookie's name is a token.
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	}) {
		c.bad(path+".cookie", quote(p.Cookie)+" is no cookie name", "expected 1 to 200 letters, digits or -_.")
	}
}

func (c *checker) upstream(u *Upstream, path string) {
	switch u.Proxy {
	case "":
		u.Proxy = ProxyOff
	case ProxyAny:
		c.bad(path+".proxy_protocol", "any cannot be sent", "expected off, v1 or v2")
	case ProxyOff, ProxyV1, ProxyV2:
	}
	if !u.TLS && (u.ServerName != "" || u.CA != "" || u.Insecure) {
		c.bad(path, "TLS settings without tls: true", "set tls: true or leave them out")
	}
	c.span(path+".connect", &u.Connect, 10*time.Millisecond, time.Minute, DefaultConnect)
	c.span(path+".idle", &u.Idle, time.Second, time.Hour, DefaultUpstreamIdle)
	c.count(path+".conns_max", &u.ConnsMax, 1, 1<<16, 256)
}

func (c *checker) checkClients() {
	f := c.fleet
	c.clients = register(c, "clients", f.Clients, func(x *Clients) string { return x.Name })
	for i := range f.Clients {
		x, path := &f.Clients[i], fmt.Sprintf("clients[%d]", i)
		l, ok := known(c, path+".listener", "listener", x.Listener, c.listeners)
		if ok && x.From == "" {
			x.From = l.Site
		}
		if x.From != "" {
			known(c, path+".from", "site", x.From, c.sites)
			c.serves(path+".from", "clients", x.From)
		}
		if !(x.Rate >= 0.1 && x.Rate <= 10000) {
			c.bad(path+".rate", fmt.Sprintf("%g is out of range", x.Rate), "expected 0.1 to 10000 requests per second")
		}
		if x.Path == "" {
			x.Path = "/"
		}
		c.path(path+".path", x.Path)
		c.span(path+".timeout", &x.Timeout, 10*time.Millisecond, time.Minute, time.Second)
	}
}

// path checks an HTTP request target in origin form (RFC 9112 section 3.2.1).
func (c *checker) path(path, s string) {
	if !strings.HasPrefix(s, "/") || len(s) > 1024 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		c.bad(path, quote(s)+" is no path", "expected one that begins with / and has at most 1024 printable ASCII characters")
	}
}

func (c *checker) checkDrills() {
	f := c.fleet
	c.drills = register(c, "drills", f.Drills, func(d *Drill) string { return d.Name })
	for i := range f.Drills {
		d, path := &f.Drills[i], fmt.Sprintf("drills[%d]", i)
		if !slices.Contains([]string{"kill", "freeze", "slow", "restart"}, d.Fault.Kind) {
			c.bad(path+".fault.kind", quote(d.Fault.Kind)+" is no fault", "expected kill, freeze, slow or restart")
		}
		name, ok := strings.CutPrefix(d.Fault.Target, "backend/")
		switch {
		case !ok:
			c.bad(path+".fault.target", "found "+quote(d.Fault.Target), "expected backend/NAME or backend/any")
		case name != "any":
			if b, ok := known(c, path+".fault.target", "backend", name, c.backends); ok && b.Service == nil {
				c.bad(path+".fault.target", "backend "+name+" is not run by this fleet", "expected one with a service")
			}
		}
		if d.Fault.Kind == "slow" {
			c.span(path+".fault.delay", &d.Fault.Delay, time.Millisecond, time.Minute, 500*time.Millisecond)
		} else if d.Fault.Delay != 0 {
			c.bad(path+".fault.delay", "a delay goes with slow only", "leave it out")
		}
		if d.Why == "" {
			c.bad(path+".why", "the drill does not say why", "expected a sentence: what is broken, and what users may notice")
		}
		if x, there := known(c, path+".clients", "clients", d.Clients, c.clients); there && ok && name != "any" {
			c.drillSees(path+".fault.target", name, x)
		}
		if d.Objectives.Took <= 0 {
			c.bad(path+".objectives.took", "the drill has no objective", "expected took: TIME, from the fault to the last failed request")
		}
		c.share(path+".objectives.errors", &d.Objectives.Errors, 1)
		c.share(path+".before.min_up", &d.Before.MinUp, 100)
		c.share(path+".before.errors", &d.Before.Errors, 0)
		c.share(path+".stop.errors", &d.Stop.Errors, 20)
		c.span(path+".stop.for", &d.Stop.For, time.Second, time.Hour, 10*time.Second)
		c.span(path+".hold", &d.Hold, 100*time.Millisecond, time.Hour, 5*time.Second)
		c.span(path+".settle", &d.Settle, time.Second, time.Hour, 15*time.Second)
		c.span(path+".revert_after", &d.RevertAfter, time.Second, 2*time.Hour, d.Hold.D()+30*time.Second)
		if d.RevertAfter <= d.Hold {
			c.bad(path+".revert_after", fmt.Sprintf("%s is not after hold (%s)", d.RevertAfter, d.Hold), "the dead-man time must be the longer one")
		}
		c.span(path+".probe_every", &d.ProbeEvery, time.Millisecond, time.Minute, time.Millisecond)
	}
}

// drillSees refuses a drill whose clients cannot notice its fault.
func (c *checker) drillSees(path, backend string, x *Clients) {
	l := c.listeners[x.Listener]
	if l == nil || c.backends[backend] == nil {
		return
	}
	for _, pool := range l.pools() {
		if p := c.pools[pool]; p != nil && slices.ContainsFunc(p.Backends, func(b Backend) bool { return b.Name == backend }) {
			return
		}
	}
	c.bad(path, fmt.Sprintf("backend %s serves no flow of listener %s, which clients %s use", backend, l.Name, x.Name), "expected a backend of that listener's pool: the drill would measure nothing")
}

func parsePrefix(s string) (string, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked().String(), true
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()).String(), true
	}
	return "", false
}

// serverName reports whether s is a host name, with one leading wildcard label
// allowed (RFC 6125 section 6.4.3).
func serverName(s string) bool {
	s = strings.TrimPrefix(s, "*.")
	if s == "" || len(s) > 253 {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
