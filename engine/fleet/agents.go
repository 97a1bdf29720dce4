package fleet

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
)

// agent is what is known of a host's agent.
type agent struct {
	state   api.AgentState
	reason  string
	by      string
	since   instant.Instant
	sure    bool // it was there once, so that its end is one
	hangs   bool // it is stopped so that nobody knows what it still does
	deaf    bool // it is cut off from a host that hears nobody at all
	version string

	offset, rtt time.Duration   // of its wall clock
	measured    instant.Instant // 0: never
	off         bool            // it disagrees
}

// sees is how one host sees the other sites.
type sees struct {
	site  string
	sites []member.SiteStatus
	at    instant.Instant
}

// agentOf is what is known of the agent of a host.
func (f *Fleet) agentOf(name string) *agent {
	a := f.agents[name]
	if a == nil {
		a = &agent{state: api.AgentUnknown, since: f.now}
		if f.hosts[name] != nil {
			f.agents[name] = a
		}
	}
	return a
}

// seen takes how a host sees the others.
func (f *Fleet) seen(now instant.Instant, ev Members) {
	s := &ev.Status
	if f.options.Host == "" || f.hosts[s.Self.Name] == nil {
		return
	}
	f.sees[s.Self.Name] = sees{s.Self.Site, s.Sites, now}
	if s.Self.Name != f.options.Host {
		return
	}
	f.judge(s.Self.Name, agent{state: api.AgentAlive, reason: "it shows this picture", since: f.started, sure: true})
	for i := range s.Hosts {
		h := &s.Hosts[i]
		f.judge(h.Host.Name, agent{
			state: agentState(h.State), reason: h.Reason.Sentence(), by: h.By, since: h.Since,
			sure: h.Seen || h.Life > 0, hangs: h.Reason == member.ReasonHangs, deaf: h.Reason == member.ReasonThisIsCutOff,
		})
	}
}

// judge takes the word on one host's agent.
func (f *Fleet) judge(name string, is agent) {
	m := f.hosts[name]
	if m == nil {
		return
	}
	a := f.agentOf(name)
	if a.state != is.state || a.reason != is.reason {
		f.dirty, f.whole = true, true
		clear(f.bindings)
	}
	a.state, a.reason, a.by, a.since, a.hangs, a.deaf = is.state, is.reason, is.by, is.since, is.hangs, is.deaf
	a.sure = a.sure || is.sure
	f.gone(m, a)
}

// gone works out whether others are sure that a host is not there. What it reports
// itself since then says otherwise.
func (f *Fleet) gone(m *reporter, a *agent) {
	switch a.state {
	case api.AgentCut, api.AgentStopped, api.AgentDead:
		m.gone = a.since >= m.at
	case api.AgentAlive, api.AgentSuspected, api.AgentUnknown:
		m.gone = false
	}
}

func agentState(s member.State) api.AgentState {
	switch s {
	case member.StateAlive:
		return api.AgentAlive
	case member.StateSuspected:
		return api.AgentSuspected
	case member.StateCut:
		return api.AgentCut
	case member.StateStopped:
		return api.AgentStopped
	case member.StateDead:
		return api.AgentDead
	}
	return api.AgentUnknown
}

// The words of hosts and sites whose agents are not there, or not to be reached:
// what events say, where one state would hide the difference.
const (
	wordDead    = "is dead"
	wordStopped = "has stopped"
	wordCut     = "is cut off"
)

// drawAgent shows a host's agent, and joins what the host reported with what
// others see of it. word is empty where the state says all.
func (f *Fleet) drawAgent(now instant.Instant, out *api.Host, state api.State, reason string) (is api.State, why, word string) {
	a, m := f.agents[out.Name], f.hosts[out.Name]
	if f.options.Host == "" || m == nil {
		return state, reason, ""
	}
	if a == nil {
		out.Agent = api.Agent{State: api.AgentUnknown, Since: f.options.Origin.Wall(f.started), Reason: "nobody has said anything of it yet", Journal: api.StateUnknown}
		return state, reason, ""
	}
	out.Agent = api.Agent{
		State: a.state, Since: f.options.Origin.Wall(a.since), Reason: a.reason, By: a.by, Version: a.version, ClockOffset: a.offset, RTT: a.rtt,
	}
	if a.measured > 0 {
		out.Agent.Measured = f.options.Origin.Wall(a.measured)
	}
	out.Agent.Journal, out.Agent.JournalReason = f.journal(now, out.Name)
	sure := a.sure || m.heard
	switch a.state {
	case api.AgentAlive, api.AgentSuspected, api.AgentUnknown:
		st := f.states[id.To(id.KindHost, out.Name)]
		switch silent := m.heard && !m.fresh(now); {
		case st != nil && st.word != "" && !m.fresh(now) && now.Sub(a.since) <= staleAfter:
			return st.state, "it is back, and its report is on its way", st.word
		case silent && a.state == api.AgentAlive:
			return state, "its agent lives and its last report is old", ""
		case silent:
			return state, reason + "; its agent: " + a.reason, ""
		}
		return state, reason, ""
	case api.AgentCut, api.AgentStopped, api.AgentDead:
	}
	if m.fresh(now) {
		return api.Worst(state, api.StateDegraded), fmt.Sprintf("it reports, and its heartbeats say otherwise: %s", a.reason), ""
	}
	switch {
	case a.state == api.AgentCut:
		return api.StateUnknown, "cut off: " + a.reason, wordCut
	case a.state == api.AgentStopped && a.hangs:
		return api.StateUnknown, "stopped: " + a.reason, wordStopped
	case !sure:
		return api.StateUnknown, "was not heard of since this agent began: it has not joined, or is dead", ""
	case a.state == api.AgentStopped:
		return api.StateDown, "stopped: " + a.reason, wordStopped
	}
	return api.StateDown, "dead: " + a.reason, wordDead
}

