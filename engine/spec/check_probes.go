package spec

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// preset is a set of defaults for probes.
type preset struct {
	interval, timeout time.Duration
	rise, fall        int
}

// presetOf returns the defaults of a preset for a kind of probe. The reference
// gives UDP a longer interval and time-out in its console than in its API; its
// console is followed.
func presetOf(p ProbePreset, kind ProbeKind) preset {
	if p == PresetReference {
		if kind == ProbeUDP {
			return preset{5 * time.Second, 10 * time.Second, 3, 3}
		}
		return preset{2 * time.Second, 5 * time.Second, 3, 3}
	}
	return preset{500 * time.Millisecond, 300 * time.Millisecond, 2, 2}
}

// checkProbes resolves like: a probe takes what it does not say from the one
// it names, chains included, and only then the preset's defaults.
func (c *checker) checkProbes() {
	f := c.fleet
	c.probes = register(c, "probes", f.Probes, func(p *Probe) string { return p.Name })
	index := map[string]int{}
	for i := range f.Probes {
		index[f.Probes[i].Name] = i
	}
	const visiting, done = 1, 2
	state := make([]int, len(f.Probes))
	var visit func(i int)
	visit = func(i int) {
		p, path := &f.Probes[i], fmt.Sprintf("probes[%d]", i)
		state[i] = visiting
		if p.Like != "" {
			if _, ok := known(c, path+".like", "probe", p.Like, c.probes); ok {
				switch j := index[p.Like]; state[j] {
				case visiting:
					c.bad(path+".like", fmt.Sprintf("probe %s is like itself by way of %s", p.Name, p.Like), "break the circle")
				case 0:
					visit(j)
					fallthrough
				case done:
					c.inherit(p, &f.Probes[j], path)
				}
			}
		}
		state[i] = done
		c.checkProbe(p, path)
	}
	for i := range f.Probes {
		if state[i] == 0 {
			visit(i)
		}
	}
}

// inherit copies what p does not say from q, which is resolved.
func (c *checker) inherit(p, q *Probe, path string) {
	own := *p
	*p = *q
	p.Name, p.Like = own.Name, own.Like
	said := func(key string) bool { _, ok := c.places[path+"."+key]; return ok }
	for key, take := range map[string]func(){
		"preset": func() { p.Preset = own.Preset }, "kind": func() { p.Kind = own.Kind }, "port": func() { p.Port = own.Port },
		"interval": func() { p.Interval = own.Interval }, "timeout": func() { p.Timeout = own.Timeout },
		"rise": func() { p.Rise = own.Rise }, "fall": func() { p.Fall = own.Fall }, "jitter": func() { p.Jitter = own.Jitter },
		"slow": func() { p.Slow = own.Slow }, "flap": func() { p.Flap = own.Flap }, "http": func() { p.HTTP = own.HTTP },
		"tls": func() { p.TLS = own.TLS }, "udp": func() { p.UDP = own.UDP }, "exec": func() { p.Exec = own.Exec },
	} {
		if said(key) {
			take()
		} else if at, ok := c.places[path+".name"]; ok {
			// What was inherited counts as said, so that presets leave it alone; an
			// error in it points at the probe that inherits.
			c.places[path+"."+key] = at
			if key == "flap" {
				for _, inner := range []string{".count", ".window", ".hold", ".hold_max"} {
					c.places[path+".flap"+inner] = at
				}
			}
			if key == "tls" && q.TLS != nil {
				c.places[path+".tls.expiry_warn"] = at
			}
		}
	}
}

func (c *checker) checkProbe(p *Probe, path string) {
	if p.Preset == "" {
		p.Preset = PresetHoldfast
	}
	if p.Kind == "" {
		p.Kind = ProbeTCP
	}
	def := presetOf(p.Preset, p.Kind)
	c.span(path+".interval", &p.Interval, 50*time.Millisecond, 300*time.Second, def.interval)
	c.span(path+".timeout", &p.Timeout, 10*time.Millisecond, 300*time.Second, def.timeout)
	c.span(path+".slow", &p.Slow, time.Millisecond, 300*time.Second, p.Timeout.D()/2)
	c.count(path+".rise", &p.Rise, 1, 10, def.rise)
	c.count(path+".fall", &p.Fall, 1, 10, def.fall)
	c.within(path+".port", p.Port, 0, 65535)
	c.share(path+".jitter", &p.Jitter, 10)
	if p.Jitter > 50 {
		c.bad(path+".jitter", p.Jitter.String()+" is out of range", "expected 0% to 50%")
	}
	c.checkFlap(&p.Flap, path+".flap")
	for _, part := range []struct {
		key   string
		there bool
		of    []ProbeKind
	}{
		{"http", p.HTTP != nil, []ProbeKind{ProbeHTTP, ProbeHTTPS}},
		{"tls", p.TLS != nil, []ProbeKind{ProbeHTTPS}},
		{"udp", p.UDP != nil, []ProbeKind{ProbeUDP}},
		{"exec", p.Exec != nil, []ProbeKind{ProbeExec}},
	} {
		if part.there && !slices.Contains(part.of, p.Kind) {
			c.bad(path+"."+part.key, fmt.Sprintf("%s probes have no %s settings", p.Kind, part.key), "")
		}
	}
	switch p.Kind {
	case ProbeHTTP, ProbeHTTPS:
		c.checkHTTP(p, path)
	case ProbeUDP:
		if p.UDP == nil {
			p.UDP = &UDPCheck{}
		}
		if len(p.UDP.Request) > 1024 || len(p.UDP.Expect) > 1024 {
			c.bad(path+".udp", "request or expect is too long", "at most 1024 bytes each")
		}
	case ProbeExec:
		if p.Exec == nil || len(p.Exec.Command) == 0 || p.Exec.Command[0] == "" {
			c.bad(path+".exec", "there is no command", "expected exec: {command: [PROGRAM, ARGUMENT, …]}")
		}
	case ProbeTCP, ProbeICMP:
	}
}

