package host_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/storytest"
)

// TestStories tells each testdata/*.txt: what happens, and what the
// host said and asked for.
func TestStories(t *testing.T) {
	storytest.Run(t, func(t *testing.T) storytest.Do {
		w := newTeller(t)
		return func(words []string, said *strings.Builder) {
			w.do(words)
			said.WriteString(w.said.String())
			w.said.Reset()
		}
	})
}

const story = `
fleet: shop
sites:
  - {name: tokyo, hosts: [{name: h1}, {name: h2}]}
probes:
  - {name: web, kind: tcp, interval: 1s, timeout: 500ms, rise: 1, fall: 1, jitter: 0%, flap: {off: true}}
pools:
  - name: shop
    site: tokyo
    probe: web
    slow_start: 2s
    drain_for: 5s
    ejection: {failures: 3, for: 4s}
    panic: 50%
    backends:
      - {name: b1, host: h2, port: 9001}
      - {name: b2, host: h2, port: 9002}
      - {name: b3, host: h2, port: 9003, backup: true}
listeners:
  - {name: web, site: tokyo, protocol: http, port: 8080, pool: shop}
  - {name: away, site: tokyo, protocol: tcp, port: 8081, pool: shop, hosts: [h2]}
`

// teller is the world of a story: each probe is answered at once, by what is
// said of its target.
type teller struct {
	t    *testing.T
	h    *host.Host
	now  instant.Instant
	rev  uint64
	text string
	dead map[string]bool // addresses
	said strings.Builder
}

func newTeller(t *testing.T) *teller {
	return &teller{t: t, h: host.New(host.Options{Name: "h1", Seed: 1}), text: story, dead: map[string]bool{}}
}

func (w *teller) spec() *spec.Fleet {
	s, err := spec.Parse("story.yaml", []byte(w.text))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *teller) step(ev host.Event) {
	var out host.Effects
	w.h.Step(w.now, ev, &out)
	if out.Table != nil {
		fmt.Fprintf(&w.said, "table:")
		for _, b := range out.Table.Backends {
			if b.Usable {
				fmt.Fprintf(&w.said, " %s=%d", b.Spec.Name, b.Weight/balance.WeightScale)
			}
		}
		for _, l := range out.Table.Listeners {
			fmt.Fprintf(&w.said, " %s@%s", l.Spec.Name, l.Bind)
		}
		w.said.WriteString("\n")
	}
	for _, c := range out.Cut {
		fmt.Fprintf(&w.said, "cut %s %s\n", c.Backend, c.Address)
	}
	for i, n := range out.Notes {
		e := n.Event
		fmt.Fprintf(&w.said, "%d. %s %s [%s %s]: %s", i+1, e.Subject, e.Text, e.Lane, e.State, e.Reason)
		if n.After > 0 {
			fmt.Fprintf(&w.said, " ← %d.", n.After)
		}
		if e.Cause > 0 {
			fmt.Fprintf(&w.said, " ← #%d", e.Cause)
		}
		if n.Follows {
			w.said.WriteString(" follows")
		}
		if e.By != "" {
			fmt.Fprintf(&w.said, " by %s %s", e.By, e.Receipt)
		}
		w.said.WriteString("\n")
	}
	for _, l := range out.Launches {
		o := probe.Outcome{Verdict: probe.Pass, Latency: time.Millisecond}
		if w.dead[l.Address] {
			o = probe.Outcome{Verdict: probe.Fail, Latency: time.Millisecond, Reason: "connection refused"}
		}
		w.step(host.Probed{Finished: probe.Finished{Target: l.Target, Attempt: l.Attempt, Outcome: o}})
	}
}

