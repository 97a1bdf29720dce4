package spec

// Fleet is the whole desired fleet: what a profile says, with every default
// filled in. A Fleet that Parse returned is complete and consistent; nobody
// checks it again.
type Fleet struct {
	// Name of the fleet.
	Name string `yaml:"fleet"`
	// Title is what the console calls it. Defaults to Name.
	Title string `yaml:"title,omitempty"`
	// Production marks the fleet on every screen.
	Production bool `yaml:"production,omitempty"`

	Sites     []Site     `yaml:"sites"`
	Probes    []Probe    `yaml:"probes,omitempty"`
	Pools     []Pool     `yaml:"pools,omitempty"`
	Listeners []Listener `yaml:"listeners,omitempty"`
	Clients   []Clients  `yaml:"clients,omitempty"`
	Drills    []Drill    `yaml:"drills,omitempty"`
}

// Site is one place with power and uplink: the unit of disaster.
type Site struct {
	Name string `yaml:"name"`
	// Title is for people, such as Tokyo. Defaults to Name.
	Title string `yaml:"title,omitempty"`
	// Witness makes the site a third place for two others, or a fifth for four: one
	// of its hosts votes for the fleet and keeps no data, and none serves anything.
	// Any small machine will do that survives the loss of either site.
	Witness bool   `yaml:"witness,omitempty"`
	Hosts   []Host `yaml:"hosts"`
}

// Host is one machine.
type Host struct {
	Name string `yaml:"name"`
	// Address the host serves from. Without one it gets 127.(10+s).0.h by the
	// loopback plan, s and h counting sites and hosts from 1.
	Address string `yaml:"address,omitempty"`
}

// Pool is a set of backends that serve the same thing.
type Pool struct {
	Name string `yaml:"name"`
	Site string `yaml:"site"`
	// Scheduler picks the backend of a new flow.
	Scheduler Scheduler `yaml:"scheduler,omitempty"`
	// Probe names an entry of Fleet.Probes. Empty: backends are not probed and
	// count as up.
	Probe    string    `yaml:"probe,omitempty"`
	Backends []Backend `yaml:"backends"`

	SlowStart   Duration    `yaml:"slow_start,omitempty"`  // time to full weight after coming up; 0 off
	DrainFor    Duration    `yaml:"drain_for,omitempty"`   // deadline of a drain; open flows are closed after it
	Panic       Percent     `yaml:"panic,omitempty"`       // below this share of usable weight all backends are used; 0 off
	Ejection    Ejection    `yaml:"ejection,omitempty"`    // passive ejection by errors seen in traffic
	Retry       Retry       `yaml:"retry,omitempty"`       // HTTP only
	Persistence Persistence `yaml:"persistence,omitempty"` // keeps a client on its backend
	Upstream    Upstream    `yaml:"upstream,omitempty"`    // how the LB speaks to the backends
}

// Backend is an address that serves flows.
type Backend struct {
	Name string `yaml:"name"`
	// Host it runs on. Optional for backends that are not the fleet's own.
	Host string `yaml:"host,omitempty"`
	// Address defaults to the host's address.
	Address string `yaml:"address,omitempty"`
	Port    int    `yaml:"port"` // 1 to 65535
	// Weight 0 to 100, default 100. 0 takes no new flows.
	Weight *int `yaml:"weight,omitempty"`
	// Backup backends get flows only when no other backend of the pool can.
	Backup bool `yaml:"backup,omitempty"`
	// FlowsMax limits open flows; 0 is no limit.
	FlowsMax int `yaml:"flows_max,omitempty"`
	// QueueMax limits the flows waiting for a free place; QueueFor how long one waits.
	QueueMax int      `yaml:"queue_max,omitempty"`
	QueueFor Duration `yaml:"queue_for,omitempty"`
	// Service is run by the local fleet as a process of its own. Without it the
	// backend is somebody else's.
	Service *Service `yaml:"service,omitempty"`
}

// WeightNow returns the backend's weight with its default.
func (b Backend) WeightNow() int {
	if b.Weight == nil {
		return WeightDefault
	}
	return *b.Weight
}

