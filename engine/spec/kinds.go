package spec

// Limits and defaults that more than one package needs.
const (
	WeightMin     = 0
	WeightMax     = 100
	WeightDefault = 100 // the reference's default
)

// Sizes of a fleet. What hosts say of each other bounds them: a report about a site
// is one packet, and every host keeps a view of all others.
const (
	HostsMax      = 32  // of a site
	FleetHostsMax = 512 // of all sites
)

// Protocol of a listener.
type Protocol string

// The protocols. HTTP listeners speak HTTP/1.1, HTTP/2 (h2c by prior
// knowledge) and WebSocket.
const (
	TCP            Protocol = "tcp"
	UDP            Protocol = "udp"
	HTTP           Protocol = "http"
	HTTPS          Protocol = "https"
	TLSPassthrough Protocol = "tls-passthrough"
)

// Scheduler picks the backend of a new flow.
type Scheduler string

// The schedulers: the reference's six, and p2c.
const (
	RR   Scheduler = "rr"   // in turn
	WRR  Scheduler = "wrr"  // in turn by weight, smoothly interleaved; default
	WLC  Scheduler = "wlc"  // fewest open flows by weight
	SCH  Scheduler = "sch"  // consistent hash of the source address
	QCH  Scheduler = "qch"  // consistent hash of the QUIC connection ID
	IQCH Scheduler = "iqch" // consistent hash of bytes 2 to 4 of the iQUIC connection ID
	P2C  Scheduler = "p2c"  // the less loaded of two by latency (EWMA) times open flows
)

// PersistenceKind says how a client is recognised.
type PersistenceKind string

// The kinds of persistence.
const (
	PersistOff    PersistenceKind = "off"
	PersistSource PersistenceKind = "source"
	CookieInsert  PersistenceKind = "cookie-insert"
	CookieRewrite PersistenceKind = "cookie-rewrite"
)

// ProxyProtocol is a version of haproxy's PROXY protocol.
type ProxyProtocol string

// The versions. ProxyAny accepts v1 and v2 and is for listeners only.
const (
	ProxyOff ProxyProtocol = "off"
	ProxyV1  ProxyProtocol = "v1"
	ProxyV2  ProxyProtocol = "v2"
	ProxyAny ProxyProtocol = "any"
)

// ProbeKind says how health is measured.
type ProbeKind string

// The kinds of probe.
const (
	ProbeTCP   ProbeKind = "tcp"
	ProbeHTTP  ProbeKind = "http"
	ProbeHTTPS ProbeKind = "https"
	ProbeUDP   ProbeKind = "udp"
	ProbeICMP  ProbeKind = "icmp"
	ProbeExec  ProbeKind = "exec"
)

// ProbePreset is a set of defaults for probes.
type ProbePreset string

// The presets: interval, time-out, rise, fall.
const (
	PresetHoldfast  ProbePreset = "holdfast"  // 500ms 300ms 2 2
	PresetReference ProbePreset = "reference" // 2s 5s 3 3; UDP 5s 10s 3 3
)

// ServiceKind is what the local fleet's own backend speaks.
type ServiceKind string

// The services. All of them answer with the backend's name.
const (
	ServiceHTTP ServiceKind = "http"
	ServiceTCP  ServiceKind = "tcp"
	ServiceUDP  ServiceKind = "udp"
)

// Values lists the words that are allowed, for the checker and the schema.
func (Protocol) Values() []string { return words(TCP, UDP, HTTP, HTTPS, TLSPassthrough) }

// Values lists the words that are allowed.
func (Scheduler) Values() []string { return words(RR, WRR, WLC, SCH, QCH, IQCH, P2C) }

// Values lists the words that are allowed.
func (PersistenceKind) Values() []string {
	return words(PersistOff, PersistSource, CookieInsert, CookieRewrite)
}

// Values lists the words that are allowed.
func (ProxyProtocol) Values() []string { return words(ProxyOff, ProxyV1, ProxyV2, ProxyAny) }

// Values lists the words that are allowed.
func (ProbeKind) Values() []string {
	return words(ProbeTCP, ProbeHTTP, ProbeHTTPS, ProbeUDP, ProbeICMP, ProbeExec)
}

// Values lists the words that are allowed.
func (ProbePreset) Values() []string { return words(PresetHoldfast, PresetReference) }

// Values lists the words that are allowed.
func (ServiceKind) Values() []string { return words(ServiceHTTP, ServiceTCP, ServiceUDP) }

func words[T ~string](all ...T) []string {
	out := make([]string, len(all))
	for i, w := range all {
		out[i] = string(w)
	}
	return out
}