func (c *checker) checkFlap(f *Flap, path string) {
	c.count(path+".count", &f.Count, 1, 100, 3)
	c.span(path+".window", &f.Window, time.Second, time.Hour, time.Minute)
	c.span(path+".hold", &f.Hold, 100*time.Millisecond, time.Hour, 5*time.Second)
	c.span(path+".hold_max", &f.HoldMax, 100*time.Millisecond, 24*time.Hour, max(time.Minute, f.Hold.D()))
	if f.HoldMax < f.Hold {
		c.bad(path+".hold_max", fmt.Sprintf("%s is less than hold (%s)", f.HoldMax, f.Hold), "")
	}
}

func (c *checker) checkHTTP(p *Probe, path string) {
	h := HTTPCheck{}
	if p.HTTP != nil {
		h = *p.HTTP // its own copy: two probes may share one by like
	}
	if h.Method == "" {
		h.Method = "GET"
	}
	if !slices.Contains([]string{"GET", "HEAD", "OPTIONS", "POST"}, h.Method) {
		c.bad(path+".http.method", quote(h.Method)+" is no method for probes", "expected GET, HEAD, OPTIONS or POST")
	}
	if h.Path == "" {
		h.Path = "/"
	}
	c.path(path+".http.path", h.Path)
	if len(h.Status) == 0 {
		h.Status = []string{"200-299"}
	}
	for i, s := range h.Status {
		if _, _, err := StatusRange(s); err != nil {
			c.bad(fmt.Sprintf("%s.http.status[%d]", path, i), err.Error(), "expected 200, 200-299 or http_2xx")
		}
	}
	if len(h.Host) > 253 || strings.ContainsFunc(h.Host, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' }) {
		c.bad(path+".http.host", quote(h.Host)+" is no host name", "")
	}
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) { // in one order, so that errors are too
		value := h.Headers[name]
		if instead, taken := ownHeaders[strings.ToLower(name)]; taken {
			c.bad(path+".http.headers."+name, "the probe writes "+quote(name)+" itself", instead)
		} else if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) || strings.ContainsAny(value, "\r\n") {
			c.bad(path+".http.headers", quote(name)+" is no header", "")
		}
	}
	if len(h.Body) > 4096 {
		c.bad(path+".http.body", "the text is too long", "at most 4096 bytes")
	}
	p.HTTP = &h
	if p.Kind == ProbeHTTPS {
		t := TLSCheck{}
		if p.TLS != nil {
			t = *p.TLS
		}
		// 0 that somebody wrote warns of nothing.
		c.span(path+".tls.expiry_warn", &t.ExpiryWarn, 0, 10*365*24*time.Hour, 7*24*time.Hour)
		p.TLS = &t
	}
}

// ownHeaders are those that a probe writes itself, in lower case, and where to
// say what they would say.
var ownHeaders = map[string]string{
	"host": "use host", "connection": "leave it out", "content-length": "leave it out", "transfer-encoding": "leave it out",
}

// StatusRange reads 200, 200-299, or the reference's http_2xx, as the first
// and the last status it means.
func StatusRange(s string) (first, last int, err error) {
	if len(s) == len("http_2xx") && strings.HasPrefix(s, "http_") && strings.HasSuffix(s, "xx") && s[5] >= '1' && s[5] <= '5' {
		first = int(s[5]-'0') * 100
		return first, first + 99, nil
	}
	low, high, ranged := strings.Cut(s, "-")
	if !ranged {
		high = low
	}
	first, err1 := strconv.Atoi(low)
	last, err2 := strconv.Atoi(high)
	if err1 != nil || err2 != nil || len(low) != 3 || len(high) != 3 || first < 100 || last > 599 || first > last {
		return 0, 0, fmt.Errorf("%s is no status or range", quote(s))
	}
	return first, last, nil
}
