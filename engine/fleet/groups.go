package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// siteGroup begins the name of the group of a site's facts.
const siteGroup = "site-"

// replicas are what one host said of its replicas.
type replicas struct {
	status replica.Status
	at     instant.Instant
}

// heardReplicas takes a host's replicas.
func (f *Fleet) heardReplicas(now instant.Instant, ev Groups) {
	if f.hosts[ev.Host] == nil || f.options.Host == "" {
		return
	}
	before := f.replicas[ev.Host].status
	f.dirty = f.dirty || before.Mute != ev.Status.Mute || !slices.EqualFunc(before.Groups, ev.Status.Groups, func(a, b replica.GroupStatus) bool {
		return a.Group == b.Group && a.Leader == b.Leader && a.Term == b.Term && a.Reason == b.Reason && len(a.Members) == len(b.Members)
	})
	f.replicas[ev.Host] = replicas{ev.Status, now}
}

// heardOf reports whether what a host said of its replicas is new enough.
func (f *Fleet) heardOf(now instant.Instant, host string) bool {
	r, ok := f.replicas[host]
	m := f.hosts[host]
	return ok && m != nil && now.Sub(r.at) <= staleAfter && (!m.gone || r.at > m.at)
}

// journal is how what a host promised to keep fares.
func (f *Fleet) journal(now instant.Instant, host string) (api.State, string) {
	if !f.heardOf(now, host) {
		return api.StateUnknown, ""
	}
	// The others are about groups, and mute no journal.
	//exhaustive:ignore
	switch mute := f.replicas[host].status.Mute; mute {
	case "":
		return api.StateOK, ""
	case replica.ReasonJournalFull, replica.ReasonJournalSlow:
		return api.StateDegraded, mute.Sentence()
	default:
		return api.StateDown, mute.Sentence()
	}
}

// journalWord says a journal's trouble in a word.
func journalWord(mute replica.Reason) string {
	return strings.TrimPrefix(string(mute), "journal-")
}

// changeJournals says whose journal is not well from now on.
func (f *Fleet) changeJournals(now instant.Instant, out *Effects) {
	if len(f.replicas) == 0 {
		return
	}
	for _, name := range f.hostNames() {
		if !f.heardOf(now, name) {
			continue
		}
		mute := f.replicas[name].status.Mute
		was, ill := f.journals[name]
		ref := id.To(id.KindHost, name)
		e := api.Event{At: f.options.Origin.Wall(now), Site: f.siteOf(ref), Subject: ref, Lane: api.LaneFleet, Cause: was.cause}
		switch {
		case mute != "" && was.text != string(mute):
			e.State, _ = f.journal(now, name)
			e.Text, e.Reason = "its journal is "+journalWord(mute), mute.Sentence()
			was.cause, was.text = f.emit(e, out).Seq, string(mute)
			if !ill {
				was.since = now
			}
			f.journals[name] = was
		case mute == "" && ill:
			e.State, e.Text = api.StateOK, "its journal is well again"
			f.emit(e, out)
			delete(f.journals, name)
		}
	}
}

// wordOf is what is known best of a group: of those who were heard of not long ago,
// the one of the newest term, and of those its leader.
type wordOf struct {
	host  string
	fresh bool
	*replica.GroupStatus
}

func (w wordOf) worse(o wordOf) bool {
	switch {
	case w.fresh != o.fresh:
		return o.fresh
	case w.Term != o.Term:
		return w.Term < o.Term
	}
	return !w.Leads && o.Leads
}

