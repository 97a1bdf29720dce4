package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// site is a spec being drawn: what a person would write, so that the spec's own
// reader fills in the defaults and checks it.
type site struct {
	hosts  int
	probes []string // each a line of YAML
	pools  []sitePool
	drills []string
}

type sitePool struct {
	name, protocol, service string
	settings                string // lines of YAML
	hosts                   []int  // that listen
	rate                    float64
	timeout                 time.Duration
	backends                []siteBackend
}

type siteBackend struct {
	name   string
	host   int
	port   int
	weight int
	backup bool
	limit  int // of flows; 0 none
}

// drawSite draws a site of the size that the knobs say.
func drawSite(r *rand.Rand, k Knobs) site {
	s := site{hosts: k.Hosts}
	for i := range k.Pools {
		p := sitePool{name: fmt.Sprintf("shop-%d", i+1), rate: oneOf(r, 2.0, 5, 20), timeout: oneOf(r, 200*time.Millisecond, time.Second, 3*time.Second)}
		p.protocol = oneOf(r, "http", "http", "tcp", "udp")
		p.service = p.protocol
		for h := range s.hosts {
			if r.IntN(4) > 0 || len(p.hosts) == 0 && h == s.hosts-1 {
				p.hosts = append(p.hosts, h)
			}
		}
		p.settings = drawPoolSettings(r)
		for j := range 1 + r.IntN(k.Backends) {
			b := siteBackend{name: fmt.Sprintf("%s-%c", p.name, 'a'+j), host: r.IntN(s.hosts), port: 9000 + 100*i + j, weight: oneOf(r, 100, 100, 100, 50, 10, 1, 0)}
			b.backup = j > 0 && r.IntN(4) == 0
			if r.IntN(5) == 0 {
				b.limit = 1 + r.IntN(20)
			}
			p.backends = append(p.backends, b)
		}
		p.backends[0].weight = 100
		s.pools = append(s.pools, p)
		s.probes = append(s.probes, drawProbe(r, fmt.Sprintf("probe-%d", i+1), p.protocol))
		s.drills = append(s.drills, drawDrill(r, p.name))
	}
	return s
}

func drawPoolSettings(r *rand.Rand) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "    "+format+"\n", args...) }
	line("scheduler: %s", oneOf(r, "rr", "wrr", "wlc", "sch", "p2c"))
	line("slow_start: %s", oneOf(r, "0s", "1s", "4s"))
	line("drain_for: %s", oneOf(r, "1s", "3s", "8s"))
	line("panic: %s", oneOf(r, "0%", "30%", "50%"))
	if r.IntN(5) == 0 {
		line("ejection: {off: true}")
	} else {
		line("ejection: {failures: %d, for: %s, share_max: %s}", 2+r.IntN(4), oneOf(r, "500ms", "1s", "2s"), oneOf(r, "10%", "34%", "50%", "100%"))
	}
	line("retry: {attempts: %d}", r.IntN(3))
	if r.IntN(4) == 0 {
		line("persistence: {kind: source, for: %s}", oneOf(r, "2s", "30s"))
	}
	return b.String()
}

func drawProbe(r *rand.Rand, name, protocol string) string {
	return fmt.Sprintf("  - {name: %s, kind: %s, interval: %s, timeout: %s, rise: %d, fall: %d, jitter: %d%%, flap: {count: %d, window: 20s, hold: %s, hold_max: 4s}}\n",
		name, protocol, oneOf(r, "200ms", "350ms", "500ms", "1s"), oneOf(r, "50ms", "100ms", "300ms", "600ms"),
		1+r.IntN(3), 1+r.IntN(3), oneOf(r, 0, 10, 30), 2+r.IntN(2), oneOf(r, "500ms", "2s"))
}

