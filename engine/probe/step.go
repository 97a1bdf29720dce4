package probe

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Prober measures the targets of one host.
type Prober struct {
	rand     *rand.Rand
	targets  map[string]*target
	queue    queue // of targets, by when they want something
	subjects []*subject
	byName   map[string]*subject
}

// target is one thing that is probed, however many subjects want it.
type target struct {
	key      string
	address  string
	probe    spec.Probe
	subjects []*subject

	hysteresis
	attempt  uint64          // of the newest launch
	inFlight bool            // the newest launch is not answered yet
	launched instant.Instant // when it was
	next     instant.Instant // when the next probe begins, or the answer is overdue
	place    int             // in the queue
	latency  time.Duration
	reason   string
	warning  string
	strip    strip
}

// subject is a user of a target.
type subject struct {
	name   string
	target *target
	forced api.Measure
	health api.Health
	since  instant.Instant
}

// grace is how long past its time-out an answer may be: a loaded host delivers
// late, and a late answer is better than none.
const grace = time.Second

// firstWithin bounds how long a target waits for its first probe.
const firstWithin = 250 * time.Millisecond

// New returns a Prober whose jitter is drawn from seed.
func New(seed uint64) *Prober {
	return &Prober{
		rand:    rand.New(rand.NewPCG(seed, 0x70726f6265)),
		targets: map[string]*target{},
		byName:  map[string]*subject{},
	}
}

// Step tells the Prober one event and adds what must be done to out.
func (p *Prober) Step(now instant.Instant, ev Event, out *Effects) {
	switch ev := ev.(type) {
	case SetSubjects:
		p.setSubjects(now, ev.Subjects, out)
	case Finished:
		p.finished(now, ev, out)
	case Force:
		if s, ok := p.byName[ev.Subject]; ok {
			s.forced = ev.Health
			p.settle(now, s, out)
		}
	case Wake:
	}
	p.due(now, out)
}

// Deadline is when the Prober next wants Wake.
func (p *Prober) Deadline() instant.Instant {
	if len(p.queue) == 0 {
		return instant.Never
	}
	return p.queue[0].next
}

// key names a target: the address and everything that decides a result.
func key(address string, p spec.Probe) string {
	p.Name, p.Like, p.Preset = "", "", ""
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %d %v %v %d %d %v %v %v", address, p.Kind, p.Port, p.Interval, p.Timeout, p.Rise, p.Fall, p.Jitter, p.Slow, p.Flap)
	for _, part := range []any{p.HTTP, p.TLS, p.UDP, p.Exec} {
		switch part := part.(type) {
		case *spec.HTTPCheck:
			if part != nil {
				fmt.Fprintf(&b, " http%q", []any{part.Method, part.Path, part.Host, part.Status, part.Body, part.Headers})
			}
		case *spec.TLSCheck:
			if part != nil {
				fmt.Fprintf(&b, " tls%+v", *part)
			}
		case *spec.UDPCheck:
			if part != nil {
				fmt.Fprintf(&b, " udp%q", []string{part.Request, part.Expect})
			}
		case *spec.ExecCheck:
			if part != nil {
				fmt.Fprintf(&b, " exec%q", append([]string{part.Dir}, part.Command...))
			}
		}
	}
	return b.String()
}

func (p *Prober) setSubjects(now instant.Instant, all []Subject, out *Effects) {
	old, oldTargets := p.byName, p.targets
	p.byName, p.targets = make(map[string]*subject, len(all)), make(map[string]*target, len(all))
	p.subjects = p.subjects[:0]
	for _, t := range oldTargets {
		t.subjects = t.subjects[:0]
	}
	for _, want := range all {
		k := key(want.Address, want.Probe)
		t, ok := p.targets[k]
		if !ok {
			if t, ok = oldTargets[k]; !ok {
				t = p.begin(now, k, want, old[want.Name])
			}
			p.targets[k] = t
		}
		s, ok := old[want.Name]
		if !ok || s.target != t {
			fresh := &subject{name: want.Name, since: now}
			if ok {
				fresh.forced, fresh.health, fresh.since = s.forced, s.health, s.since
			}
			s = fresh
		}
		s.target = t
		t.subjects = append(t.subjects, s)
		p.byName[want.Name] = s
		p.subjects = append(p.subjects, s)
	}
	for k, t := range oldTargets {
		if _, kept := p.targets[k]; !kept {
			p.queue.remove(t)
		}
	}
	slices.SortFunc(p.subjects, func(a, b *subject) int { return cmp.Compare(a.name, b.name) })
	for _, s := range p.subjects {
		p.settle(now, s, out)
	}
}

// begin makes a target. One that was probed at the same address in another way
// until now keeps the health that it had: to know nothing of it would take it
// out of its pool because an operator changed an interval.
func (p *Prober) begin(now instant.Instant, k string, want Subject, before *subject) *target {
	t := &target{key: k, address: want.Address, probe: want.Probe, hysteresis: newHysteresis(), place: -1, reason: "not measured yet"}
	t.since = now
	if before != nil && before.target.address == want.Address {
		was := before.target
		t.health, t.since, t.reason, t.latency, t.strip = was.health, was.since, was.reason, was.latency, was.strip
	}
	// The first probe comes soon, so that a fresh fleet is measured at once, but
	// not at the same moment for all.
	t.next = now.Add(time.Duration(p.rand.Int64N(int64(min(t.probe.Interval.D(), firstWithin)))))
	p.queue.add(t)
	return t
}

