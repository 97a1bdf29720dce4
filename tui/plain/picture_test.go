package plain_test

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

var at = time.Date(2026, 11, 24, 12, 4, 31, 250_000_000, time.UTC)

// picture is a small fleet in which something is wrong: shop-tokyo-2 was killed,
// shop-tokyo-1 is forced up, and a listener is not bound everywhere.
func picture() *api.Status {
	load := api.Traffic{
		Requests: 20.5, ErrorsPct: 1.25, Active: 3, InRate: 1000, OutRate: 9000, P50: 1500 * time.Microsecond, P90: 4 * time.Millisecond, P99: 38250 * time.Microsecond,
		Totals: api.Totals{Requests: 7200, Errors: 9, Retries: 4, Flows: 600, InBytes: 1 << 20, OutBytes: 1 << 24},
	}
	hour := at.Add(-time.Hour)
	return &api.Status{
		Version: api.StatusVersion, Fleet: "edge", Title: "Edge", World: api.WorldLocal, Started: hour, At: at, Seq: 4, Rev: 7, State: api.StateDegraded,
		Spec:  "fleet: edge\n",
		Sites: []api.Site{{Name: "tokyo", Title: "Tokyo", State: api.StateDegraded, Since: at.Add(-33 * time.Second), Reason: "shop-tokyo-2 is down", Counts: api.Counts{HostsUp: 2, Hosts: 2, Pools: 1, PoolsUp: 1, BackendsUp: 1, Backends: 2}, Traffic: load}},
		Hosts: []api.Host{
			{Name: "tokyo-1", Site: "tokyo", Address: "127.11.0.1", State: api.StateOK, Since: hour, Reason: "serves 1 listener", AsOf: at, Traffic: load},
			{Name: "tokyo-2", Site: "tokyo", Address: "127.11.0.2", State: api.StateOK, Since: hour, Reason: "serves no listener", AsOf: at},
		},
		Listeners: []api.Listener{{
			Name: "shop-tokyo", Site: "tokyo", Protocol: "http", Port: 8080, Pool: "shop-tokyo", State: api.StateDegraded, Since: hour, Reason: "listens on 1 of 2 hosts", Traffic: load,
			Bindings: []api.Binding{{Host: "tokyo-1", Address: "127.11.0.1:8080", Reason: "address in use"}, {Host: "tokyo-2", Address: "127.11.0.2:8080", Bound: true}},
		}},
		Pools: []api.Pool{{Name: "shop-tokyo", Site: "tokyo", Scheduler: "wlc", Probe: "http GET /health every 500ms", Detection: 1350 * time.Millisecond, State: api.StateDegraded, Since: at.Add(-33 * time.Second), Reason: "1 of 2 serve: shop-tokyo-2 does not", Up: 1, Backends: 2, Traffic: load}},
		Backends: []api.Backend{
			{
				Name: "shop-tokyo-1", Pool: "shop-tokyo", Site: "tokyo", Host: "tokyo-1", Address: "127.11.0.1:9080", Weight: 50, SpecWeight: 100,
				State: api.StateDegraded, Phase: api.PhaseServing, Since: hour, Reason: "forced up by an operator", Health: api.Combine(api.Up, api.Up),
				Asked: api.Asked{Weight: 50, Forced: api.Up}, Share: 1, RealShare: 0.75, PID: 4711, Traffic: load,
				Votes: []api.Vote{{Host: "tokyo-1", Measured: api.Up, Since: hour, Reason: "answers in 900µs", Latency: 900 * time.Microsecond, Phase: api.PhaseServing, Weight: 50}},
			},
			{
				Name: "shop-tokyo-2", Pool: "shop-tokyo", Site: "tokyo", Host: "tokyo-2", Address: "127.11.0.2:9080", Weight: 100, SpecWeight: 100,
				State: api.StateDown, Phase: api.PhaseOut, Since: at.Add(-33 * time.Second), Reason: "connection refused, 2 in a row, say all 2 hosts", Health: api.Combine(api.Down, ""),
				Asked: api.Asked{Weight: 100}, Votes: []api.Vote{{Host: "tokyo-1", Measured: api.Down, Since: at.Add(-33 * time.Second), Reason: "connection refused, 2 in a row", Phase: api.PhaseOut, Weight: 100}},
			},
		},
		Clients: []api.Clients{{Name: "users-tokyo", Listener: "shop-tokyo", Site: "tokyo", State: api.StateOK, Since: hour, Reason: "all requests are answered", LastError: "connection reset", LastErrorAt: at.Add(-time.Minute), Traffic: load}},
		Faults:  []api.Fault{{ID: "f1", Kind: api.FaultKill, Target: id.To(id.KindBackend, "shop-tokyo-2"), Since: at.Add(-34 * time.Second), Until: at.Add(26 * time.Second), By: "mina", State: api.StateDegraded, Reason: "is in force"}},
		Drills: []api.Drill{
			{Name: "freeze-backend", Why: "one backend stops answering", Fault: "freeze backend/any", Clients: "users-tokyo", Phase: api.DrillIdle, Reason: "not run yet"},
			{
				Name: "lose-backend", Why: "one backend is killed", Fault: "kill backend/any", Target: "backend/shop-tokyo-1", Clients: "users-tokyo",
				Phase: api.DrillFailed, Run: 3, By: "mina", Started: at.Add(-10 * time.Minute), Ended: at.Add(-9 * time.Minute), Reason: "took 2.4 s of 2 s",
				Steps: []api.DrillStep{
					{Name: "check the steady state", State: api.StateOK, At: -3 * time.Second, Took: 2900 * time.Millisecond, Limit: 10 * time.Second, Text: "0 errors"},
					{Name: "users are served again", State: api.StateDown, At: time.Millisecond, Took: 2400 * time.Millisecond, Limit: 2 * time.Second},
					{Name: "settle", State: api.StateUnknown, Limit: 20 * time.Second},
				},
				Verdicts: []api.Verdict{{Objective: "took", Limit: "2 s", Measured: "2.4 s", State: api.StateDown}, {Objective: "errors", Limit: "1 %", Measured: "0.2 %", State: api.StateOK}},
				Probes:   api.DrillProbes{Every: time.Millisecond, Sent: 12041, Failed: 24, Late: 2, FirstFail: time.Millisecond, LastFail: 2400 * time.Millisecond, Detected: 1100 * time.Millisecond, P50: 300 * time.Microsecond, P99: 2 * time.Millisecond, Max: 40 * time.Millisecond},
				Strip:    "XX...", StripEvery: 200 * time.Millisecond,
				Log: []api.DrillNote{{At: -time.Second, Text: "run 3 by mina"}, {At: 0, Text: "fault: kill backend/shop-tokyo-1"}},
			},
		},
		Problems: []api.Problem{{Subject: id.To(id.KindBackend, "shop-tokyo-2"), Site: "tokyo", State: api.StateDown, Since: at.Add(-33 * time.Second), Text: "connection refused", Effect: "1 of 2 serves", Cause: 3}},
	}
}