// drawGroups draws the groups of which any host ever said anything.
func (f *Fleet) drawGroups(now instant.Instant, s *api.Status) {
	if len(f.replicas) == 0 {
		return
	}
	best := map[replica.GroupID]wordOf{}
	for _, host := range slices.Sorted(maps.Keys(f.replicas)) {
		fresh := f.heardOf(now, host)
		status := f.replicas[host].status
		for i := range status.Groups {
			g := &status.Groups[i]
			if len(g.Members) == 0 {
				continue
			}
			if w, ok := best[g.Group]; !ok || w.worse(wordOf{host, fresh, g}) {
				best[g.Group] = wordOf{host, fresh, g}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(best)) {
		s.Groups = append(s.Groups, f.drawGroup(now, best[name]))
	}
	slices.SortFunc(s.Groups, func(a, b api.Group) int { return cmp.Compare(a.Name, b.Name) })
}

func (f *Fleet) drawGroup(now instant.Instant, w wordOf) api.Group {
	name := strings.ReplaceAll(string(w.Group), "/", "-")
	out := api.Group{Name: name, Site: f.siteOf(id.To(id.KindGroup, name)), Term: w.Term, Changing: w.Joint, Members: []api.GroupMember{}}
	if w.fresh {
		if out.Leader = w.Leader; w.Leads {
			out.Leader = w.host
		}
	}
	off := ""
	for i := range w.Members {
		m := f.drawMember(now, w, &w.Members[i], out.Leader)
		out.Members = append(out.Members, m)
		if m.Role != api.GroupLearner && m.Role != api.GroupLeaving {
			out.Voters++
			if m.Active {
				out.Active++
			}
		}
		if m.State != api.StateOK && off == "" {
			off = m.Host + " " + m.Reason
		}
	}
	slices.SortStableFunc(out.Members, func(a, b api.GroupMember) int { return cmp.Compare(a.Host, b.Host) })
	out.Need = out.Voters/2 + 1
	out.Quorate = out.Leader != "" && (out.Active >= out.Need || !w.Leads)
	take := fmt.Sprintf("%d of %d voters take part", out.Active, out.Voters)
	state, reason, word := api.StateOK, "led by "+out.Leader+", "+take, ""
	switch {
	case !w.fresh:
		state, reason = api.StateUnknown, "nobody who has a replica is heard of"
	case !out.Quorate:
		state, reason, word = api.StateDown, fmt.Sprintf("%s, %d are needed", take, out.Need), "has no quorum"
		if out.Active >= out.Need {
			reason, word = take+", and none of them leads yet", "has no leader"
		}
		if off != "" {
			reason += ": " + off
		}
	case off != "":
		state, reason = api.StateDegraded, reason+": "+off
	case out.Changing:
		reason += ", and its members are being changed"
	}
	st := f.stand(now, id.To(id.KindGroup, name), state, reason)
	st.word = word
	out.State, out.Since, out.Reason = st.state, f.options.Origin.Wall(st.since), st.reason
	return out
}

// behindMany is how many entries a member may lack and count as well: more than
// are under way while many write.
const behindMany = 1000

func (f *Fleet) drawMember(now instant.Instant, w wordOf, m *replica.MemberStatus, leader string) api.GroupMember {
	out := api.GroupMember{Host: m.Host, Site: f.siteOf(id.To(id.KindHost, m.Host)), Role: groupRole(m.Member), Leads: m.Host == leader && leader != "", State: api.StateOK, Reason: "takes part"}
	own := f.replicas[m.Host].status
	i := slices.IndexFunc(own.Groups, func(g replica.GroupStatus) bool { return g.Group == w.Group && g.Member == m.ID })
	heard := i >= 0 && f.heardOf(now, m.Host)
	a := f.agents[m.Host]
	switch {
	case !w.fresh:
		out.State, out.Reason = api.StateUnknown, "is silent"
		return out
	case w.Leads:
		out.Active = m.Active || m.Host == w.host
		if w.Last > m.Match && m.Host != w.host {
			out.Behind = w.Last - m.Match
		}
	case heard:
		out.Active = own.Groups[i].Reason == ""
		if last := own.Groups[i].Last; last < w.Last {
			out.Behind = w.Last - last
		}
	default:
		out.Active = a != nil && a.state == api.AgentAlive
	}
	switch {
	case !out.Active:
		out.State, out.Reason = api.StateDown, "is not heard"
		if a != nil && (a.state == api.AgentDead || a.state == api.AgentStopped || a.state == api.AgentCut) {
			out.Reason = map[api.AgentState]string{api.AgentDead: "is dead", api.AgentStopped: "has stopped", api.AgentCut: "is cut off"}[a.state]
		}
	case heard && own.Mute != "":
		out.State, out.Reason = api.StateDegraded, "has a "+journalWord(own.Mute)+" journal"
	case heard && own.Groups[i].Reason != "":
		out.State, out.Reason = api.StateDown, own.Groups[i].Reason.Sentence()
	case w.Leads && !m.Whole && m.Host != w.host && !m.Witness:
		out.State, out.Reason = api.StateDegraded, "is being refilled"
	case out.Behind > behindMany:
		out.State, out.Reason = api.StateDegraded, fmt.Sprintf("is %d entries behind", out.Behind)
	}
	return out
}

func groupRole(m replica.Member) api.GroupRole {
	switch {
	case m.Role == replica.Leaving || m.Goal == replica.None:
		return api.GroupLeaving
	case m.Role == replica.Learner:
		return api.GroupLearner
	case m.Witness:
		return api.GroupWitness
	}
	return api.GroupVoter
}

// changeLeaders says who leads a group from now on.
func (f *Fleet) changeLeaders(now instant.Instant, out *Effects) {
	for i := range f.picture.Groups {
		g := &f.picture.Groups[i]
		was, known := f.leaders[g.Name]
		if g.Leader == "" || g.Leader == was {
			continue
		}
		f.leaders[g.Name] = g.Leader
		if !known {
			continue // who led when this fleet began is no news
		}
		e := api.Event{
			At: f.options.Origin.Wall(now), Site: g.Site, Subject: id.To(id.KindGroup, g.Name), Lane: api.LaneFleet, State: g.State,
			Text: fmt.Sprintf("is led by %s, term %d", g.Leader, g.Term), Reason: "after " + was,
		}
		if st := f.states[id.To(id.KindHost, was)]; st != nil && st.word != "" {
			e.Reason, e.Cause = was+" "+st.word, st.saidIn
		}
		f.emit(e, out)
	}
}

// groupCause is the newest event about a host that a group lacks.
func (f *Fleet) groupCause(name string) (cause api.Seq) {
	g, ok := f.picture.Group(name)
	if !ok {
		return 0
	}
	for i := range g.Members {
		if st := f.states[id.To(id.KindHost, g.Members[i].Host)]; st != nil && (st.word != "" || g.State == api.StateOK) {
			cause = max(cause, st.saidIn)
		}
	}
	return cause
}