func drawDrill(r *rand.Rand, pool string) string {
	kind := oneOf(r, "kill", "kill", "freeze", "slow", "restart")
	delay := ""
	if kind == "slow" {
		delay = ", delay: " + oneOf(r, "20ms", "400ms", "2s")
	}
	hold := oneOf(r, 500*time.Millisecond, 2*time.Second, 4*time.Second)
	return fmt.Sprintf("  - {name: lose-%s, why: a backend is lost, fault: {kind: %s, target: backend/any%s}, clients: users-%s, objectives: {took: 2s, errors: 10%%}, hold: %s, settle: %s, revert_after: %s, probe_every: %s, before: {min_up: %s, errors: %s}, stop: {errors: %s, for: 1s}}\n",
		pool, kind, delay, pool, hold, oneOf(r, "3s", "10s"), hold+oneOf(r, time.Second, 10*time.Second), oneOf(r, "2ms", "5ms", "20ms"),
		oneOf(r, "30%", "60%", "100%"), oneOf(r, "0%", "100%"), oneOf(r, "20%", "100%"))
}

// change draws the spec that an operator applies next.
func (s site) change(r *rand.Rand) site {
	s.pools, s.probes, s.drills = slices.Clone(s.pools), slices.Clone(s.probes), slices.Clone(s.drills)
	for range 1 + r.IntN(3) {
		i := r.IntN(len(s.pools))
		p := &s.pools[i]
		p.backends = slices.Clone(p.backends)
		b := &p.backends[r.IntN(len(p.backends))]
		switch r.IntN(9) {
		case 0:
			b.weight = oneOf(r, 100, 50, 5, 0)
		case 1: // another service under the same name
			b.port += 50
		case 2:
			p.backends = append(p.backends, siteBackend{name: fmt.Sprintf("%s-x%d", p.name, r.IntN(4)), host: r.IntN(s.hosts), port: 9000 + 100*i + 20 + r.IntN(20), weight: 100})
		case 3:
			if len(p.backends) > 1 {
				p.backends = slices.Delete(p.backends, 1, 2)
			}
		case 4:
			p.settings = drawPoolSettings(r)
		case 5:
			s.probes[i] = drawProbe(r, fmt.Sprintf("probe-%d", i+1), p.protocol)
		case 6:
			b.backup = !b.backup
		case 7:
			s.drills[i] = drawDrill(r, p.name)
		case 8: // a host gives the listener up, or takes it
			h := r.IntN(s.hosts)
			if at := slices.Index(p.hosts, h); at < 0 {
				p.hosts = append(slices.Clone(p.hosts), h)
			} else if len(p.hosts) > 1 {
				p.hosts = slices.Delete(slices.Clone(p.hosts), at, at+1)
			}
		}
	}
	return s
}

// text is the spec as YAML.
func (s site) text() string {
	var b strings.Builder
	b.WriteString("fleet: simulated\nsites:\n  - name: tokyo\n    hosts: [")
	for h := range s.hosts {
		fmt.Fprintf(&b, "{name: tokyo-%d}, ", h+1)
	}
	b.WriteString("]\nprobes:\n")
	for _, p := range s.probes {
		b.WriteString(p)
	}
	b.WriteString("pools:\n")
	for i, p := range s.pools {
		fmt.Fprintf(&b, "  - name: %s\n    site: tokyo\n    probe: probe-%d\n%s    backends:\n", p.name, i+1, p.settings)
		for _, x := range p.backends {
			fmt.Fprintf(&b, "      - {name: %s, host: tokyo-%d, port: %d, weight: %d, backup: %t, flows_max: %d, service: {kind: %s}}\n", x.name, x.host+1, x.port, x.weight, x.backup, x.limit, p.service)
		}
	}
	b.WriteString("listeners:\n")
	for i, p := range s.pools {
		var hosts []string
		for _, h := range p.hosts {
			hosts = append(hosts, fmt.Sprintf("tokyo-%d", h+1))
		}
		fmt.Fprintf(&b, "  - {name: %s, site: tokyo, protocol: %s, port: %d, pool: %s, hosts: [%s]}\n", p.name, p.protocol, 8000+i, p.name, strings.Join(hosts, ", "))
	}
	b.WriteString("clients:\n")
	for _, p := range s.pools {
		fmt.Fprintf(&b, "  - {name: users-%s, listener: %s, rate: %g, timeout: %s}\n", p.name, p.name, p.rate, p.timeout)
	}
	b.WriteString("drills:\n")
	for _, d := range s.drills {
		b.WriteString(d)
	}
	return b.String()
}
