package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
)

// Site is a place: its hosts and a client on one switch, and an uplink to all
// other sites.
type Site struct {
	Name   string
	Hosts  []*Host
	Client *Host

	number int
	net    netip.Prefix
	gate   *Host  // the switch, with the uplink
	rules  string // of the switch, in force
}

// Fleet is sites joined by a wide area network. Every host has a namespace of its
// own, every site one for its switch, and the network between them one more.
type Fleet struct {
	*Network
	Sites []*Site

	wan *Host

	mu     sync.Mutex          // of the faults
	faults map[*LinkFault]bool // in force
	slow   map[*Host]*slowness
}

// A Place is a host or a site, as the end of a link.
type Place interface {
	fmt.Stringer
	at() netip.Prefix
	hosts() []*Host // that send from there
}

// NewFleet builds so many sites of so many hosts each. dir holds their files. Host
// 2 of site 1 is called s1-2 and has the address 10.61.0.12.
func NewFleet(dir string, sites, hosts int) (*Fleet, error) {
	n, err := New(dir)
	if err != nil {
		return nil, err
	}
	f := &Fleet{Network: n, faults: map[*LinkFault]bool{}, slow: map[*Host]*slowness{}}
	if f.wan, err = n.Host("wan"); err != nil {
		return nil, err
	}
	for i := range sites {
		s := &Site{Name: fmt.Sprintf("s%d", i+1), number: i + 1}
		s.net = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(60 + s.number), 0, 0}), 24)
		if err := f.build(s, hosts); err != nil {
			_ = n.Close()
			return nil, err
		}
		f.Sites = append(f.Sites, s)
	}
	return f, nil
}

// clientNumber is the last number of a client's address; hosts begin at hostNumber.
const (
	gateNumber   = 1
	hostNumber   = 11
	clientNumber = 100
)

func (s *Site) address(last int) netip.Addr {
	a := s.net.Addr().As4()
	a[3] = byte(last)
	return netip.AddrFrom4(a)
}

// build makes a site's namespaces and links.
func (f *Fleet) build(s *Site, hosts int) (err error) {
	if s.gate, err = f.Host(s.Name); err != nil {
		return err
	}
	gate := s.address(gateNumber)
	if err := s.gate.batch(
		"link add br0 type bridge",
		"link set br0 up",
		fmt.Sprintf("addr add %s/24 dev br0", gate),
		// The uplink is a network of two: .1 the site, .2 the wide area.
		fmt.Sprintf("link add uplink type veth peer name %s netns %s", s.Name, prefix+f.wan.Name),
		fmt.Sprintf("addr add 10.60.%d.1/24 dev uplink", s.number),
		"link set uplink up",
		fmt.Sprintf("route add default via 10.60.%d.2", s.number),
	); err != nil {
		return err
	}
	if err := f.wan.batch(
		fmt.Sprintf("addr add 10.60.%d.2/24 dev %s", s.number, s.Name),
		fmt.Sprintf("link set %s up", s.Name),
		fmt.Sprintf("route add %s via 10.60.%d.1", s.net, s.number),
	); err != nil {
		return err
	}
	for i := range hosts + 1 {
		name, last := fmt.Sprintf("%s-%d", s.Name, i+1), hostNumber+i
		if i == hosts {
			name, last = s.Name+"-client", clientNumber
		}
		h, err := f.Host(name)
		if err != nil {
			return err
		}
		h.Address, h.port = s.address(last), fmt.Sprintf("p%d", last)
		if err := s.gate.batch(
			fmt.Sprintf("link add %s type veth peer name eth0 netns %s", h.port, prefix+h.Name),
			fmt.Sprintf("link set %s master br0", h.port),
			fmt.Sprintf("link set %s up", h.port),
		); err != nil {
			return err
		}
		if err := h.batch(
			fmt.Sprintf("addr add %s/24 dev eth0", h.Address),
			"link set eth0 up",
			fmt.Sprintf("route add default via %s", gate),
		); err != nil {
			return err
		}
		h.site = s
		if i == hosts {
			s.Client = h
		} else {
			s.Hosts = append(s.Hosts, h)
		}
	}
	return nil
}

// All are the hosts of all sites, without the clients.
func (f *Fleet) All() (all []*Host) {
	for _, s := range f.Sites {
		all = append(all, s.Hosts...)
	}
	return all
}

// String is the site's name.
func (s *Site) String() string   { return s.Name }
func (s *Site) at() netip.Prefix { return s.net }
func (s *Site) hosts() []*Host   { return append([]*Host{s.Client}, s.Hosts...) }

// String is the host's name.
func (h *Host) String() string   { return h.Name }
func (h *Host) at() netip.Prefix { return netip.PrefixFrom(h.Address, 32) }
func (h *Host) hosts() []*Host   { return []*Host{h} }

// Site is where a host of a Fleet stands; nil for others.
func (h *Host) Site() *Site { return h.site }

// Close ends everything that runs in the fleet and removes it.
func (f *Fleet) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs error
	for _, s := range f.slow {
		errs = errors.Join(errs, s.close())
	}
	clear(f.slow)
	return errors.Join(f.Network.Close(), errs)
}