func events() []api.Event {
	b := id.To(id.KindBackend, "shop-tokyo-2")
	return []api.Event{
		{Seq: 1, At: at.Add(-35 * time.Second), Site: "tokyo", Subject: b, Lane: api.LanePeople, State: api.StateOK, Text: "mina asks: kill backend/shop-tokyo-2", Reason: "to see", By: "mina", Receipt: "r9"},
		{Seq: 2, At: at.Add(-34 * time.Second), Site: "tokyo", Subject: b, Lane: api.LaneFault, State: api.StateDegraded, Text: "fault f1: kill", Cause: 1, By: "mina", Receipt: "r9"},
		{Seq: 3, At: at.Add(-33 * time.Second), Site: "tokyo", Host: "tokyo-1", Subject: b, Lane: api.LaneHealth, State: api.StateDown, Text: "fails its probes", Reason: "connection refused", Cause: 2},
		{Seq: 4, At: at.Add(-33 * time.Second), Site: "tokyo", Subject: id.To(id.KindPool, "shop-tokyo"), Lane: api.LanePool, State: api.StateDegraded, Text: "is degraded", Reason: "1 of 2 serve", Cause: 3},
	}
}

// healthy is the same fleet with nothing wrong.
func healthy() *api.Status {
	s := picture()
	s.Faults = nil
	for i := range s.Backends {
		b := &s.Backends[i]
		b.State, b.Phase, b.Health, b.Weight, b.PID = api.StateOK, api.PhaseServing, api.Combine(api.Up, ""), 100, 4711+i
		b.Asked = api.Asked{Weight: 100}
		for j := range b.Votes {
			b.Votes[j].Phase, b.Votes[j].Weight, b.Votes[j].Measured = api.PhaseServing, 100, api.Up
		}
	}
	return s
}
