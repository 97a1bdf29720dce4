package fleet

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// drawPlaces draws hosts, sites and the fleet's own state.
func (f *Fleet) drawPlaces(now instant.Instant, s *api.Status) {
	s.Hosts, s.Sites = []api.Host{}, []api.Site{}
	s.State = api.StateOK
	for i := range f.spec.Sites {
		site := &f.spec.Sites[i]
		counts := api.Counts{Hosts: len(site.Hosts)}
		state, reason, by, silent, gone := api.StateOK, "all is well", id.Ref{}, 0, 0
		worse := func(to api.State, ref id.Ref, why string) {
			if to.Severity() > state.Severity() {
				state, reason, by = to, string(ref.Kind)+" "+ref.Name+": "+why, ref
			}
		}
		for _, h := range site.Hosts {
			one := f.drawHost(now, site.Name, h.Name, h.Address)
			s.Hosts = append(s.Hosts, one)
			switch one.State {
			case api.StateOK:
				counts.HostsUp++
			case api.StateUnknown, api.StateDown:
				if one.State == api.StateDown {
					gone++
				} else {
					silent++
				}
				fallthrough
			case api.StateDegraded:
				worse(softened(one.State), id.To(id.KindHost, h.Name), one.Reason)
			}
		}
		down := 0
		for j := range s.Pools {
			p := &s.Pools[j]
			if p.Site != site.Name {
				continue
			}
			counts.Pools++
			counts.Backends += p.Backends
			counts.BackendsUp += p.Up
			switch p.State {
			case api.StateOK:
				counts.PoolsUp++
			case api.StateDown:
				down++
				worse(api.StateDegraded, id.To(id.KindPool, p.Name), p.Reason)
			case api.StateDegraded, api.StateUnknown:
				worse(softened(p.State), id.To(id.KindPool, p.Name), p.Reason)
			}
		}
		for j := range s.Listeners {
			if l := &s.Listeners[j]; l.Site == site.Name && l.State != api.StateOK {
				worse(softened(l.State), id.To(id.KindListener, l.Name), l.Reason)
			}
		}
		word := f.wordOfSite(s.Hosts[len(s.Hosts)-len(site.Hosts):])
		switch {
		case word == wordCut:
			state, reason = api.StateUnknown, "cut off: its hosts live, and do not reach "+f.options.Host
			if a := f.agents[site.Hosts[0].Name]; a != nil && a.deaf {
				reason = "cut off: " + f.options.Host + " is itself cut off, and does not know whether its hosts live"
			}
			if l, ok := s.Link(api.LinkName(site.Name, f.site())); ok && l.Via != "" {
				reason += "; heard by way of " + l.Via
			}
		case word == wordDead:
			state, reason = api.StateDown, "dead: nobody hears any of its hosts"
		case word == wordStopped:
			state, reason = api.StateDown, "stopped: no agent of its hosts runs"
		case gone == len(site.Hosts) && gone > 0:
			state, reason = api.StateDown, "none of its hosts serves: "+reason
		case silent == len(site.Hosts) && silent > 0:
			state, reason = api.StateUnknown, "all of its hosts are silent: "+reason
		case silent+gone == len(site.Hosts) && silent > 0:
			state, reason = api.StateUnknown, "none of its hosts is heard of: "+reason
		case counts.Pools > 0 && down == counts.Pools:
			state, reason = api.StateDown, fmt.Sprintf("none of its %d pools serves", down)
		}
		ref := id.To(id.KindSite, site.Name)
		out := api.Site{Name: site.Name, Title: site.Title, Counts: counts}
		if se, ok := f.series[ref]; ok {
			out.Traffic, out.Trend = se.traffic(), se.trend()
		}
		st := f.stand(now, ref, state, reason)
		st.word = word
		if !by.IsZero() {
			st.by = by // and what made it worse is what its recovery follows from
		}
		out.State, out.Since, out.Reason = st.state, f.options.Origin.Wall(st.since), st.reason
		s.Sites = append(s.Sites, out)
		s.State = api.Worst(s.State, st.state)
	}
	slices.SortFunc(s.Sites, func(a, b api.Site) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Hosts, func(a, b api.Host) int { return cmp.Compare(a.Name, b.Name) })
}

