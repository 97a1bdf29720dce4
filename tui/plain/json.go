package plain

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// What -o json prints. These types are the contract: the doc tags are printed by
// "holdfast help output" and stand in the manual page, and testdata keeps the
// names. Fields are added; none is renamed, removed or given another meaning.

type item struct {
	Name   string    `json:"name" doc:"unique within its kind"`
	Site   string    `json:"site,omitempty" doc:"where it is; missing when it is in none"`
	State  api.State `json:"state" doc:"ok, degraded, down or unknown"`
	Since  string    `json:"since" doc:"when the state began, RFC 3339 in UTC; empty when never"`
	Reason string    `json:"reason" doc:"why it is in that state, for people"`
}

type siteItem struct {
	item
	Title  string     `json:"title" doc:"its name for people"`
	Counts api.Counts `json:"counts" doc:"hosts, pools and backends, and how many of each are up"`
	traffic
}

type hostItem struct {
	item
	Address string `json:"address" doc:"IP address"`
	AsOf    string `json:"as_of" doc:"when the host last reported"`
	// Agent is missing in a fleet that is one process.
	Agent *agentItem `json:"agent,omitempty" doc:"its agent, in a fleet of agents: state (alive, suspected, cut, stopped, dead or unknown), since, reason, by (host that says so), version, clock_offset_ms (ahead of the coordinator's), rtt_ms, journal (a state) and journal_reason"`
	traffic
}

type listenerItem struct {
	item
	Address  string        `json:"address" doc:"address:port of the first host where it is bound"`
	Protocol string        `json:"protocol" doc:"tcp, udp, http, https or tls-passthrough"`
	Port     int           `json:"port" doc:"port"`
	Pool     string        `json:"pool" doc:"pool that serves it"`
	Bindings []api.Binding `json:"bindings" doc:"each host's host, address, bound, and reason why it is not"`
	traffic
}

type poolItem struct {
	item
	Scheduler string  `json:"scheduler" doc:"rr, wrr, wlc, sch, qch, iqch or p2c"`
	Up        int     `json:"up" doc:"backends that are up"`
	Backends  int     `json:"backends" doc:"backends in all"`
	Probe     string  `json:"probe" doc:"how they are probed, for people"`
	Detection float64 `json:"detection_ms" doc:"worst case from a fault to out of rotation"`
	Panic     bool    `json:"panic" doc:"too few are up: all are used"`
	traffic
}

// healthItem is api.Health with all three fields always there.
type healthItem struct {
	Measured  api.Measure `json:"measured"`
	Forced    api.Measure `json:"forced"`
	Effective api.Measure `json:"effective"`
}

type backendItem struct {
	item
	Address   string     `json:"address" doc:"address:port"`
	Pool      string     `json:"pool" doc:"its pool"`
	Weight    int        `json:"weight" doc:"in force, 0 to 100"`
	PID       int        `json:"pid" doc:"its process; 0 when this fleet does not run it"`
	Host      string     `json:"host" doc:"host that it runs on"`
	Health    healthItem `json:"health" doc:"measured by probes, forced by people (empty: not), effective: what is used; each up, down or unknown"`
	Phase     api.Phase  `json:"phase" doc:"serving, rising, standby, draining, drained, ejected, out or idle"`
	Backup    bool       `json:"backup" doc:"serves only when no other can"`
	Share     float64    `json:"share" doc:"of the pool's new flows that it should get, 0 to 1"`
	RealShare float64    `json:"real_share" doc:"of the pool's flows that it got in the last ten seconds"`
	DrainLeft float64    `json:"drain_left_ms" doc:"until a drain closes what is left"`
	traffic
}

type clientsItem struct {
	item
	Listener  string `json:"listener" doc:"listener that they use"`
	LastError string `json:"last_error" doc:"the newest error that they saw"`
	traffic
}

type faultItem struct {
	item
	Kind   string  `json:"kind" doc:"kill, freeze, slow or restart"`
	Target string  `json:"target" doc:"kind/name"`
	Until  string  `json:"until" doc:"when it ends by itself; empty: when it is cleared"`
	By     string  `json:"by" doc:"who asked for it"`
	Delay  float64 `json:"delay_ms" doc:"slow: how late each answer is"`
}

