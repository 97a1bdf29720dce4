package plain

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// The stable output of get -o json: one array of objects. All have name, state
// (ok, degraded, down, unknown), since (RFC 3339) and reason; those that are
// somewhere have site.

type item struct {
	Name   string    `json:"name"`
	Site   string    `json:"site,omitempty"`
	State  api.State `json:"state"`
	Since  string    `json:"since"`
	Reason string    `json:"reason"`
}

type hostItem struct {
	item
	Address  string  `json:"address"`
	Requests float64 `json:"requests_per_second"`
}

type siteItem struct {
	item
	Title    string     `json:"title"`
	Counts   api.Counts `json:"counts"`
	Requests float64    `json:"requests_per_second"`
	Errors   float64    `json:"errors_percent"`
	P99      float64    `json:"p99_ms"`
}

type listenerItem struct {
	item
	Address  []string `json:"address"`
	Protocol string   `json:"protocol"`
	Port     int      `json:"port"`
	Pool     string   `json:"pool"`
	traffic
}

type poolItem struct {
	item
	Scheduler string  `json:"scheduler"`
	Up        int     `json:"up"`
	Backends  int     `json:"backends"`
	Probe     string  `json:"probe"`
	Detection float64 `json:"detection_ms"`
	Panic     bool    `json:"panic"`
	traffic
}

type backendItem struct {
	item
	Address   string     `json:"address"`
	Pool      string     `json:"pool"`
	Weight    int        `json:"weight"`
	PID       int        `json:"pid"`
	Host      string     `json:"host"`
	Health    api.Health `json:"health"`
	Phase     api.Phase  `json:"phase"`
	Backup    bool       `json:"backup"`
	Share     float64    `json:"share"`
	RealShare float64    `json:"real_share"`
	traffic
}

type clientsItem struct {
	item
	Listener  string `json:"listener"`
	LastError string `json:"last_error,omitempty"`
	traffic
}

type faultItem struct {
	item
	Kind   string  `json:"kind"`
	Target string  `json:"target"`
	Until  string  `json:"until,omitempty"`
	By     string  `json:"by"`
	Delay  float64 `json:"delay_ms,omitempty"`
}

type drillItem struct {
	item
	Why     string `json:"why"`
	Fault   string `json:"fault"`
	Clients string `json:"clients"`
	Phase   string `json:"phase"`
	Run     int    `json:"run"`
}

type traffic struct {
	Requests float64    `json:"requests_per_second"`
	Errors   float64    `json:"errors_percent"`
	Active   int64      `json:"active"`
	P50      float64    `json:"p50_ms"`
	P99      float64    `json:"p99_ms"`
	Totals   api.Totals `json:"totals"`
}

func trafficOf(t api.Traffic) traffic {
	return traffic{t.Requests, t.ErrorsPct, t.Active, ms(t.P50), ms(t.P99), t.Totals}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