// AddrPort returns the backend's address:port.
func (b Backend) AddrPort() string { return AddrPort(b.Address, b.Port) }

// Service is the small program that a local fleet runs as a backend: it says
// who it is.
type Service struct {
	Kind ServiceKind `yaml:"kind,omitempty"` // default http
}

// Listener is where clients connect.
type Listener struct {
	Name     string   `yaml:"name"`
	Site     string   `yaml:"site"`
	Protocol Protocol `yaml:"protocol"`
	// Address to bind. Without one every host in Hosts binds its own address.
	Address string `yaml:"address,omitempty"`
	Port    int    `yaml:"port"`
	// Hosts that serve the listener. Defaults to all hosts of the site.
	Hosts []string `yaml:"hosts,omitempty"`
	Pool  string   `yaml:"pool,omitempty"` // empty only with Redirect

	TLS       *TLS          `yaml:"tls,omitempty"`            // https: required. tcp: terminates TLS
	SNI       []SNIRoute    `yaml:"sni,omitempty"`            // tls-passthrough: pool by server name; Pool is for all others
	Redirect  *Redirect     `yaml:"redirect,omitempty"`       // http: answer with a redirect to HTTPS
	Proxy     ProxyProtocol `yaml:"proxy_protocol,omitempty"` // expected from clients: off, v1, v2, any
	TrustFrom []string      `yaml:"trust_from,omitempty"`     // prefixes whose PROXY header and X-Forwarded-* are believed

	XForwarded  *bool    `yaml:"x_forwarded,omitempty"` // http(s): add X-Forwarded-For, -Proto, -Port, -Host. Default true
	FlowsMax    int      `yaml:"flows_max,omitempty"`   // open client connections per host; 0 no limit
	Established Duration `yaml:"established,omitempty"` // tcp, udp: idle time-out of a flow, 10s to 900s, default 900s (udp in Holdfast's preset: 60s)
	Idle        Duration `yaml:"idle,omitempty"`        // http(s): keep-alive idle, 1s to 60s, default 15s
	Request     Duration `yaml:"request,omitempty"`     // http(s): whole response must begin by then, 1s to 180s, default 60s, then 504
	Header      Duration `yaml:"header,omitempty"`      // http(s): whole request head must arrive by then, default 10s, then 408
	HeaderMax   Size     `yaml:"header_max,omitempty"`  // http(s): request head, default 16KiB, then 431
}

// TLS says how a listener terminates TLS. Files are read when the listener
// starts, when the spec is applied and when they change.
type TLS struct {
	Certificates []Certificate `yaml:"certificates"`
	MinVersion   string        `yaml:"min_version,omitempty"` // "1.2" (default) or "1.3"
	ALPN         []string      `yaml:"alpn,omitempty"`        // default h2, http/1.1 for https
}

// Certificate is a chain and its key, PEM, relative to the spec's file. The
// first certificate of a listener serves names that no other one covers.
type Certificate struct {
	Chain string `yaml:"chain"`
	Key   string `yaml:"key"`
}

// SNIRoute sends flows for a server name to a pool. "*.example.net" matches
// one label.
type SNIRoute struct {
	Name string `yaml:"name"`
	Pool string `yaml:"pool"`
}

// Redirect answers every request with a redirect to https.
type Redirect struct {
	Port int `yaml:"port,omitempty"` // default 443
	Code int `yaml:"code,omitempty"` // 301, 302, 303, 307, 308; default 308
}

// Ejection takes a backend out of rotation by what traffic sees, before a
// probe notices.
type Ejection struct {
	Off bool `yaml:"off,omitempty"`
	// Failures in a row that eject; default 5.
	Failures int `yaml:"failures,omitempty"`
	// For is the first ejection's length; each further one within an hour is
	// one For longer, to ten times. Default 5s.
	For Duration `yaml:"for,omitempty"`
	// ShareMax of the pool's backends that may be ejected at once; default 50%.
	// One may always be while another serves.
	ShareMax Percent `yaml:"share_max,omitempty"`
}