type drillItem struct {
	item
	Why     string `json:"why" doc:"what it rehearses"`
	Fault   string `json:"fault" doc:"what it breaks"`
	Target  string `json:"target" doc:"kind/name that was chosen; empty before its first run"`
	Clients string `json:"clients" doc:"whose listener is measured"`
	Phase   string `json:"phase" doc:"idle, checking, running, reverting, settling, passed, failed, aborted or refused"`
	Run     int    `json:"run" doc:"number of the run, from 1; 0 never"`
	By      string `json:"by" doc:"who ran it"`
}

type eventItem struct {
	item
	Seq     api.Seq  `json:"seq" doc:"number, from 1; name is the same as text"`
	Subject string   `json:"subject" doc:"kind/name that it is about"`
	Lane    api.Lane `json:"lane" doc:"health, pool, fleet, people, fault or drill"`
	Text    string   `json:"text" doc:"what happened"`
	Host    string   `json:"host" doc:"that reports it"`
	Cause   api.Seq  `json:"cause" doc:"event that led to it; 0 unknown"`
	By      string   `json:"by" doc:"who, for lane people and what follows from it"`
	Receipt string   `json:"receipt" doc:"of the command that it answers"`
}

type traffic struct {
	Requests float64    `json:"requests_per_second" doc:"flows per second on tcp and udp; rates are of the last ten seconds"`
	Errors   float64    `json:"errors_percent" doc:"5xx, refused, reset and timed out, of requests"`
	Active   int64      `json:"active" doc:"open flows"`
	InRate   float64    `json:"in_bytes_per_second" doc:"from clients"`
	OutRate  float64    `json:"out_bytes_per_second" doc:"to clients"`
	P50      float64    `json:"p50_ms" doc:"until the answer begins; on tcp until connected"`
	P90      float64    `json:"p90_ms" doc:"the same"`
	P99      float64    `json:"p99_ms" doc:"the same"`
	Totals   api.Totals `json:"totals" doc:"requests, errors, retries, flows, in_bytes, out_bytes, latencies and latency_sum_ns since the fleet started"`
}

// done is what verbs that act print.
type done struct {
	OK       bool          `json:"ok" doc:"whether it was done: the exit code is 0"`
	Reason   string        `json:"reason" doc:"why it was not, for people; empty when it was"`
	Done     string        `json:"done" doc:"what was done, for people; empty when nothing was"`
	Command  string        `json:"command" doc:"the same command for a shell"`
	DryRun   bool          `json:"dry_run" doc:"it was only checked"`
	Receipt  string        `json:"receipt" doc:"events that follow from it carry this"`
	Seq      api.Seq       `json:"seq" doc:"event that records it"`
	Waited   float64       `json:"waited_ms" doc:"with --wait: until it was in force"`
	Refusals []refusalItem `json:"refusals" doc:"each reason (a stable word), target, text, and warning (true: --yes answers it)"`
	Changes  []api.Change  `json:"changes,omitempty" doc:"apply and rollback: what it changes in the spec in force, as holdfast diff prints it"`
	More     int           `json:"more,omitempty" doc:"changes that are not listed"`
	Token    string        `json:"token,omitempty" doc:"token only: the token with its secret, for whoever joins"`
	Report   *reportItem   `json:"report,omitempty" doc:"drill run only: the report, as holdfast drill report prints it"`
}

type refusalItem struct {
	Reason  api.Reason `json:"reason"`
	Target  string     `json:"target"`
	Text    string     `json:"text"`
	Warning bool       `json:"warning"`
}

// specDone is what validate and diff print.
type specDone struct {
	OK       bool       `json:"ok" doc:"the spec is valid; diff: and means the same"`
	Reason   string     `json:"reason" doc:"why not, for people"`
	File     string     `json:"file" doc:"what was read"`
	Errors   []SpecFlaw `json:"errors" doc:"each file, line, column, path, text and want (what was expected)"`
	Revision uint64     `json:"revision,omitempty" doc:"diff only: from which it differs"`
	Diff     string     `json:"diff,omitempty" doc:"diff only: unified"`

	Changes []api.Change `json:"changes,omitempty" doc:"diff only: each subject (kind and name), of (what it is part of), kind (added, removed or changed), field, before and after"`
	More    int          `json:"more,omitempty" doc:"diff only: changes that are not listed"`
}