func (w *teller) do(words []string) {
	rest := words[1:]
	order := func(c api.Command) { w.step(host.Order{Command: c, Cause: 7, By: "ana", Receipt: "r1"}) }
	ref := func(s string) id.Ref {
		r, err := id.ParseRef(s)
		if err != nil {
			w.t.Fatal(err)
		}
		return r
	}
	switch words[0] {
	case "spec": // or OLD NEW in its text
		if len(rest) > 0 {
			text := strings.ReplaceAll(w.text, strings.ReplaceAll(rest[0], "~", " "), strings.ReplaceAll(strings.Join(rest[1:], ""), "~", " "))
			if text == w.text {
				w.t.Fatalf("%q is not in the spec", rest[0])
			}
			w.text = text
		}
		w.rev++
		w.step(host.SetSpec{Fleet: w.spec(), Rev: w.rev, Cause: api.Seq(3 * (w.rev - 1))})
	case "run":
		d, err := time.ParseDuration(rest[0])
		if err != nil {
			w.t.Fatal(err)
		}
		end := w.now.Add(d)
		for w.h.Deadline() <= end {
			w.now = max(w.now, w.h.Deadline())
			w.step(host.Wake{})
		}
		w.now = end
	case "dies":
		w.dead[w.address(rest[0])] = true
	case "lives":
		w.dead[w.address(rest[0])] = false
	case "bound":
		w.step(host.Bound{Listener: rest[0], Address: rest[1], OK: len(rest) == 2, Reason: strings.Join(rest[2:], " ")})
	case "weight":
		n := 0
		if _, err := fmt.Sscan(rest[1], &n); err != nil {
			w.t.Fatal(err)
		}
		order(api.SetWeights{Weights: []api.Weight{{Backend: rest[0], Weight: n}}})
	case "drain":
		order(api.Drain{Target: ref(rest[0])})
	case "undrain":
		order(api.Undrain{Target: ref(rest[0])})
	case "force":
		order(api.Force{Backend: rest[1], Health: api.Measure(rest[0])})
	case "unforce":
		order(api.Unforce{Backend: rest[0]})
	case "fails":
		w.step(host.Saw{Outcomes: balance.Outcomes{Backend: rest[0], InARow: 3, Reason: "reset"}})
	case "flows":
		w.step(host.Flows{Active: balance.Active{Backend: rest[0]}})
	case "show":
		s := w.h.Status(w.now)
		fmt.Fprintf(&w.said, "rev %d, panics %v\n", s.Rev, s.Panics)
		for _, b := range s.Bindings {
			fmt.Fprintf(&w.said, "  %s %s bound=%v %s\n", b.Listener, b.Address, b.Bound, b.Reason)
		}
		for _, b := range s.Backends {
			fmt.Fprintf(&w.said, "  %s %s weight %d, %s (measured %s forced %q): %s; %s\n", b.Name, b.Balance.Phase, b.Balance.Weight, b.Probe.Health.Effective, b.Probe.Health.Measured, b.Probe.Health.Forced, b.Balance.Reason, b.Probe.Reason)
		}
	default:
		w.t.Fatalf("%q is no command", words[0])
	}
}

func (w *teller) address(backend string) string {
	for _, p := range w.spec().Pools {
		for _, b := range p.Backends {
			if b.Name == backend {
				return b.AddrPort()
			}
		}
	}
	w.t.Fatalf("no backend %s", backend)
	return ""
}

// BenchmarkWake is a host of 1,000 backends that has nothing to do, and its report.
func BenchmarkWake(b *testing.B) {
	f := &spec.Fleet{Name: "big", Sites: []spec.Site{{Name: "s", Hosts: []spec.Host{{Name: "h1", Address: "10.0.0.1"}}}}}
	f.Probes = []spec.Probe{{Name: "web", Kind: "tcp", Interval: spec.Duration(time.Second), Timeout: spec.Duration(time.Second), Rise: 2, Fall: 2}}
	for i := range 100 {
		p := spec.Pool{Name: fmt.Sprintf("p%03d", i), Site: "s", Scheduler: spec.WRR, Probe: "web"}
		for j := range 10 {
			p.Backends = append(p.Backends, spec.Backend{Name: fmt.Sprintf("p%03d-%d", i, j), Address: "10.0.0.2", Port: 1000 + 10*i + j})
		}
		f.Pools = append(f.Pools, p)
		f.Listeners = append(f.Listeners, spec.Listener{Name: p.Name, Site: "s", Port: 8000 + i, Pool: p.Name, Hosts: []string{"h1"}})
	}
	h := host.New(host.Options{Name: "h1"})
	var out host.Effects
	h.Step(0, host.SetSpec{Fleet: f, Rev: 1}, &out)
	b.Run("Step", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out.Reset()
			h.Step(0, host.Wake{}, &out)
			h.Deadline()
		}
	})
	b.Run("Status", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.Status(1)
		}
	})
}