// Retry of idempotent requests on another backend.
type Retry struct {
	// Attempts after the first; default 1, 0 to 5.
	Attempts *int `yaml:"attempts,omitempty"`
	// Budget is the share of requests that may be retries; default 20%, and
	// never fewer than 3 a second.
	Budget Percent `yaml:"budget,omitempty"`
}

// Persistence keeps a client on one backend.
type Persistence struct {
	Kind PersistenceKind `yaml:"kind,omitempty"` // off, source, cookie-insert, cookie-rewrite
	// For is how long: source 1s to 3600s, cookie-insert 1s to 86400s.
	For    Duration `yaml:"for,omitempty"`
	Cookie string   `yaml:"cookie,omitempty"` // name; default SERVERID for insert, required for rewrite
}

// Upstream says how the LB speaks to a pool's backends.
type Upstream struct {
	Proxy      ProxyProtocol `yaml:"proxy_protocol,omitempty"` // sent to backends: off, v1, v2
	TLS        bool          `yaml:"tls,omitempty"`            // speak TLS to backends
	ServerName string        `yaml:"server_name,omitempty"`
	Insecure   bool          `yaml:"insecure,omitempty"`  // do not verify the backend's certificate
	CA         string        `yaml:"ca,omitempty"`        // PEM file of roots; default the system's
	HTTP2      bool          `yaml:"http2,omitempty"`     // h2 over TLS, h2c without
	Connect    Duration      `yaml:"connect,omitempty"`   // default 1s
	Idle       Duration      `yaml:"idle,omitempty"`      // pooled connection, default 60s
	ConnsMax   int           `yaml:"conns_max,omitempty"` // idle connections kept per backend; default 256
}

// Probe is one way to measure health.
type Probe struct {
	Name string `yaml:"name"`
	// Like names a probe whose settings are taken where this one says nothing.
	Like string `yaml:"like,omitempty"`
	// Preset gives the defaults: holdfast (fast) or reference (the managed
	// cloud's).
	Preset ProbePreset `yaml:"preset,omitempty"`
	Kind   ProbeKind   `yaml:"kind,omitempty"`
	Port   int         `yaml:"port,omitempty"` // default the backend's

	Interval Duration `yaml:"interval,omitempty"` // 50ms to 300s
	Timeout  Duration `yaml:"timeout,omitempty"`  // 10ms to 300s
	Rise     int      `yaml:"rise,omitempty"`     // 1 to 10
	Fall     int      `yaml:"fall,omitempty"`     // 1 to 10
	Jitter   Percent  `yaml:"jitter,omitempty"`   // of the interval, 0% to 50%
	Slow     Duration `yaml:"slow,omitempty"`     // an answer slower than this is shown as slow; default half the time-out
	Flap     Flap     `yaml:"flap,omitempty"`

	HTTP *HTTPCheck `yaml:"http,omitempty"` // http, https
	TLS  *TLSCheck  `yaml:"tls,omitempty"`  // https, and tcp with TLS
	UDP  *UDPCheck  `yaml:"udp,omitempty"`
	Exec *ExecCheck `yaml:"exec,omitempty"`
}

// Flap damping: a target that changes too often is held down for longer and
// longer.
type Flap struct {
	Off     bool     `yaml:"off,omitempty"`
	Count   int      `yaml:"count,omitempty"`    // downs within Window that count as flapping; default 3
	Window  Duration `yaml:"window,omitempty"`   // default 60s
	Hold    Duration `yaml:"hold,omitempty"`     // first hold-down, doubled per further flap; default 5s
	HoldMax Duration `yaml:"hold_max,omitempty"` // default 60s
}

// HTTPCheck is what an HTTP probe sends and expects.
type HTTPCheck struct {
	Method  string            `yaml:"method,omitempty"` // HEAD, GET (default), OPTIONS, POST
	Path    string            `yaml:"path,omitempty"`   // default "/", 1 to 80 characters in the reference; up to 1024 here
	Host    string            `yaml:"host,omitempty"`   // Host header
	Status  []string          `yaml:"status,omitempty"` // "200", "200-299", "http_2xx"; default 200-299
	Body    string            `yaml:"body,omitempty"`   // text that the first 64 KiB of the body must contain
	Headers map[string]string `yaml:"headers,omitempty"`
}