// revisionItem is what history prints.
type revisionItem struct {
	Rev     uint64       `json:"rev" doc:"number of the revision"`
	At      string       `json:"at" doc:"when it came into force"`
	By      string       `json:"by" doc:"who put it there"`
	Why     string       `json:"why" doc:"the reason that they gave"`
	How     api.How      `json:"how" doc:"start, apply or rollback"`
	Of      uint64       `json:"of" doc:"rollback: the revision whose text it has; 0 otherwise"`
	File    string       `json:"file" doc:"that it came from"`
	Size    int          `json:"size" doc:"of the text, in bytes"`
	Changes []api.Change `json:"changes" doc:"what it changed in the one before, as holdfast diff prints it: the first of it"`
	More    int          `json:"more" doc:"changes that are not listed"`
	Text    string       `json:"text,omitempty" doc:"history REV only"`
}

func revisionOf(r api.Revision) revisionItem {
	return revisionItem{r.Rev, stamp(r.At), r.By, r.Why, r.How, r.Of, r.Name, r.Size, append([]api.Change{}, r.Changes...), r.More, r.Text}
}

// why is what explain prints.
type why struct {
	Subject string      `json:"subject" doc:"kind/name"`
	State   api.State   `json:"state" doc:"ok, degraded, down or unknown"`
	Since   string      `json:"since" doc:"when the state began"`
	Reason  string      `json:"reason" doc:"why"`
	Facts   []fact      `json:"facts" doc:"what else is known of it: name and value, for people"`
	Votes   []voteItem  `json:"votes" doc:"backends: each probing host's host, measured, phase, weight, since, reason and latency_ms"`
	Events  []eventItem `json:"events" doc:"what led to it, oldest first"`
}

type fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type voteItem struct {
	Host     string      `json:"host"`
	Measured api.Measure `json:"measured"`
	Phase    api.Phase   `json:"phase"`
	Weight   int         `json:"weight"`
	Since    string      `json:"since"`
	Reason   string      `json:"reason"`
	Latency  float64     `json:"latency_ms"`
}

// reportItem is a drill's report.
type reportItem struct {
	drillItem
	Started  string        `json:"started" doc:"when the run began"`
	Ended    string        `json:"ended" doc:"when it ended; empty while it runs"`
	Verdicts []verdictItem `json:"verdicts" doc:"each objective, limit, measured and state"`
	Probes   probesItem    `json:"probes" doc:"what the independent probes saw: every_ms, sent, failed, late; from the fault first_fail_ms, last_fail_ms, detected_ms; p50_ms, p99_ms, max_ms"`
	Steps    []stepItem    `json:"steps" doc:"each name, state, at_ms, took_ms, limit_ms and text"`
	Strip    string        `json:"strip" doc:"what the probes saw since the fault: . good, X bad, _ not yet"`
	Column   float64       `json:"strip_every_ms" doc:"how long one column of strip is"`
	Log      []noteItem    `json:"log" doc:"each at_ms, from the fault, and text"`
}

type verdictItem struct {
	Objective string    `json:"objective"`
	Limit     string    `json:"limit"`
	Measured  string    `json:"measured"`
	State     api.State `json:"state"`
}

type probesItem struct {
	Every     float64 `json:"every_ms"`
	Sent      uint64  `json:"sent"`
	Failed    uint64  `json:"failed"`
	Late      uint64  `json:"late"`
	FirstFail float64 `json:"first_fail_ms"`
	LastFail  float64 `json:"last_fail_ms"`
	Detected  float64 `json:"detected_ms"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
}

type stepItem struct {
	Name  string    `json:"name"`
	State api.State `json:"state"`
	At    float64   `json:"at_ms"`
	Took  float64   `json:"took_ms"`
	Limit float64   `json:"limit_ms"`
	Text  string    `json:"text"`
}

type noteItem struct {
	At   float64 `json:"at_ms"`
	Text string  `json:"text"`
}

func itemOf(name, site string, state api.State, since time.Time, reason string) item {
	return item{name, site, state, stamp(since), reason}
}

func trafficOf(t api.Traffic) traffic {
	return traffic{t.Requests, t.ErrorsPct, t.Active, t.InRate, t.OutRate, ms(t.P50), ms(t.P90), ms(t.P99), t.Totals}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// stamp is RFC 3339 in UTC with a fixed width, so that stamps sort as text.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
