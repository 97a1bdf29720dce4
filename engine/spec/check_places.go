package spec

import (
	"fmt"
	"slices"
	"sort"
)

func sortStrings(s []string) { sort.Strings(s) }

// sitesMax is how many sites there are: each has a second octet of its own in the
// loopback plan.
const sitesMax = 200

func (c *checker) checkSites() {
	f := c.fleet
	if len(f.Sites) == 0 {
		c.bad("sites", "there is no site", "expected at least one with one host")
	}
	if len(f.Sites) > sitesMax {
		c.bad("sites", fmt.Sprintf("%d sites", len(f.Sites)), fmt.Sprintf("at most %d are supported", sitesMax))
		return
	}
	c.sites = register(c, "sites", f.Sites, func(s *Site) string { return s.Name })
	c.hosts, c.hostSite = map[string]*Host{}, map[string]string{}
	addresses := map[string]string{}
	total, serving := 0, false
	for s := range f.Sites {
		site := &f.Sites[s]
		if site.Title == "" {
			site.Title = site.Name
		}
		path := fmt.Sprintf("sites[%d].hosts", s)
		switch {
		case len(site.Hosts) == 0:
			c.bad(path, "the site has no host", "expected at least one")
		case len(site.Hosts) > HostsMax:
			c.bad(path, fmt.Sprintf("%d hosts", len(site.Hosts)), fmt.Sprintf("at most %d in a site are supported; make two sites of it", HostsMax))
		}
		total, serving = total+len(site.Hosts), serving || !site.Witness
		for h := range site.Hosts {
			host := &site.Hosts[h]
			at := fmt.Sprintf("%s[%d]", path, h)
			c.name(at+".name", host.Name)
			if other, twice := c.hosts[host.Name]; twice && other != nil {
				c.bad(at+".name", fmt.Sprintf("the name %s is taken", quote(host.Name)), "host names are unique in the fleet")
			}
			c.hosts[host.Name], c.hostSite[host.Name] = host, site.Name
			if host.Address == "" {
				host.Address = fmt.Sprintf("127.%d.0.%d", 10+s+1, h+1)
			} else if a, ok := c.address(at+".address", host.Address); ok {
				if a.IsUnspecified() || a.IsMulticast() {
					c.bad(at+".address", host.Address+" is no host's address", "expected the address the host serves from")
				}
				host.Address = a.String()
			}
			if other, twice := addresses[host.Address]; twice {
				c.bad(at+".address", "the address "+host.Address+" is taken", other+" has it")
			}
			addresses[host.Address] = "host " + host.Name
		}
	}
	if total > FleetHostsMax {
		c.bad("sites", fmt.Sprintf("%d hosts", total), fmt.Sprintf("at most %d in a fleet are supported; make two fleets of it", FleetHostsMax))
	}
	if len(f.Sites) > 0 && !serving {
		c.bad("sites[0].witness", "every site is a witness", "expected at least one that keeps the data and serves")
	}
}

// serves refuses what would run in a witness site.
func (c *checker) serves(path, what, site string) {
	if s := c.sites[site]; s != nil && s.Witness {
		c.bad(path, fmt.Sprintf("site %s is a witness", site), "its hosts only vote: put the "+what+" elsewhere, or take witness from the site")
	}
}

func (c *checker) checkListeners() {
	f := c.fleet
	c.listeners = register(c, "listeners", f.Listeners, func(l *Listener) string { return l.Name })
	for i := range f.Listeners {
		c.checkListener(&f.Listeners[i], fmt.Sprintf("listeners[%d]", i))
	}
}

func (c *checker) checkListener(l *Listener, path string) {
	site, ok := known(c, path+".site", "site", l.Site, c.sites)
	c.serves(path+".site", "listener", l.Site)
	if l.Protocol == "" {
		c.bad(path+".protocol", "the protocol is missing", "expected one of tcp, udp, http, https, tls-passthrough")
	}
	c.within(path+".port", l.Port, 1, 65535)
	if l.Protocol == UDP && (l.Port == 250 || l.Port == 4789 || l.Port == 4790) {
		c.bad(path+".port", fmt.Sprintf("UDP port %d is reserved", l.Port), "250, 4789 and 4790 cannot be used")
	}
	if ok {
		c.listenerHosts(l, site, path)
	}
	if l.Pool != "" || l.Redirect == nil {
		c.poolOf(path+".pool", l.Pool, l.Site, l.Protocol == HTTP || l.Protocol == HTTPS)
	}
	c.listenerTLS(l, path)
	c.listenerHTTP(l, path)
	for i, p := range l.TrustFrom {
		if prefix, ok := parsePrefix(p); ok {
			l.TrustFrom[i] = prefix
		} else {
			c.bad(fmt.Sprintf("%s.trust_from[%d]", path, i), quote(p)+" is no prefix", "expected one such as 10.0.0.0/8")
		}
	}
	if l.Proxy == "" {
		l.Proxy = ProxyOff
	}
	if l.Proxy != ProxyOff && l.Protocol == UDP {
		c.bad(path+".proxy_protocol", "the PROXY protocol is not spoken over UDP", "leave it out")
	}
	c.within(path+".flows_max", l.FlowsMax, 0, 1<<20)
	established := Duration(DefaultEstablished)
	if l.Protocol == UDP {
		established = Duration(DefaultEstablishedUDP)
	}
	c.span(path+".established", &l.Established, 10e9, 900e9, established.D())
}

