package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// drawProblems lists what needs a person. A backend's trouble is told once, as
// its pool's, and a pool's is not told again as its site's.
func (f *Fleet) drawProblems(s *api.Status) {
	add := func(ref id.Ref, site string, text, effect string) {
		st := f.standing(ref)
		s.Problems = append(s.Problems, api.Problem{
			Subject: ref, Site: site, State: st.state, Since: f.options.Origin.Wall(st.since), Text: text, Effect: effect, Cause: cmp.Or(st.cause, st.saidIn),
		})
	}
	for i := range s.Backends {
		b := &s.Backends[i]
		if b.State == api.StateOK || b.State == api.StateUnknown || b.Phase == api.PhaseRising {
			continue
		}
		effect := ""
		if p, ok := s.Pool(b.Pool); ok {
			effect = fmt.Sprintf("%d of %d serve", p.Up, p.Backends)
			if p.State != api.StateDown && !b.Serves() {
				effect += ", share moved"
			}
		}
		add(id.To(id.KindBackend, b.Name), b.Site, b.Reason, effect)
	}
	for i := range s.Pools {
		if p := &s.Pools[i]; p.State == api.StateDown || p.Panic {
			effect := "users are not served"
			if p.State != api.StateDown {
				effect = "users also get backends that fail"
			}
			add(id.To(id.KindPool, p.Name), p.Site, p.Reason, effect)
		}
	}
	for i := range s.Listeners {
		l := &s.Listeners[i]
		if p, ok := s.Pool(l.Pool); l.State != api.StateOK && l.State != api.StateUnknown && (!ok || p.State != api.StateDown) && !f.bindings[l.Name].lost {
			add(id.To(id.KindListener, l.Name), l.Site, l.Reason, "")
		}
	}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		ref := id.To(id.KindHost, h.Name)
		switch site := f.states[id.To(id.KindSite, h.Site)]; {
		case f.options.Host == "" && h.State == api.StateUnknown && !h.AsOf.IsZero():
			add(ref, h.Site, h.Reason, "what it does is not known")
		case f.options.Host == "", h.State == api.StateOK, h.State == api.StateUnknown && h.AsOf.IsZero() && f.states[ref].word == "":
		case site != nil && site.word != "": // it is told as the site's
		case h.State == api.StateDegraded && h.Agent.State == api.AgentAlive: // its listeners are told of
		default:
			add(ref, h.Site, h.Reason, f.lossOf(s, []string{h.Name}, f.states[ref].word))
		}
	}
	for i := range s.Sites {
		x := &s.Sites[i]
		if st := f.states[id.To(id.KindSite, x.Name)]; st.word != "" {
			var all []string
			for j := range s.Hosts {
				if s.Hosts[j].Site == x.Name {
					all = append(all, s.Hosts[j].Name)
				}
			}
			add(id.To(id.KindSite, x.Name), x.Name, x.Reason, f.lossOf(s, all, st.word))
		}
	}
	f.drawAgentProblems(s)
	for i := range s.Clients {
		if c := &s.Clients[i]; c.State == api.StateDegraded || c.State == api.StateDown {
			add(id.To(id.KindClients, c.Name), c.Site, c.Reason, "users notice")
		}
	}
	for _, x := range f.faults {
		if one := f.drawFault(x); one.State == api.StateDown {
			s.Problems = append(s.Problems, api.Problem{
				Subject: id.To(id.KindFault, one.ID), Site: f.siteOf(one.Target), State: api.StateDown, Since: one.Since,
				Text: one.Reason, Effect: one.Target.String() + " stays broken", Cause: x.cause,
			})
		}
	}
	f.drawUnkept(s)
	f.drawAlone(s)
	slices.SortStableFunc(s.Problems, func(a, b api.Problem) int {
		return cmp.Or(cmp.Compare(b.State.Severity(), a.State.Severity()), b.Since.Compare(a.Since), cmp.Compare(a.Subject.String(), b.Subject.String()))
	})
}

