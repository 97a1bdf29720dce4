package load

import (
	"flag"
	"fmt"
	"strings"
	"time"
)

// Member is how a host of a store is started: the same words for every store.
type Member struct {
	Name  string
	Dir   string            // of its data
	Certs string            // of the certificates of all
	At    map[string]string // host to IP address; each has PortClients and PortHosts
	// Heartbeat and Election are the group's times; 0: the store's defaults.
	Heartbeat, Election time.Duration
}

// Ports of a host.
const (
	PortClients = 7420
	PortHosts   = 7421
)

// Leads is the line that a host prints when it begins to lead.
const Leads = "leads"

// Args are the arguments that say it.
func (m Member) Args(verb string) []string {
	var at []string
	for host, address := range m.At {
		at = append(at, host+"="+address)
	}
	return []string{
		verb, "-name", m.Name, "-dir", m.Dir, "-certs", m.Certs, "-at", strings.Join(at, ","),
		"-heartbeat", m.Heartbeat.String(), "-election", m.Election.String(),
	}
}

// ParseMember reads arguments.
func ParseMember(args []string) (Member, error) {
	var m Member
	var at string
	f := flag.NewFlagSet("member", flag.ContinueOnError)
	f.StringVar(&m.Name, "name", "", "of the host")
	f.StringVar(&m.Dir, "dir", "", "of its data")
	f.StringVar(&m.Certs, "certs", "", "directory of the certificates")
	f.StringVar(&at, "at", "", "host=address, with commas")
	f.DurationVar(&m.Heartbeat, "heartbeat", 0, "of a leader")
	f.DurationVar(&m.Election, "election", 0, "silence before one")
	if err := f.Parse(args); err != nil {
		return m, err
	}
	m.At = map[string]string{}
	for pair := range strings.SplitSeq(at, ",") {
		host, address, ok := strings.Cut(pair, "=")
		if !ok {
			return m, fmt.Errorf("load: %q is no host=address", pair)
		}
		m.At[host] = address
	}
	return m, nil
}