// softened is what a part's state makes of the whole: one that is down leaves it
// degraded, and so does one that nobody knows anything of.
func softened(s api.State) api.State {
	if s == api.StateOK {
		return api.StateOK
	}
	return api.StateDegraded
}

func (f *Fleet) drawHost(now instant.Instant, site, name, address string) api.Host {
	ref := id.To(id.KindHost, name)
	out := api.Host{Name: name, Site: site, Address: address}
	state, reason := api.StateUnknown, "has not reported yet"
	if m := f.hosts[name]; m != nil && m.heard {
		out.AsOf, out.Dropped = f.options.Origin.Wall(m.at), m.report.Dropped
		state, reason = api.StateOK, "serves "+count(len(m.report.Bindings), "listener")
		for _, b := range m.report.Bindings {
			if !b.Bound {
				state, reason = api.StateDegraded, "listener "+b.Listener+": "+b.Reason
			}
		}
		if age := now.Sub(m.at); age > staleAfter {
			state, reason = api.StateUnknown, "stale: its last report is old"
		}
	}
	if se, ok := f.series[ref]; ok {
		out.Traffic, out.Trend = se.traffic(), se.trend()
	}
	state, reason, word := f.drawAgent(now, &out, state, reason)
	st := f.stand(now, ref, state, reason)
	st.word = word
	out.State, out.Since, out.Reason = st.state, f.options.Origin.Wall(st.since), st.reason
	return out
}

// clientsBad is the share of failed requests, in percent of ten seconds, from
// which users count as not served.
const clientsBad = 50

func (f *Fleet) drawClients(now instant.Instant, s *api.Status) {
	for i := range f.spec.Clients {
		c := &f.spec.Clients[i]
		ref := id.To(id.KindClients, c.Name)
		out := api.Clients{Name: c.Name, Listener: c.Listener, Site: c.From}
		state, reason := api.StateUnknown, "has sent nothing yet"
		if se, ok := f.series[ref]; ok {
			out.Traffic, out.Trend = se.traffic(), se.trend()
			switch {
			case out.Traffic.Requests > 0:
				state, reason = api.StateOK, "all requests are answered"
			case se.totals.Requests > 0 && f.begun[c.Name] && se.count >= rateSeconds:
				reason = "nothing was heard of them for ten seconds"
			case se.totals.Requests > 0:
				state, reason = api.StateOK, "requests are on their way"
			}
			switch {
			case out.Traffic.ErrorsPct >= clientsBad:
				state = api.StateDown
			case out.Traffic.Errors > 0:
				state = api.StateDegraded
			}
		}
		if known := f.clients[c.Name]; known != nil && known.lastError != "" {
			out.LastError, out.LastErrorAt = known.lastError, f.options.Origin.Wall(known.errorAt)
			if state == api.StateDegraded || state == api.StateDown {
				reason = fmt.Sprintf("%.1f %% of requests fail: %s", out.Traffic.ErrorsPct, known.lastError)
			}
		}
		st := f.stand(now, ref, state, reason)
		if l := f.spec.Listener(c.Listener); l != nil {
			st.by = id.To(id.KindPool, l.Pool)
		}
		out.State, out.Since, out.Reason = st.state, f.options.Origin.Wall(st.since), st.reason
		s.Clients = append(s.Clients, out)
	}
	slices.SortFunc(s.Clients, func(a, b api.Clients) int { return cmp.Compare(a.Name, b.Name) })
}

// answeredBy is after how many times that a revert was asked for somebody should
// look.
const answeredBy = 2

func (f *Fleet) drawFault(x *fault) api.Fault {
	out := api.Fault{
		ID: x.order.ID, Kind: x.order.Kind, Target: x.order.Target, Since: f.options.Origin.Wall(x.since), Until: f.options.Origin.Wall(x.until),
		By: x.by, Delay: x.order.Delay, State: api.StateUnknown, Reason: "is being injected",
	}
	switch {
	case x.reason != "":
		out.State, out.Reason = api.StateDown, x.reason
	case x.revert && x.tries > answeredBy:
		out.State, out.Reason = api.StateDown, fmt.Sprintf("its revert was asked for %d times, and nobody answers", x.tries)
	case x.revert:
		out.State, out.Reason = api.StateOK, "is being reverted"
	case x.done:
		out.State, out.Reason = api.StateDegraded, "is in force"
	}
	return out
}

// count says how many of a thing there are.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
