package metrics

import (
	"runtime"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// one writes a family of one sample without labels.
func (p *page) one(name string, k kind, help string, v float64) {
	p.family(name, k, help)
	p.sample(name, "", v)
}

func build(p *page, version string) {
	p.family("holdfast_build_info", gauge, "1; the version of Holdfast and of Go stand in the labels.")
	p.sample("holdfast_build_info", labelsOf("version", version, "go_version", runtime.Version()), 1)
}

// fleet writes what is said once for the whole fleet.
func (p *page) fleet(s *api.Status, now time.Time) {
	p.family("holdfast_fleet_info", gauge, "1; the fleet's name and what runs it stand in the labels.")
	p.sample("holdfast_fleet_info", labelsOf("fleet", s.Fleet, "world", string(s.World)), 1)
	p.family("holdfast_fleet_state", gauge, "1 for the state that the fleet is in, 0 for the others.")
	for _, st := range states {
		p.sample("holdfast_fleet_state", "", truth(s.State == st), "state", string(st))
	}
	p.one("holdfast_fleet_start_time_seconds", gauge, "When the fleet was started, as Unix time.", unix(s.Started))
	p.one("holdfast_fleet_spec_revision", gauge, "Revision of the spec in force.", float64(s.Rev))
	p.one("holdfast_fleet_events_total", counter, "Events since the fleet was started.", float64(s.Seq))
	p.one("holdfast_fleet_picture_age_seconds", gauge, "How old the picture is that all of this was read from.", max(now.Sub(s.At), 0).Seconds())
	p.family("holdfast_fleet_problems", gauge, "Things that need a person, by how bad they are.")
	for _, st := range states[1:] {
		n := 0
		for i := range s.Problems {
			if s.Problems[i].State == st {
				n++
			}
		}
		p.sample("holdfast_fleet_problems", "", float64(n), "state", string(st))
	}
	p.family("holdfast_host_dropped_total", counter, "Events that a host had no room for.")
	for i := range s.Hosts {
		p.sample("holdfast_host_dropped_total", labelsOf("host", s.Hosts[i].Name, "site", s.Hosts[i].Site), float64(s.Hosts[i].Dropped))
	}
	p.family("holdfast_host_report_age_seconds", gauge, "How old a host's own report is.")
	for i := range s.Hosts {
		if h := &s.Hosts[i]; !h.AsOf.IsZero() {
			p.sample("holdfast_host_report_age_seconds", labelsOf("host", h.Name, "site", h.Site), max(now.Sub(h.AsOf), 0).Seconds())
		}
	}
}

func (p *page) bindings(s *api.Status) {
	p.family("holdfast_listener_bound", gauge, "1 where a host has the listener's address, 0 where it was refused.")
	for i := range s.Listeners {
		l := &s.Listeners[i]
		for j := range l.Bindings {
			p.sample("holdfast_listener_bound", labelsOf("listener", l.Name, "site", l.Site, "host", l.Bindings[j].Host, "protocol", l.Protocol), truth(l.Bindings[j].Bound))
		}
	}
}

func (p *page) poolGauges(s *api.Status) {
	for _, f := range []struct {
		name, help string
		value      func(*api.Pool) float64
	}{
		{"holdfast_pool_backends", "Backends in the pool.", func(x *api.Pool) float64 { return float64(x.Backends) }},
		{"holdfast_pool_backends_up", "Backends that serve or stand by.", func(x *api.Pool) float64 { return float64(x.Up) }},
		{"holdfast_pool_panic", "1 while too few are up, so that all are used.", func(x *api.Pool) float64 { return truth(x.Panic) }},
		{"holdfast_pool_detection_seconds", "Worst time from a fault until a backend takes no new flows, by the probe's settings.", func(x *api.Pool) float64 { return x.Detection.Seconds() }},
	} {
		p.family(f.name, gauge, f.help)
		for i := range s.Pools {
			p.sample(f.name, poolLabels(&s.Pools[i]), f.value(&s.Pools[i]))
		}
	}
}

// phases in the order of a backend's life.
var phases = []api.Phase{
	api.PhaseServing, api.PhaseRising, api.PhaseStandby, api.PhaseDraining, api.PhaseDrained, api.PhaseEjected, api.PhaseOut, api.PhaseIdle,
}

func (p *page) backendGauges(s *api.Status) {
	p.family("holdfast_backend_health", gauge, "1 up, 0 down, -1 unknown: as probes measured it, as an operator forced it where somebody did, and as it is used.")
	for i := range s.Backends {
		b := &s.Backends[i]
		at := backendLabels(b)
		p.sample("holdfast_backend_health", at, measure(b.Health.Measured), "view", "measured")
		if b.Health.Forced != "" {
			p.sample("holdfast_backend_health", at, measure(b.Health.Forced), "view", "forced")
		}
		p.sample("holdfast_backend_health", at, measure(b.Health.Effective), "view", "effective")
	}
	p.family("holdfast_backend_phase", gauge, "1 for the phase of its life in the pool, 0 for the others.")
	for i := range s.Backends {
		at := backendLabels(&s.Backends[i])
		for _, ph := range phases {
			p.sample("holdfast_backend_phase", at, truth(s.Backends[i].Phase == ph), "phase", string(ph))
		}
	}
	for _, f := range []struct {
		name, help string
		value      func(*api.Backend) float64
	}{
		{"holdfast_backend_weight", "Weight in force, 0 to 100.", func(x *api.Backend) float64 { return float64(x.Weight) }},
		{"holdfast_backend_share", "Share of the pool's new flows that it should get, 0 to 1.", func(x *api.Backend) float64 { return x.Share }},
	} {
		p.family(f.name, gauge, f.help)
		for i := range s.Backends {
			p.sample(f.name, backendLabels(&s.Backends[i]), f.value(&s.Backends[i]))
		}
	}
}

func measure(m api.Measure) float64 {
	switch m {
	case api.Up:
		return 1
	case api.Down:
		return 0
	case api.Unknown:
	}
	return -1
}

func (p *page) faults(s *api.Status) {
	p.family("holdfast_faults", gauge, "Faults in force that were injected on purpose.")
	for _, k := range api.FaultKinds() {
		n := 0
		for i := range s.Faults {
			if s.Faults[i].Kind == k {
				n++
			}
		}
		p.sample("holdfast_faults", "", float64(n), "kind", string(k))
	}
}

func (p *page) drills(s *api.Status) {
	p.family("holdfast_drill_runs_total", counter, "Runs of the drill since the fleet was started.")
	for i := range s.Drills {
		p.sample("holdfast_drill_runs_total", labelsOf("drill", s.Drills[i].Name), float64(s.Drills[i].Run))
	}
	p.family("holdfast_drill_live", gauge, "1 while the drill is under way.")
	for i := range s.Drills {
		p.sample("holdfast_drill_live", labelsOf("drill", s.Drills[i].Name), truth(s.Drills[i].Phase.Live()))
	}
	p.family("holdfast_drill_passed", gauge, "1 when the last run that ended passed, 0 when it did not; absent before.")
	for i := range s.Drills {
		if d := &s.Drills[i]; d.Run > 0 && !d.Phase.Live() {
			p.sample("holdfast_drill_passed", labelsOf("drill", d.Name), truth(d.Phase == api.DrillPassed))
		}
	}
}