// clockOff is how far a host's clock may be from the coordinator's before somebody
// should look: people put the lines of several hosts in order by their times, and
// an outage here is detected in half a second to two. A clock that is kept by a time
// server is off by tens of milliseconds. It counts as well again below clockWell.
const (
	clockOff  = 250 * time.Millisecond
	clockWell = 200 * time.Millisecond
)

// measured takes how far a host's clock is off.
func (f *Fleet) measured(now instant.Instant, ev Clock) {
	if f.hosts[ev.Host] == nil || f.options.Host == "" {
		return
	}
	a := f.agentOf(ev.Host)
	a.offset, a.rtt, a.measured = ev.Offset, ev.RTT, max(now, 1)
	switch apart := ev.Offset.Abs(); {
	case apart-ev.RTT/2 > clockOff: // whatever the network did to the measuring
		f.dirty = f.dirty || !a.off
		a.off = true
	case apart < clockWell:
		f.dirty = f.dirty || a.off
		a.off = false
	}
}

// trouble is something about a host besides its state.
type trouble struct {
	since instant.Instant
	cause api.Seq
	text  string
}

// changeClocks says which clocks disagree from now on, and which do no more. When
// most of the others do, it is the coordinator's own that is wrong.
func (f *Fleet) changeClocks(now instant.Instant, out *Effects) {
	if f.options.Host == "" {
		return
	}
	var off []string
	known := 0
	for _, name := range f.hostNames() {
		if a := f.agents[name]; a != nil && a.measured > 0 && name != f.options.Host {
			known++
			if a.off {
				off = append(off, name)
			}
		}
	}
	is := map[string]string{}
	if len(off) > 1 && 2*len(off) > known {
		is[f.options.Host] = fmt.Sprintf("its clock is %s, compared with %s, and disagrees with those of %d of %d other hosts", apart(-f.agents[off[0]].offset), off[0], len(off), known)
	} else {
		for _, name := range off {
			is[name] = fmt.Sprintf("its clock is %s, compared with %s", apart(f.agents[name].offset), f.options.Host)
		}
	}
	for _, name := range f.hostNames() {
		text, wrong := is[name]
		c, was := f.clocks[name]
		e := api.Event{At: f.options.Origin.Wall(now), Site: f.siteOf(id.To(id.KindHost, name)), Subject: id.To(id.KindHost, name), Lane: api.LaneFleet}
		switch {
		case wrong && !was:
			e.State, e.Text, e.Reason = api.StateDegraded, "its clock is wrong", text
			c = trouble{since: now, cause: f.emit(e, out).Seq}
		case was && !wrong:
			e.State, e.Text, e.Cause = api.StateOK, "its clock is right again", c.cause
			f.emit(e, out)
			delete(f.clocks, name)
		}
		if wrong {
			c.text = text
			f.clocks[name] = c
		}
	}
}

// apart says how far two clocks are apart.
func apart(d time.Duration) string {
	word := "ahead"
	if d < 0 {
		word = "behind"
	}
	return fmt.Sprintf("%s %s", d.Abs().Round(time.Millisecond), word)
}

// site is the site of the host that keeps the picture.
func (f *Fleet) site() string { return f.siteOf(id.To(id.KindHost, f.options.Host)) }

// wordOfSite is what all hosts of a site are, if they are the same.
func (f *Fleet) wordOfSite(hosts []api.Host) string {
	if f.options.Host == "" || len(hosts) == 0 {
		return ""
	}
	word := f.states[id.To(id.KindHost, hosts[0].Name)].word
	for i := range hosts {
		if f.states[id.To(id.KindHost, hosts[i].Name)].word != word {
			return ""
		}
	}
	return word
}

// dead reports whether others are sure that a host serves nothing.
func (f *Fleet) dead(name string) bool {
	a, m := f.agents[name], f.hosts[name]
	return f.options.Host != "" && a != nil && m != nil && m.gone && (a.state == api.AgentDead || a.state == api.AgentStopped && !a.hangs)
}

// says is what a host that is not there is.
func (f *Fleet) says(name string) string {
	if f.agents[name].state == api.AgentStopped {
		return "the host's agent does not run"
	}
	return "the host is dead"
}
