package metrics

import (
	"math"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Exposition writes a picture in the text format. now is what the age of the
// picture is counted from.
func Exposition(s *api.Status, version string, now time.Time) []byte {
	p := &page{}
	build(p, version)
	p.fleet(s, now)
	p.traffic("site", sites(s))
	p.traffic("host", hosts(s))
	p.traffic("listener", listeners(s))
	p.traffic("pool", pools(s))
	p.traffic("backend", backends(s))
	p.traffic("clients", clients(s))
	p.bindings(s)
	p.poolGauges(s)
	p.backendGauges(s)
	p.faults(s)
	p.drills(s)
	process(p)
	return p.b
}

// subject is one thing that has traffic and a state.
type subject struct {
	labels  labels
	state   api.State
	since   time.Time
	traffic *api.Traffic
}

func sites(s *api.Status) []subject {
	all := make([]subject, len(s.Sites))
	for i := range s.Sites {
		x := &s.Sites[i]
		all[i] = subject{labelsOf("site", x.Name), x.State, x.Since, &x.Traffic}
	}
	return all
}

func hosts(s *api.Status) []subject {
	all := make([]subject, len(s.Hosts))
	for i := range s.Hosts {
		x := &s.Hosts[i]
		all[i] = subject{labelsOf("host", x.Name, "site", x.Site), x.State, x.Since, &x.Traffic}
	}
	return all
}

func listeners(s *api.Status) []subject {
	all := make([]subject, len(s.Listeners))
	for i := range s.Listeners {
		x := &s.Listeners[i]
		all[i] = subject{labelsOf("listener", x.Name, "site", x.Site), x.State, x.Since, &x.Traffic}
	}
	return all
}

func pools(s *api.Status) []subject {
	all := make([]subject, len(s.Pools))
	for i := range s.Pools {
		x := &s.Pools[i]
		all[i] = subject{poolLabels(x), x.State, x.Since, &x.Traffic}
	}
	return all
}

func backends(s *api.Status) []subject {
	all := make([]subject, len(s.Backends))
	for i := range s.Backends {
		x := &s.Backends[i]
		all[i] = subject{backendLabels(x), x.State, x.Since, &x.Traffic}
	}
	return all
}

func clients(s *api.Status) []subject {
	all := make([]subject, len(s.Clients))
	for i := range s.Clients {
		x := &s.Clients[i]
		all[i] = subject{labelsOf("clients", x.Name, "site", x.Site), x.State, x.Since, &x.Traffic}
	}
	return all
}

func poolLabels(p *api.Pool) labels { return labelsOf("pool", p.Name, "site", p.Site) }

func backendLabels(b *api.Backend) labels {
	return labelsOf("backend", b.Name, "pool", b.Pool, "site", b.Site)
}

// series are the families that everything with traffic has, by the end of their
// names.
var series = []struct {
	name  string
	kind  kind
	help  string
	value func(*api.Traffic) float64
}{
	{"requests_total", counter, "Requests; flows where there are no requests.", func(t *api.Traffic) float64 { return float64(t.Totals.Requests) }},
	{"errors_total", counter, "Requests that failed: 5xx, refused, reset or timed out.", func(t *api.Traffic) float64 { return float64(t.Totals.Errors) }},
	{"retries_total", counter, "Requests that were tried again.", func(t *api.Traffic) float64 { return float64(t.Totals.Retries) }},
	{"connections_total", counter, "Flows that were opened.", func(t *api.Traffic) float64 { return float64(t.Totals.Flows) }},
	{"connections", gauge, "Flows that are open.", func(t *api.Traffic) float64 { return float64(t.Active) }},
}

// traffic writes the families of one kind of thing: holdfast_listener_….
func (p *page) traffic(thing string, all []subject) {
	prefix := "holdfast_" + thing + "_"
	for _, f := range series {
		p.family(prefix+f.name, f.kind, f.help)
		for i := range all {
			p.sample(prefix+f.name, all[i].labels, f.value(all[i].traffic))
		}
	}
	name := prefix + "bytes_total"
	p.family(name, counter, "Bytes, in from clients and out to them.")
	for i := range all {
		p.sample(name, all[i].labels, float64(all[i].traffic.Totals.InBytes), "direction", "in")
		p.sample(name, all[i].labels, float64(all[i].traffic.Totals.OutBytes), "direction", "out")
	}
	name = prefix + "latency_seconds"
	p.family(name, summary, "Time until the response begins, or to connect on L4, of the last ten seconds; NaN without traffic.")
	for i := range all {
		t := all[i].traffic
		p.sample(name, all[i].labels, seconds(t.P50), "quantile", "0.5")
		p.sample(name, all[i].labels, seconds(t.P90), "quantile", "0.9")
		p.sample(name, all[i].labels, seconds(t.P99), "quantile", "0.99")
		p.sample(name+"_sum", all[i].labels, seconds(t.Totals.LatencySum))
		p.sample(name+"_count", all[i].labels, float64(t.Totals.Latencies))
	}
	name = prefix + "state"
	p.family(name, gauge, "1 for the state that it is in, 0 for the others.")
	for i := range all {
		for _, st := range states {
			p.sample(name, all[i].labels, truth(all[i].state == st), "state", string(st))
		}
	}
	name = prefix + "state_since_seconds"
	p.family(name, gauge, "When it came into its state, as Unix time.")
	for i := range all {
		p.sample(name, all[i].labels, unix(all[i].since))
	}
}

var states = []api.State{api.StateOK, api.StateDegraded, api.StateDown, api.StateUnknown}

// seconds of a latency. The picture says 0 where nothing was measured, and no
// answer takes no time.
func seconds(d time.Duration) float64 {
	if d == 0 {
		return math.NaN()
	}
	return d.Seconds()
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return math.NaN()
	}
	return float64(t.UnixMilli()) / 1000
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