// drawAgentProblems lists what is wrong with links, groups, clocks and journals.
func (f *Fleet) drawAgentProblems(s *api.Status) {
	add := func(ref id.Ref, site string, state api.State, text, effect string) {
		st := f.standing(ref)
		s.Problems = append(s.Problems, api.Problem{
			Subject: ref, Site: site, State: state, Since: f.options.Origin.Wall(st.since), Text: text, Effect: effect, Cause: max(st.saidIn, st.cause),
		})
		s.State = api.Worst(s.State, softened(state))
	}
	for i := range s.Links {
		l := &s.Links[i]
		if l.State != api.StateDown && l.State != api.StateDegraded || f.siteGone(l.Sites[0]) || f.siteGone(l.Sites[1]) {
			continue
		}
		effect := "what one of them does reaches the other by nobody"
		if l.Via != "" {
			effect = "they hear of each other by way of " + l.Via
		}
		add(id.To(id.KindLink, l.Name), "", l.State, l.Reason, effect)
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		ref := id.To(id.KindGroup, g.Name)
		switch {
		case f.options.Observer: // who is alone does not know of the others' quorums
		case g.State == api.StateDown && g.Site == "":
			add(ref, "", g.State, g.Reason, "no command can be agreed on; users are served as before")
		case g.State == api.StateDown:
			add(ref, g.Site, g.State, g.Reason, "the facts of "+g.Site+" cannot change; its users are served as before")
		case g.State == api.StateDegraded && f.ails(g):
			effect := fmt.Sprintf("it bears the loss of %d more", g.Active-g.Need)
			if g.Active == g.Need {
				effect = "with one less it has no quorum"
			}
			add(ref, g.Site, g.State, g.Reason, effect)
		}
	}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		ref := id.To(id.KindHost, h.Name)
		if h.Agent.Journal == api.StateDegraded || h.Agent.Journal == api.StateDown {
			c, ok := f.journals[h.Name]
			if !ok {
				c.since = f.now // its event comes with this picture
			}
			s.Problems = append(s.Problems, api.Problem{
				Subject: ref, Site: h.Site, State: h.Agent.Journal, Since: f.options.Origin.Wall(c.since), Cause: c.cause, Text: h.Agent.JournalReason,
				Effect: f.quorumsWithout(s, []string{h.Name}),
			})
			s.State = api.Worst(s.State, api.StateDegraded)
		}
		if c, ok := f.clocks[h.Name]; ok {
			s.Problems = append(s.Problems, api.Problem{
				Subject: ref, Site: h.Site, State: api.StateDegraded, Since: f.options.Origin.Wall(c.since), Cause: c.cause, Text: c.text,
				Effect: "its logs and certificates go by a wrong time; events here go by the coordinator's",
			})
			s.State = api.Worst(s.State, api.StateDegraded)
		}
	}
}

// ails reports whether a group lacks something besides members whose hosts are
// told of as problems already.
func (f *Fleet) ails(g *api.Group) bool {
	return slices.ContainsFunc(g.Members, func(m api.GroupMember) bool {
		st := f.states[id.To(id.KindHost, m.Host)]
		if r := f.replicas[m.Host]; r.status.Mute != "" && m.Active {
			return false // it is told as the journal's trouble
		}
		return m.State != api.StateOK && (st == nil || st.word == "" && st.state != api.StateUnknown)
	})
}

// siteGone reports whether a site is told of as dead, stopped or cut off as a whole.
func (f *Fleet) siteGone(name string) bool {
	st := f.states[id.To(id.KindSite, name)]
	return st != nil && st.word != ""
}

// lossOf says what it means that hosts are lost: for users, and for what is agreed
// on.
func (f *Fleet) lossOf(s *api.Status, hosts []string, word string) string {
	var parts []string
	if word == wordCut {
		parts = append(parts, "its users are served by what it knew last, and no command reaches it")
	} else {
		served, left := 0, 0
		for i := range s.Listeners {
			mine, others := false, 0
			for _, b := range s.Listeners[i].Bindings {
				switch {
				case slices.Contains(hosts, b.Host):
					mine = true
				case b.Bound:
					others++
				}
			}
			if mine {
				served++
				if others > 0 {
					left++
				}
			}
		}
		switch {
		case word == "" && served > 0:
			parts = append(parts, "what it does is not known")
		case served == 0:
			parts = append(parts, "no listener is lost")
		case left == served:
			parts = append(parts, "the listeners answer on other hosts")
		case left == 0:
			parts = append(parts, "users of "+count(served, "listener")+" are not served")
		default:
			parts = append(parts, fmt.Sprintf("users of %d of %s are not served", served-left, count(served, "listener")))
		}
	}
	if q := f.quorumsWithout(s, hosts); q != "" {
		parts = append(parts, q)
	}
	return strings.Join(parts, "; ")
}

// quorumsWithout says how the groups fare that hosts take part in.
func (f *Fleet) quorumsWithout(s *api.Status, hosts []string) string {
	var parts []string
	for i := range s.Groups {
		g := &s.Groups[i]
		if !slices.ContainsFunc(g.Members, func(m api.GroupMember) bool { return slices.Contains(hosts, m.Host) }) {
			continue
		}
		one := fmt.Sprintf("group %s: %d of %d voters, %d are needed", g.Name, g.Active, g.Voters, g.Need)
		if !g.Quorate {
			one = fmt.Sprintf("group %s has no quorum: %d of %d voters", g.Name, g.Active, g.Voters)
		}
		parts = append(parts, one)
	}
	return strings.Join(parts, "; ")
}