// listenerHosts fills in the hosts and claims their addresses.
func (c *checker) listenerHosts(l *Listener, site *Site, path string) {
	if len(l.Hosts) == 0 {
		for _, h := range site.Hosts {
			l.Hosts = append(l.Hosts, h.Name)
		}
	}
	if l.Address != "" {
		if a, ok := c.address(path+".address", l.Address); ok {
			if a.IsMulticast() {
				c.bad(path+".address", l.Address+" cannot be listened on", "expected an address of a host, or one that moves between hosts")
			}
			l.Address = a.String()
			c.take(path+".address", l.Protocol.transport(), l.Address, l.Port)
		}
	}
	for i, name := range l.Hosts {
		at := fmt.Sprintf("%s.hosts[%d]", path, i)
		host, ok := known(c, at, "host", name, c.hosts)
		if !ok {
			continue
		}
		if c.hostSite[name] != site.Name {
			c.bad(at, fmt.Sprintf("host %s is in site %s", name, c.hostSite[name]), "expected a host of site "+site.Name)
		}
		if slices.Index(l.Hosts, name) != i {
			c.bad(at, fmt.Sprintf("host %s stands twice", name), "")
			continue
		}
		if l.Address == "" {
			c.take(path+".port", l.Protocol.transport(), host.Address, l.Port)
		}
	}
}

// poolOf checks that a listener's pool exists, is of its site, and asks for
// nothing that the listener cannot do.
func (c *checker) poolOf(path, name, site string, web bool) {
	pool, ok := known(c, path, "pool", name, c.pools)
	if ok && pool.Site != site {
		c.bad(path, fmt.Sprintf("pool %s is in site %s", name, pool.Site), "expected a pool of site "+site)
	}
	if ok && !web && (pool.Persistence.Kind == CookieInsert || pool.Persistence.Kind == CookieRewrite) {
		c.bad(path, fmt.Sprintf("pool %s keeps its clients by a cookie", name), "expected persistence by source: only http and https see cookies")
	}
}

func (c *checker) listenerTLS(l *Listener, path string) {
	switch l.Protocol {
	case HTTPS:
		if l.TLS == nil {
			c.bad(path+".tls", "an https listener has no certificate", "expected tls: {certificates: [{chain: FILE, key: FILE}]}")
		}
	case TCP:
	case HTTP, UDP, TLSPassthrough:
		if l.TLS != nil {
			c.bad(path+".tls", fmt.Sprintf("%s listeners terminate no TLS", l.Protocol), "use https or tcp")
		}
	}
	if l.Protocol != TLSPassthrough && len(l.SNI) > 0 {
		c.bad(path+".sni", fmt.Sprintf("%s listeners do not route by server name", l.Protocol), "use tls-passthrough")
	}
	for i, r := range l.SNI {
		at := fmt.Sprintf("%s.sni[%d]", path, i)
		if !serverName(r.Name) {
			c.bad(at+".name", quote(r.Name)+" is no server name", "expected one such as shop.example.net or *.example.net")
		}
		c.poolOf(at+".pool", r.Pool, l.Site, false)
	}
	if l.TLS == nil {
		return
	}
	at := path + ".tls"
	if len(l.TLS.Certificates) == 0 {
		c.bad(at+".certificates", "there is no certificate", "expected at least one {chain: FILE, key: FILE}")
	}
	for i, cert := range l.TLS.Certificates {
		if cert.Chain == "" || cert.Key == "" {
			c.bad(fmt.Sprintf("%s.certificates[%d]", at, i), "chain or key is missing", "expected the names of two PEM files")
		}
	}
	if l.TLS.MinVersion == "" {
		l.TLS.MinVersion = "1.2"
	}
	if l.TLS.MinVersion != "1.2" && l.TLS.MinVersion != "1.3" {
		c.bad(at+".min_version", "found "+quote(l.TLS.MinVersion), `expected "1.2" or "1.3"`)
	}
	if l.TLS.ALPN == nil && l.Protocol == HTTPS {
		l.TLS.ALPN = []string{"h2", "http/1.1"}
	}
}

func (c *checker) listenerHTTP(l *Listener, path string) {
	web := l.Protocol == HTTP || l.Protocol == HTTPS
	if r := l.Redirect; r != nil {
		if l.Protocol != HTTP {
			c.bad(path+".redirect", fmt.Sprintf("%s listeners cannot redirect", l.Protocol), "use http")
		}
		c.count(path+".redirect.port", &r.Port, 1, 65535, 443)
		if _, said := c.places[path+".redirect.code"]; !said {
			r.Code = 308
		}
		if !slices.Contains([]int{301, 302, 303, 307, 308}, r.Code) {
			c.bad(path+".redirect.code", fmt.Sprintf("%d is no redirect", r.Code), "expected 301, 302, 303, 307 or 308")
		}
	}
	for _, key := range []string{"idle", "request", "header", "header_max", "x_forwarded", "redirect"} {
		if _, said := c.places[path+"."+key]; said && !web {
			c.bad(path+"."+key, fmt.Sprintf("%s listeners have no %s", l.Protocol, key), "it belongs to http and https")
		}
	}
	c.span(path+".idle", &l.Idle, 1e9, 60e9, DefaultIdle)
	c.span(path+".request", &l.Request, 1e9, 180e9, DefaultRequest)
	c.span(path+".header", &l.Header, 1e9, 60e9, DefaultHeader)
	if _, said := c.places[path+".header_max"]; !said {
		l.HeaderMax = DefaultHeaderMax
	} else if l.HeaderMax < 1<<10 || l.HeaderMax > 1<<20 {
		c.bad(path+".header_max", l.HeaderMax.String()+" is out of range", "expected 1KiB to 1MiB")
	}
	if l.XForwarded == nil {
		yes := true
		l.XForwarded = &yes
	}
}