func (p *Prober) finished(now instant.Instant, ev Finished, out *Effects) {
	t, ok := p.targets[ev.Target]
	if !ok || !t.inFlight || t.attempt != ev.Attempt {
		return // of a target that is gone, or too late to count
	}
	p.result(now, t, ev.Outcome, out)
}

// result takes a result, or the lack of one, and plans the next probe.
func (p *Prober) result(now instant.Instant, t *target, o Outcome, out *Effects) {
	t.inFlight = false
	p.plan(now, t)
	t.forget(now, &t.probe)
	if o.Verdict == Unable {
		p.unable(now, t, o.Reason, out)
		return
	}
	t.warning, t.latency = o.Warning, o.Latency
	pass := o.Verdict == Pass
	t.strip.add(pass, o.Latency > t.probe.Slow.D())
	changed := t.judge(now, pass, &t.probe)
	switch {
	case changed && pass:
		t.reason = fmt.Sprintf("answers in %s", o.Latency.Round(10*time.Microsecond))
	case changed:
		t.reason = o.Reason
		if t.probe.Fall > 1 {
			t.reason = fmt.Sprintf("%s, %d in a row", o.Reason, t.probe.Fall)
		}
	}
	if changed {
		for _, s := range t.subjects {
			p.settle(now, s, out)
		}
	}
}

// unable notes that this host cannot probe a target: nothing is known that was
// not known before. Of a target that was never measured this is the reason why.
func (p *Prober) unable(now instant.Instant, t *target, reason string, out *Effects) {
	t.warning = "this host cannot probe: " + reason
	if t.health != api.Unknown || t.reason == t.warning {
		return
	}
	t.reason = t.warning
	for _, s := range t.subjects {
		out.Changes = append(out.Changes, Change{Subject: s.name, Health: s.health, Before: s.health, Reason: s.reason()})
	}
}

// settle works out a subject's health and tells when it changed.
func (p *Prober) settle(now instant.Instant, s *subject, out *Effects) {
	health := api.Combine(s.target.health, s.forced)
	if health == s.health {
		return
	}
	if health.Effective != s.health.Effective {
		s.since = now
	}
	out.Changes = append(out.Changes, Change{Subject: s.name, Health: health, Before: s.health, Reason: s.reason()})
	s.health = health
}

func (s *subject) reason() string {
	if s.forced == "" {
		return s.target.reason
	}
	return fmt.Sprintf("forced %s by an operator; probes say %s", s.forced, s.target.health)
}

// plan sets when a target's next probe begins: an interval after the last one
// did, jittered, and never before now. The second one comes anywhere within the
// interval: that spreads targets that began together over all of it, which
// jitter alone would take hours for.
func (p *Prober) plan(now instant.Instant, t *target) {
	interval := t.probe.Interval.D()
	if t.attempt == 1 {
		t.next = max(now, t.launched.Add(time.Duration(p.rand.Int64N(int64(interval)))))
		p.queue.fix(t)
		return
	}
	if j := int64(float64(interval) * t.probe.Jitter.Share()); j > 0 {
		interval += time.Duration(p.rand.Int64N(j) - j/2)
	}
	t.next = max(now, t.launched.Add(interval))
	p.queue.fix(t)
}

// due launches the probes whose time has come and gives up on answers that are
// overdue.
func (p *Prober) due(now instant.Instant, out *Effects) {
	for len(p.queue) > 0 && p.queue[0].next.Reached(now) {
		t := p.queue[0]
		if t.inFlight {
			p.result(now, t, Outcome{Verdict: Fail, Latency: now.Sub(t.launched), Reason: fmt.Sprintf("no result within %s", t.probe.Timeout.D()+grace)}, out)
			// The next probe waits for its own turn in this loop, one interval on.
			if t.next.Reached(now) {
				p.launch(now, t, out)
			}
			continue
		}
		p.launch(now, t, out)
	}
}

func (p *Prober) launch(now instant.Instant, t *target, out *Effects) {
	t.attempt++
	t.inFlight, t.launched = true, now
	t.next = now.Add(t.probe.Timeout.D() + grace)
	p.queue.fix(t)
	out.Launches = append(out.Launches, Launch{Target: t.key, Attempt: t.attempt, Address: t.address, Probe: &t.probe})
}

// Status returns a copy of every subject's health, sorted by name.
func (p *Prober) Status() []Status {
	all := make([]Status, len(p.subjects))
	for i, s := range p.subjects {
		t := s.target
		all[i] = Status{
			Subject: s.name, Health: s.health, Since: s.since, Reason: s.reason(), Warning: t.warning,
			Latency: t.latency, Strip: t.strip.String(), Flaps: len(t.downs), HeldTo: instant.Never,
		}
		if t.health == api.Down && t.heldTo > t.launched {
			all[i].HeldTo = t.heldTo
		}
	}
	return all
}
