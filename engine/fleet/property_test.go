package fleet_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"pgregory.net/rapid"
)

// Whatever people ask and whatever breaks: each Ask has one answer, events are
// numbered without a gap, causes lie before what they led to, and a picture that
// was handed out is never changed; also when coordinators follow each other in the
// middle of it, and then no revision and no number of a run goes back. Once everything answers again all drills end,
// all faults are reverted, all hosts have every operator's word, and all is well.
func TestPromisesHold(t *testing.T) {
	// A world runs for minutes of its time; -rapid.checks asks for more of them.
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := flag.Set("rapid.checks", "20"); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, story)
		w.run(6 * time.Second)
		texts := []string{
			story, strings.Replace(story, "port: 9001", "port: 9011", 1), strings.Replace(story, "name: lose", "name: gain", 1),
			strings.Replace(story, "      - {name: b2, host: h2, port: 9002, service: {}}\n", "", 1),
		}
		var old *api.Status
		runs := map[string]int{}
		var was string
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			b := rapid.SampledFrom([]string{"b1", "b2"}).Draw(t, "backend")
			h := rapid.SampledFrom([]string{"h1", "h2"}).Draw(t, "host")
			confirm := rapid.SampledFrom([]string{"", b, "shop"}).Draw(t, "confirm")
			if old != nil && show(old) != was {
				t.Fatalf("a picture changed after it was handed out:\n%s\n%s", was, show(old))
			}
			if old = w.picture; old != nil {
				was = show(old)
			}
			switch rapid.IntRange(0, 19).Draw(t, "event") {
			case 0:
				w.ask(api.SetWeights{Weights: []api.Weight{{Backend: b, Weight: rapid.IntRange(-1, 101).Draw(t, "weight")}}}, confirm)
			case 1:
				w.ask(api.Drain{Target: id.To(id.KindBackend, b)}, confirm)
			case 2:
				w.ask(api.Undrain{Target: id.To(id.KindHost, h)}, confirm)
			case 3:
				w.ask(api.Force{Backend: b, Health: rapid.SampledFrom([]api.Measure{api.Up, api.Down}).Draw(t, "force")}, confirm)
			case 4:
				w.ask(api.Unforce{Backend: b}, confirm)
			case 5, 6:
				kind := rapid.SampledFrom(api.FaultKinds()).Draw(t, "fault")
				c := api.InjectFault{Kind: kind, Target: id.To(id.KindBackend, b), For: time.Duration(rapid.IntRange(0, 9).Draw(t, "for")) * time.Second}
				if kind == api.FaultSlow {
					c.Delay = time.Second
				}
				w.ask(c, confirm)
			case 7:
				w.ask(api.ClearFault{}, confirm)
			case 8, 9:
				w.ask(api.StartDrill{Name: "lose"}, confirm)
			case 10:
				w.ask(api.AbortDrill{}, confirm)
			case 11:
				text := rapid.SampledFrom(texts).Draw(t, "spec")
				w.asks++
				w.tell(fleet.Ask{ID: fmt.Sprintf("r%d", w.asks), Spec: parse(t, text), Request: api.Request{Command: api.Apply{Name: "s", Text: text}, Confirm: confirm}})
			case 12:
				w.mute[h] = !w.mute[h]
				w.connect(h)
			case 13:
				w.restart(h)
			case 14:
				w.deaf = rapid.Bool().Draw(t, "deaf")
				w.stuck = rapid.SampledFrom([]string{"", "no"}).Draw(t, "stuck")
			case 15:
				w.tell(fleet.FaultDone{ID: "f1", Revert: rapid.Bool().Draw(t, "revert"), At: w.now, Err: rapid.SampledFrom([]string{"", "no"}).Draw(t, "err")})
			case 18, 19:
				w.succeed()
				holds(t, w)
			case 16:
				w.tell(fleet.Process{Backend: b, Reason: "drawn"})
			default:
				w.dead[b] = rapid.Bool().Draw(t, "dead")
			}
			if old != nil && w.picture.Rev < old.Rev {
				t.Fatalf("revision %d after %d", w.picture.Rev, old.Rev)
			}
			for _, d := range w.picture.Drills {
				if d.Run > 0 && d.Run < runs[d.Name] {
					t.Fatalf("run %d of %s after %d", d.Run, d.Name, runs[d.Name])
				}
				runs[d.Name] = max(runs[d.Name], d.Run)
			}
			w.run(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
		}
		w.deaf, w.stuck = false, ""
		w.mute = map[string]bool{}
		for _, h := range w.names() {
			w.connect(h)
		}
		w.ask(api.ClearFault{}, "")
		w.run(2 * time.Minute)
		w.dead = map[string]bool{}
		for _, b := range []string{"b1", "b2"} {
			w.ask(api.Unforce{Backend: b}, b)
			w.ask(api.Undrain{Target: id.To(id.KindBackend, b)}, b)
			w.ask(api.SetWeights{Weights: []api.Weight{{Backend: b, Weight: 70}}}, b)
		}
		w.run(30 * time.Second)
		check(t, w)
	})
}

