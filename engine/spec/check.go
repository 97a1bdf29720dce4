package spec

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// checker fills in defaults and refuses what does not fit together. It is the
// only one that does: everything behind Parse takes a Fleet as it is.
type checker struct {
	*decoder
	fleet *Fleet

	sites     map[string]*Site
	hosts     map[string]*Host
	hostSite  map[string]string
	probes    map[string]*Probe
	pools     map[string]*Pool
	listeners map[string]*Listener
	backends  map[string]*Backend
	clients   map[string]*Clients
	drills    map[string]*Drill
	bound     map[string]string // transport/address:port to the path that took it
}

func (c *checker) resolve() {
	f := c.fleet
	c.name("fleet", f.Name)
	if f.Title == "" {
		f.Title = f.Name
	}
	c.bound = map[string]string{}
	c.checkSites()
	c.checkProbes()
	c.checkPools()
	c.checkListeners()
	if len(c.errs) == c.strays { // an address that is taken twice makes a circle too, and says it better
		c.checkCircles()
	}
	c.checkClients()
	c.checkDrills()
}

// bad records an error at the place of a path.
func (c *checker) bad(path, text, want string) { c.fail(c.at(path), path, text, want) }

// name checks a name's form.
func (c *checker) name(path, name string) {
	if name == "" {
		c.bad(path, "a name is missing", "expected lower-case letters, digits and hyphens")
		return
	}
	if err := id.CheckName(name); err != nil {
		c.bad(path, err.Error()[len("id: "):], "")
	}
}

// register checks a list's names and returns them by name.
func register[T any](c *checker, list string, all []T, name func(*T) string) map[string]*T {
	byName := make(map[string]*T, len(all))
	first := make(map[string]string, len(all))
	for i := range all {
		path := fmt.Sprintf("%s[%d].name", list, i)
		n := name(&all[i])
		c.name(path, n)
		if before, twice := first[n]; twice && n != "" {
			c.bad(path, fmt.Sprintf("the name %s is taken", quote(n)), fmt.Sprintf("the first one is in line %d; names of a kind are unique", c.at(before).line))
			continue
		}
		first[n] = path
		byName[n] = &all[i]
	}
	return byName
}

// known checks that a reference leads somewhere.
func known[T any](c *checker, path, kind, name string, all map[string]*T) (*T, bool) {
	x, ok := all[name]
	if ok {
		return x, true
	}
	names := make([]string, 0, len(all))
	for n := range all {
		names = append(names, n)
	}
	// The map's order must not show: nearest takes the first of equals.
	sortStrings(names)
	if name == "" {
		c.bad(path, "no "+kind+" is named", "expected the name of a "+kind)
	} else {
		c.bad(path, fmt.Sprintf("there is no %s %s%s", kind, quote(name), nearest(name, names)), "")
	}
	return nil, false
}

// within checks a whole number's range.
func (c *checker) within(path string, n, low, high int) {
	if n < low || n > high {
		c.bad(path, fmt.Sprintf("%d is out of range", n), fmt.Sprintf("expected %d to %d", low, high))
	}
}

// count checks a whole number's range, and sets the default when it was not
// said: a 0 that somebody wrote is not a number that nobody did.
func (c *checker) count(path string, n *int, low, high, def int) {
	if _, said := c.places[path]; !said {
		*n = def
		return
	}
	c.within(path, *n, low, high)
}

// span checks a length of time, and sets the default when it was not said.
func (c *checker) span(path string, d *Duration, low, high, def time.Duration) {
	if _, said := c.places[path]; !said {
		*d = Duration(def)
		return
	}
	if d.D() < low || d.D() > high {
		c.bad(path, fmt.Sprintf("%s is out of range", d), fmt.Sprintf("expected %s to %s", low, high))
	}
}

// share sets a percentage's default when it was not said. Parsing has checked
// its range.
func (c *checker) share(path string, p *Percent, def Percent) {
	if _, said := c.places[path]; !said {
		*p = def
	}
}

// address checks an IP address without a zone.
func (c *checker) address(path, s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		c.bad(path, quote(s)+" is no IP address", "expected one such as 10.0.0.1 or 2001:db8::1")
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// take claims an address:port of a transport. The wildcard address overlaps
// with every other of the same port.
func (c *checker) take(path, transport string, addr string, port int) {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return
	}
	clash := func(key string) bool {
		other, ok := c.bound[key]
		if ok && other != path { // two hosts of one address were refused already
			c.bad(path, fmt.Sprintf("%s port %d of %s is taken", transport, port, addr), fmt.Sprintf("%s has it, line %d", other, c.at(other).line))
		}
		return ok
	}
	key := fmt.Sprintf("%s/%s/%d", transport, a.Unmap(), port)
	wild := fmt.Sprintf("%s/*/%d", transport, port)
	any := fmt.Sprintf("%s/any/%d", transport, port)
	if a.IsUnspecified() {
		if !clash(wild) {
			clash(any)
		}
		c.bound[wild] = path
	} else if !clash(key) {
		clash(wild)
	}
	c.bound[key], c.bound[any] = path, path
}

func (p Protocol) transport() string {
	if p == UDP {
		return "udp"
	}
	return "tcp"
}