// TLSCheck is what a probe requires of a certificate.
type TLSCheck struct {
	ServerName string   `yaml:"server_name,omitempty"` // SNI and name to verify; default the Host header
	CA         string   `yaml:"ca,omitempty"`          // PEM file of roots
	Insecure   bool     `yaml:"insecure,omitempty"`    // do not verify name, chain or expiry
	ExpiryWarn Duration `yaml:"expiry_warn,omitempty"` // degraded when less is left; default 168h
}

// UDPCheck sends Request and expects Expect at the start of the answer.
type UDPCheck struct {
	Request string `yaml:"request,omitempty"`
	Expect  string `yaml:"expect,omitempty"`
}

// ExecCheck runs a program; exit code 0 is up. The address is in HOLDFAST_ADDRESS
// and HOLDFAST_PORT.
type ExecCheck struct {
	Command []string `yaml:"command"`
	// Dir is where it runs: the directory of the spec's file.
	Dir string `yaml:"-"`
}

// Clients are built-in traffic: they use a listener as its users would and
// measure what they see.
type Clients struct {
	Name     string `yaml:"name"`
	Listener string `yaml:"listener"`
	// From is the site they stand in; default the listener's.
	From string `yaml:"from,omitempty"`
	// Rate of requests per second, all together. 0.1 to 10000.
	Rate float64 `yaml:"rate"`
	Path string  `yaml:"path,omitempty"` // http(s); default "/"
	// Timeout of one request; default 1s.
	Timeout Duration `yaml:"timeout,omitempty"`
}

// Drill is a rehearsal: steady state, a fault, a stopwatch, a verdict.
type Drill struct {
	Name string `yaml:"name"`
	Why  string `yaml:"why"`
	// Fault to inject.
	Fault DrillFault `yaml:"fault"`
	// Clients whose listener is measured, by 1 ms probes of its own.
	Clients string `yaml:"clients"`
	// Objectives that make it pass.
	Objectives Objectives `yaml:"objectives"`
	// Before must hold or the drill is refused.
	Before Before `yaml:"before,omitempty"`
	// Stop aborts and reverts.
	Stop StopWhen `yaml:"stop,omitempty"`
	Hold Duration `yaml:"hold,omitempty"` // how long the fault stays; default 5s
	// Settle is how long after the revert the steady state may take; default 15s.
	Settle Duration `yaml:"settle,omitempty"`
	// RevertAfter is the dead-man time from the fault; default Hold + 30s.
	RevertAfter Duration `yaml:"revert_after,omitempty"`
	// ProbeEvery is the interval of the independent probes; default 1ms.
	ProbeEvery Duration `yaml:"probe_every,omitempty"`
}

// DrillFault is what a drill breaks.
type DrillFault struct {
	Kind string `yaml:"kind"` // kill, freeze, slow, restart
	// Target is kind/name. "backend/any" leaves the choice of a serving backend
	// of the clients' pool to the runner.
	Target string   `yaml:"target"`
	Delay  Duration `yaml:"delay,omitempty"` // slow: added to each answer
}

// Objectives are promises that the drill measures.
type Objectives struct {
	Took   Duration `yaml:"took"`             // from the fault to the last failed request
	Errors Percent  `yaml:"errors,omitempty"` // share of probes that failed, over the whole run; default 1%
	P99    Duration `yaml:"p99,omitempty"`    // of good answers; 0 is not judged
}

// Before is the steady state a drill starts from.
type Before struct {
	MinUp  Percent `yaml:"min_up,omitempty"` // share of the pool's backends up; default 100%
	Errors Percent `yaml:"errors,omitempty"` // most errors in the last 10 s; default 0%
}

// StopWhen aborts a drill.
type StopWhen struct {
	Errors Percent  `yaml:"errors,omitempty"` // share of failed requests …
	For    Duration `yaml:"for,omitempty"`    // … for this long; default 20% for 10s
}