// holds checks that every operator's word is in force.
func holds(t failer, w *world) {
	if w.words == nil {
		return
	}
	for _, x := range w.words.All {
		b, ok := w.picture.Backend(x.Backend)
		if !ok {
			t.Fatalf("%s is set and there is no such backend", x)
		}
		if a := b.Asked; x.Verb == "weight" && a.Weight != x.Weight || x.Verb == "drain" && !a.Drain || x.Verb == "force" && a.Forced != x.Health {
			t.Fatalf("%s does not hold: %+v", x, a)
		}
	}
}

func show(s *api.Status) string { return (&world{picture: s}).show() }

func check(t failer, w *world) {
	for i, e := range w.events {
		if e.Seq != api.Seq(i+1) {
			t.Fatalf("event %d has the number %d", i+1, e.Seq)
		}
		if e.Cause >= e.Seq {
			t.Fatalf("%s comes before its cause", line(e))
		}
		if e.Text == "" || e.Subject.IsZero() || e.State == "" || e.Lane == "" {
			t.Fatalf("an event says too little: %+v", e)
		}
	}
	if len(w.receipts) != w.asks {
		t.Fatalf("%d asks, %d answers", w.asks, len(w.receipts))
	}
	for i, r := range w.receipts {
		if r.ID != fmt.Sprintf("r%d", i+1) || r.OK == api.Stops(r.Refusals, r.OK) {
			t.Fatalf("answer %d is %+v", i+1, r)
		}
	}
	s := w.picture
	for _, d := range s.Drills {
		if d.Phase.Live() {
			t.Fatalf("drill %s is %s", d.Name, d.Phase)
		}
	}
	if len(w.force) > 0 {
		t.Fatalf("faults are left behind: %v\n%s", w.force, w.show())
	}
	if len(s.Faults) > 0 || s.State != api.StateOK || len(s.Problems) > 0 {
		t.Fatalf("not all is well:\n%s", w.show())
	}
	for _, b := range s.Backends {
		if b.Weight != b.Asked.Weight || b.Asked.Drain || b.Health.Forced != b.Asked.Forced {
			t.Fatalf("%s is asked %+v:\n%s", b.Name, b.Asked, w.show())
		}
	}
}

// Whatever comes before the first spec is answered, and asks for no Wake for
// ever.
func TestBeforeTheFirstSpec(t *testing.T) {
	f := fleet.New(fleet.Options{})
	var out fleet.Effects
	for _, ev := range []fleet.Event{
		fleet.Process{Backend: "b1", PID: 7, Running: true},
		fleet.Process{Backend: "b1", Reason: "killed"},
		fleet.Noted{Host: "h1", Notes: []host.Note{{}}},
		fleet.Report{Status: host.Status{Host: "h1"}},
		fleet.FaultDone{ID: "f1"},
		fleet.Sampled{Drill: "d"},
		fleet.ClientsRead{Name: "users"},
		fleet.Wake{},
		fleet.Ask{ID: "r1", Request: api.Request{Command: api.ClearFault{}}},
	} {
		f.Step(5, ev, &out)
	}
	if len(out.Answers) != 1 || out.Answers[0].Receipt.OK || f.Deadline() != instant.Never {
		t.Errorf("answers %+v, deadline %d", out.Answers, f.Deadline())
	}
}

