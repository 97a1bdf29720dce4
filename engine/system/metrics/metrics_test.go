package metrics_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/system/metrics"
)

// window shows one picture; the other ways of a client are not used here.
type window struct {
	api.Client
	status *api.Status
	err    error
}

func (w window) Status(ctx context.Context) (*api.Status, error) {
	if w.status == nil && w.err == nil { // a fleet that has not drawn yet
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return w.status, w.err
}

// picture is a fleet with one of everything, all well.
func picture() *api.Status {
	now := time.Now()
	traffic := api.Traffic{
		Requests: 30, Active: 7, P50: 2 * time.Millisecond, P90: 4 * time.Millisecond, P99: 1500 * time.Microsecond,
		Totals: api.Totals{Requests: 1 << 40, Errors: 12, Retries: 3, Flows: 99, InBytes: 1000, OutBytes: 123456789012, Latencies: 250, LatencySum: 1500 * time.Millisecond},
	}
	return &api.Status{
		Fleet: "shop", World: api.WorldLocal, Started: now.Add(-time.Hour), At: now, Seq: 41, Rev: 2, State: api.StateOK,
		Sites: []api.Site{{Name: "tokyo", State: api.StateOK, Since: now, Traffic: traffic}},
		Hosts: []api.Host{{Name: "tokyo-1", Site: "tokyo", State: api.StateOK, AsOf: now, Dropped: 5}},
		Listeners: []api.Listener{{
			Name: "web", Site: "tokyo", Protocol: "http", Pool: "shop", State: api.StateOK, Since: time.UnixMilli(1700000000500), Traffic: traffic,
			Bindings: []api.Binding{{Host: "tokyo-1", Address: "127.11.0.1:80", Bound: true}},
		}},
		Pools: []api.Pool{{Name: "shop", Site: "tokyo", State: api.StateDegraded, Up: 1, Backends: 2, Detection: 1350 * time.Millisecond, Traffic: traffic}},
		Backends: []api.Backend{
			{Name: "b1", Pool: "shop", Site: "tokyo", Weight: 100, Phase: api.PhaseServing, State: api.StateOK, Health: api.Combine(api.Up, ""), Share: 1, Traffic: traffic},
			{Name: "b2", Pool: "shop", Site: "tokyo", Weight: 50, Phase: api.PhaseOut, State: api.StateDown, Health: api.Combine(api.Unknown, api.Down)},
		},
		Clients:  []api.Clients{{Name: "users", Site: "tokyo", State: api.StateOK, Traffic: traffic}},
		Faults:   []api.Fault{{ID: "f1", Kind: api.FaultKill, Target: id.To(id.KindBackend, "b2")}},
		Drills:   []api.Drill{{Name: "lose", Run: 3, Phase: api.DrillPassed}, {Name: "freeze", Phase: api.DrillIdle}},
		Problems: []api.Problem{{State: api.StateDown}, {State: api.StateDown}, {State: api.StateDegraded}},
	}
}

func get(t *testing.T, c api.Client, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	metrics.Handler(c, "1.2").ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The page is read back by a strict parser, and says of each thing what the
// picture says.
func TestExposition(t *testing.T) {
	resp := get(t, window{status: picture()}, "/metrics")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != metrics.ContentType {
		t.Fatalf("status %d, %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	e, err := parse(body(t, resp.Body))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{
		`holdfast_fleet_info{fleet="shop",world="local"}`:                                     1,
		`holdfast_fleet_state{state="ok"}`:                                                    1,
		`holdfast_fleet_state{state="down"}`:                                                  0,
		`holdfast_fleet_problems{state="down"}`:                                               2,
		`holdfast_fleet_events_total`:                                                         41,
		`holdfast_fleet_spec_revision`:                                                        2,
		`holdfast_host_dropped_total{host="tokyo-1",site="tokyo"}`:                            5,
		`holdfast_site_requests_total{site="tokyo"}`:                                          1 << 40,
		`holdfast_listener_requests_total{listener="web",site="tokyo"}`:                       1 << 40,
		`holdfast_listener_errors_total{listener="web",site="tokyo"}`:                         12,
		`holdfast_listener_retries_total{listener="web",site="tokyo"}`:                        3,
		`holdfast_listener_connections_total{listener="web",site="tokyo"}`:                    99,
		`holdfast_listener_connections{listener="web",site="tokyo"}`:                          7,
		`holdfast_listener_bytes_total{direction="in",listener="web",site="tokyo"}`:           1000,
		`holdfast_listener_bytes_total{direction="out",listener="web",site="tokyo"}`:          123456789012,
		`holdfast_listener_latency_seconds{listener="web",quantile="0.99",site="tokyo"}`:      0.0015,
		`holdfast_listener_latency_seconds_sum{listener="web",site="tokyo"}`:                  1.5,
		`holdfast_listener_latency_seconds_count{listener="web",site="tokyo"}`:                250,
		`holdfast_listener_state_since_seconds{listener="web",site="tokyo"}`:                  1700000000.5,
		`holdfast_listener_bound{host="tokyo-1",listener="web",protocol="http",site="tokyo"}`: 1,
		`holdfast_pool_state{pool="shop",site="tokyo",state="degraded"}`:                      1,
		`holdfast_pool_backends_up{pool="shop",site="tokyo"}`:                                 1,
		`holdfast_pool_detection_seconds{pool="shop",site="tokyo"}`:                           1.35,
		`holdfast_backend_requests_total{backend="b1",pool="shop",site="tokyo"}`:              1 << 40,
		`holdfast_backend_health{backend="b1",pool="shop",site="tokyo",view="measured"}`:      1,
		`holdfast_backend_health{backend="b1",pool="shop",site="tokyo",view="effective"}`:     1,
		`holdfast_backend_health{backend="b2",pool="shop",site="tokyo",view="measured"}`:      -1,
		`holdfast_backend_health{backend="b2",pool="shop",site="tokyo",view="forced"}`:        0,
		`holdfast_backend_phase{backend="b2",phase="out",pool="shop",site="tokyo"}`:           1,
		`holdfast_backend_phase{backend="b2",phase="serving",pool="shop",site="tokyo"}`:       0,
		`holdfast_backend_weight{backend="b2",pool="shop",site="tokyo"}`:                      50,
		`holdfast_clients_latency_seconds{clients="users",quantile="0.5",site="tokyo"}`:       0.002,
		`holdfast_faults{kind="kill"}`:                                                        1,
		`holdfast_faults{kind="slow"}`:                                                        0,
		`holdfast_drill_runs_total{drill="lose"}`:                                             3,
		`holdfast_drill_passed{drill="lose"}`:                                                 1,
	} {
		if got, ok := e.samples[key]; !ok || got != want {
			t.Errorf("%s is %v (there: %t), want %v", key, got, ok, want)
		}
	}
	for _, absent := range []string{
		`holdfast_backend_health{backend="b1",pool="shop",site="tokyo",view="forced"}`, `holdfast_drill_passed{drill="freeze"}`,
	} {
		if _, ok := e.samples[absent]; ok {
			t.Errorf("%s is there", absent)
		}
	}
	if v := e.samples[`holdfast_backend_latency_seconds{backend="b2",pool="shop",quantile="0.5",site="tokyo"}`]; !math.IsNaN(v) {
		t.Errorf("a latency that nobody measured is %v, want NaN", v)
	}
	for _, name := range []string{"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "go_goroutines"} {
		if !(e.samples[name] > 0) {
			t.Errorf("%s is %v", name, e.samples[name])
		}
	}
}

// Names come from the spec and cannot hold such characters; the version comes
// from a linker flag, which can. Neither breaks the page.
func TestLabelsAreEscaped(t *testing.T) {
	s := picture()
	s.Fleet = "a\"b\\c\nd\xff"
	text := string(metrics.Exposition(s, `v"1`, time.Now()))
	e, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for key := range e.samples {
		found = found || strings.HasPrefix(key, "holdfast_fleet_info{") && strings.Contains(text, `fleet="a\"b\\c\nd`+"\uFFFD\"")
	}
	if !found {
		t.Errorf("the fleet's name is not in\n%s", text)
	}
}

// The parser that the tests above rely on refuses what the format refuses.
func TestParserRefuses(t *testing.T) {
	for _, bad := range []string{
		"x 1", "x 1\n", "# HELP x h\nx 1\n", "# HELP x h\n# TYPE x gauge\nx 1\nx 2\n", "# HELP x h\n# TYPE x gauge\nx{a=\"\\t\"} 1\n",
		"# HELP x h\n# TYPE x gauge\nx{a=\"b\" 1\n", "# HELP x h\n# TYPE x counter\nx 1\n", "# HELP x h\n# TYPE x gauge\ny 1\n", "# HELP x h\n# TYPE x gauge\nx one\n",
		"# HELP x_total h\n# TYPE x_total counter\nx_total -1\n",
	} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// The number of series follows from the spec alone: ten times the traffic makes
// none more, and a backend more makes a fixed number more.
func TestCardinalityIsBounded(t *testing.T) {
	count := func(n int) int {
		s := picture()
		s.Backends = nil
		for i := range n {
			s.Backends = append(s.Backends, api.Backend{Name: fmt.Sprintf("b%d", i), Pool: "shop", Site: "tokyo", Reason: fmt.Sprint("reason ", i)})
		}
		e, err := parse(string(metrics.Exposition(s, "", time.Now())))
		if err != nil {
			t.Fatal(err)
		}
		return len(e.samples)
	}
	first, second, third := count(1), count(2), count(1001)
	each := second - first
	if each > 30 || third != first+1000*each {
		t.Errorf("1, 2 and 1001 backends make %d, %d and %d series", first, second, third)
	}
}

func TestGzip(t *testing.T) {
	for accept, want := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "": false, "gzip;q=0": false, "identity": false} {
		resp := get(t, window{status: picture()}, "/metrics", "Accept-Encoding", accept)
		if got := resp.Header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("Accept-Encoding %q: compressed %t, want %t", accept, got, want)
			continue
		}
		var r io.Reader = resp.Body
		if want {
			z, err := gzip.NewReader(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			r = z
		}
		if _, err := parse(body(t, r)); err != nil {
			t.Errorf("Accept-Encoding %q: %v", accept, err)
		}
	}
}

func TestLiveAndReady(t *testing.T) {
	with := func(change func(*api.Status)) *api.Status { s := picture(); change(s); return s }
	for _, c := range []struct {
		name        string
		client      window
		live, ready int
		says        string // in the answer of /ready
	}{
		{"all is well", window{status: picture()}, 200, 200, "1 listeners are bound and 1 pools serve"},
		{"a listener is refused", window{status: with(func(s *api.Status) {
			s.Listeners[0].Bindings[0] = api.Binding{Host: "tokyo-1", Address: "127.11.0.1:80", Reason: "address already in use"}
		})}, 200, 503, "listener/web: tokyo-1 has not bound 127.11.0.1:80: address already in use"},
		{"nobody has bound yet", window{status: with(func(s *api.Status) { s.Listeners[0].Bindings = nil })}, 200, 503, "listener/web: no host has reported on it"},
		{"a host is silent", window{status: with(func(s *api.Status) {
			s.Listeners[0].State, s.Listeners[0].Reason = api.StateDegraded, "listens on 1 of 2 hosts"
		})}, 200, 503, "listener/web: listens on 1 of 2 hosts"},
		{"a pool has nobody", window{status: with(func(s *api.Status) {
			s.Backends[0].Phase, s.Pools[0].Reason = api.PhaseEjected, "nobody serves"
		})}, 200, 503, "pool/shop: no backend takes new flows: nobody serves"},
		{"a pool is in panic", window{status: with(func(s *api.Status) { s.Backends[0].Phase, s.Pools[0].Panic = api.PhaseOut, true })}, 200, 503, "pool/shop"},
		{"a serving backend has weight 0", window{status: with(func(s *api.Status) { s.Backends[0].Weight = 0 })}, 200, 503, "pool/shop"},
		{"a backend rises", window{status: with(func(s *api.Status) { s.Backends[0].Phase = api.PhaseRising })}, 200, 200, "1 pools serve"},
		{"both", window{status: with(func(s *api.Status) { s.Backends[0].Phase, s.Listeners[0].Bindings = api.PhaseOut, nil })}, 200, 503, "and 1 more"},
		{"the picture is old", window{status: with(func(s *api.Status) { s.At = s.At.Add(-time.Minute) })}, 503, 503, "the picture is 1m0s old"},
		{"the fleet is gone", window{err: api.ErrUnreachable}, 503, 503, api.ErrUnreachable.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			if resp := get(t, c.client, "/live"); resp.StatusCode != c.live {
				t.Errorf("/live says %d, want %d", resp.StatusCode, c.live)
			}
			resp := get(t, c.client, "/ready")
			var a struct {
				OK     bool
				Reason string
				Not    []struct{ Subject, Reason string }
			}
			if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.ready || a.OK != (c.ready == 200) || !strings.Contains(a.Reason, c.says) {
				t.Errorf("/ready says %d %+v, want %d and %q", resp.StatusCode, a, c.ready, c.says)
			}
		})
	}
}

// A fleet that has no picture yet keeps nobody waiting for ever.
func TestNoPictureYet(t *testing.T) {
	began := time.Now()
	if resp := get(t, window{}, "/metrics"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d, want 503", resp.StatusCode)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the answer took %s", took)
	}
}

// The endpoint serves on a socket of its own, only reads, and ends with its
// context.
func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, err := metrics.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := metrics.Listen(ctx, l.Addr().String()); err == nil || !strings.Contains(err.Error(), "give another address") {
		t.Errorf("a taken address says %v", err)
	}
	if _, err := metrics.Listen(ctx, "9100"); err == nil || !strings.Contains(err.Error(), "such as 127.0.0.1:9100") {
		t.Errorf("a port alone says %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- metrics.Serve(ctx, l, metrics.Handler(window{status: picture()}, ""), slog.New(slog.DiscardHandler))
	}()
	base := "http://" + l.Addr().String()
	for path, want := range map[string]int{"/": 200, "/metrics": 200, "/live": 200, "/ready": 200, "/other": 404} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s says %d, want %d", path, resp.StatusCode, want)
		}
	}
	resp, err := http.Post(base+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST says %d, want 405", resp.StatusCode)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve ended with %v", err)
	}
}
