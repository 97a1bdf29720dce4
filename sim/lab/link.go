package lab

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// LinkFault is what is wrong with the packets from one place to another.
type LinkFault struct {
	From, To Place
	OneWay   bool // the other direction is well
	// Drop is the share of packets that are lost, without a word to anybody; 1 is
	// a cut.
	Drop float64
	// Delay is added to each packet, and up to Jitter more, without changing their
	// order.
	Delay, Jitter time.Duration
}

// String says it as a person would.
func (x LinkFault) String() string {
	arrow := "<->"
	if x.OneWay {
		arrow = "->"
	}
	s := fmt.Sprintf("%s %s %s", x.From, arrow, x.To)
	if x.Drop >= 1 {
		return s + " cut"
	}
	if x.Drop > 0 {
		s += fmt.Sprintf(" loses %.0f %%", x.Drop*100)
	}
	if x.Delay > 0 || x.Jitter > 0 {
		s += fmt.Sprintf(" +%v", x.Delay)
	}
	if x.Jitter > 0 {
		s += fmt.Sprintf("..%v", x.Delay+x.Jitter)
	}
	return s
}

// Everywhere is every place of the fleet.
var Everywhere Place = everywhere{}

type everywhere struct{}

func (everywhere) String() string   { return "all" }
func (everywhere) at() netip.Prefix { return netip.MustParsePrefix("0.0.0.0/0") }
func (everywhere) hosts() []*Host   { return nil }

// Cut is a link cut in both directions.
func Cut(a, b Place) LinkFault { return LinkFault{From: a, To: b, Drop: 1} }

// CutOneWay loses what a sends to b.
func CutOneWay(a, b Place) LinkFault { return LinkFault{From: a, To: b, OneWay: true, Drop: 1} }

// Break makes faults, all at once at each switch, and returns what heals them.
func (f *Fleet) Break(all ...LinkFault) (heal func() error, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	mine := make([]*LinkFault, len(all))
	for i := range all {
		mine[i] = &all[i]
		f.faults[mine[i]] = true
	}
	heal = func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, x := range mine {
			delete(f.faults, x)
		}
		return f.weather()
	}
	if err := f.weather(); err != nil {
		return heal, err
	}
	return heal, nil
}

// Heal ends all faults of links.
func (f *Fleet) Heal() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.faults)
	return f.weather()
}

// oneWays are the faults in force, one for each direction.
func (f *Fleet) oneWays() (all []LinkFault) {
	for x := range f.faults {
		all = append(all, *x)
		if !x.OneWay {
			y := *x
			y.From, y.To = x.To, x.From
			all = append(all, y)
		}
	}
	// The order of a map is nobody's; that of rules in the kernel is seen by people.
	slices.SortFunc(all, func(a, b LinkFault) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// weather brings all switches and senders to what the faults say. Losses are at
// the switch of the sender's site, where each of its packets comes first; who
// sends does not notice, as with a cable. Delays are on the sender.
func (f *Fleet) weather() error {
	ways := f.oneWays()
	var errs error
	for _, s := range f.Sites {
		errs = errors.Join(errs, s.filter(ways))
	}
	for _, h := range f.All() {
		errs = errors.Join(errs, f.delay(h, ways))
	}
	for _, s := range f.Sites {
		errs = errors.Join(errs, f.delay(s.Client, ways))
	}
	return errs
}

// filter replaces the rules of a site's switch in one transaction of the kernel's.
func (s *Site) filter(ways []LinkFault) error {
	var b strings.Builder
	b.WriteString("table bridge lab { }\ndelete table bridge lab\ntable bridge lab {\nchain in {\ntype filter hook prerouting priority 0;\n")
	for _, x := range ways {
		if x.Drop <= 0 || !x.From.at().Overlaps(s.net) {
			continue
		}
		some := ""
		if x.Drop < 1 {
			some = fmt.Sprintf("numgen random mod 10000 < %d ", int(x.Drop*10000))
		}
		fmt.Fprintf(&b, "ip saddr %s ip daddr %s %sdrop\n", x.From.at(), x.To.at(), some)
	}
	b.WriteString("}\n}\n")
	if s.rules == b.String() {
		return nil
	}
	cmd := exec.Command("ip", "netns", "exec", prefix+s.gate.Name, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(b.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lab: %s: nft: %w: %s", s.Name, err, bytes.TrimSpace(out))
	}
	s.rules = b.String()
	return nil
}

// Unplug takes a host's cable out of the switch: unlike with a cut, the host sees
// that its link is down.
func (f *Fleet) Unplug(h *Host) (plug func() error, err error) {
	return func() error { return h.site.gate.ip("link", "set", h.port, "up") }, h.site.gate.ip("link", "set", h.port, "down")
}

// Throttle limits what a place sends and what it receives, in bytes a second. More
// than a tenth of a second of it is dropped.
func (f *Fleet) Throttle(p Place, rate int) (heal func() error, err error) {
	type end struct {
		h   *Host
		dev string
	}
	ends := map[string]end{}
	switch p := p.(type) {
	case *Site:
		ends["out"], ends["in"] = end{p.gate, "uplink"}, end{f.wan, p.Name}
	case *Host:
		ends["out"], ends["in"] = end{p, "eth0"}, end{p.site.gate, p.port}
	default:
		return nil, fmt.Errorf("lab: %v has no link of its own", p)
	}
	tc := func(h *Host, args ...string) error {
		if out, err := exec.Command("tc", append([]string{"-n", prefix + h.Name, "qdisc"}, args...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("lab: %s: tc %v: %w: %s", h.Name, args, err, bytes.TrimSpace(out))
		}
		return nil
	}
	heal = func() (errs error) {
		for _, e := range ends {
			errs = errors.Join(errs, tc(e.h, "del", "dev", e.dev, "root"))
		}
		return errs
	}
	for _, name := range slices.Sorted(maps.Keys(ends)) {
		e := ends[name]
		if err := tc(e.h, "replace", "dev", e.dev, "root", "tbf", "rate", fmt.Sprintf("%dbps", rate), "burst", "32kb", "latency", "100ms"); err != nil {
			return heal, err
		}
	}
	return heal, nil
}