// big is a fleet of 50 hosts that all serve 1,000 backends in 100 pools.
func big(hosts, pools int) *spec.Fleet {
	f := &spec.Fleet{Name: "big", Sites: []spec.Site{{Name: "s"}}, Probes: []spec.Probe{{Name: "web", Kind: "tcp", Interval: spec.Duration(time.Second), Timeout: spec.Duration(time.Second), Rise: 2, Fall: 2}}}
	var all []string
	for i := range hosts {
		name := fmt.Sprintf("h%02d", i)
		all = append(all, name)
		f.Sites[0].Hosts = append(f.Sites[0].Hosts, spec.Host{Name: name, Address: fmt.Sprintf("10.0.1.%d", i)})
	}
	for i := range pools {
		p := spec.Pool{Name: fmt.Sprintf("p%03d", i), Site: "s", Scheduler: spec.WRR, Probe: "web"}
		for j := range 10 {
			p.Backends = append(p.Backends, spec.Backend{Name: fmt.Sprintf("p%03d-%d", i, j), Address: "10.0.0.1", Port: 1000 + 10*i + j, Host: all[i%hosts]})
		}
		f.Pools = append(f.Pools, p)
		f.Listeners = append(f.Listeners, spec.Listener{Name: fmt.Sprintf("l%03d", i), Site: "s", Protocol: "http", Port: 8000 + i, Pool: p.Name, Hosts: all})
	}
	return f
}

// fill returns a fleet whose hosts have all reported, and their reports.
func fill(f *spec.Fleet) (*fleet.Fleet, []host.Status) {
	x := fleet.New(fleet.Options{})
	var out fleet.Effects
	x.Step(1, fleet.SetSpec{Fleet: f}, &out)
	var all []host.Status
	for _, h := range f.Sites[0].Hosts {
		s := host.Status{Host: h.Name, At: 1, Rev: 1}
		for i := range f.Listeners {
			s.Bindings = append(s.Bindings, host.Binding{Listener: f.Listeners[i].Name, Bound: true})
			r := host.Reading{Name: f.Listeners[i].Name, Totals: api.Totals{Requests: 10}}
			r.Latency.Add(time.Millisecond)
			s.Readings.Listeners = append(s.Readings.Listeners, r)
		}
		for i := range f.Pools {
			for _, b := range f.Pools[i].Backends {
				one := host.Backend{Name: b.Name}
				one.Balance.Backend, one.Balance.Pool, one.Balance.Phase, one.Balance.Share, one.Balance.Weight = b.Name, f.Pools[i].Name, api.PhaseServing, 0.1, 100
				one.Balance.DrainTo = instant.Never
				one.Probe.Health, one.Probe.Reason, one.Probe.Strip = api.Combine(api.Up, ""), "answers in 1ms", "...................."
				s.Backends = append(s.Backends, one)
				r := host.Reading{Name: b.Name, Totals: api.Totals{Requests: 10}}
				r.Latency.Add(time.Millisecond)
				s.Readings.Backends = append(s.Readings.Backends, r)
			}
		}
		all = append(all, s)
		x.Step(2, fleet.Report{Status: s, Changed: true}, &out)
	}
	return x, all
}

// BenchmarkRedraw is a picture of 50 hosts that all probe 1,000 backends: after one
// host changed its mind of one backend, and after a second in which nothing
// happened but that every rate is another one.
func BenchmarkRedraw(b *testing.B) {
	for _, row := range []struct {
		name string
		step time.Duration
	}{{"change", 200 * time.Millisecond}, {"second", time.Second}} {
		b.Run(row.name, func(b *testing.B) {
			f, all := fill(big(50, 100))
			now := instant.Instant(time.Second)
			var out fleet.Effects
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				out.Reset()
				f.Step(now, fleet.Wake{}, &out)
				// The reports come early, so that the picture alone is measured.
				for i := range all {
					all[i].At = now
					all[i].Readings.Number++
					if row.name == "second" || i == n%len(all) || n%10 == 0 {
						changed := row.name == "change" && i == n%len(all)
						if changed {
							all[i].Backends = slices.Clone(all[i].Backends)
							all[i].Backends[7*n%1000].Balance.Since = now
						}
						f.Step(now+1, fleet.Report{Status: all[i], Changed: changed}, &out)
					}
				}
				now = now.Add(row.step)
				out.Reset()
				b.StartTimer()
				f.Step(now, fleet.Wake{}, &out)
				if out.Picture == nil {
					b.Fatal("no picture")
				}
			}
		})
	}
}

// BenchmarkReport is a host's report on 1,000 backends.
func BenchmarkReport(b *testing.B) {
	f, all := fill(big(50, 100))
	var out fleet.Effects
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		all[7].Readings.Number++
		f.Step(3, fleet.Report{Status: all[7]}, &out)
	}
}
