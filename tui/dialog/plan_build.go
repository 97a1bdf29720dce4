package dialog

import (
	"fmt"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/page"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// line is one line of a plan: a thing, how it is and how it will be.
type line struct {
	what, now, after, note string
	token                  theme.Token
	// live lines are rates that move all the time; the others void the plan
	// when they change.
	live bool
}

// plan is what a command would touch, by one picture.
type plan struct {
	verb     string
	subject  string
	about    string
	lines    []line
	refusals []api.Refusal
	confirm  string
}

// linesMost bounds the backends that a plan lists one by one.
const linesMost = 6

// build makes the plan of a command from a picture.
func build(c api.Command, s *api.Status) plan {
	p := plan{verb: strings.ToUpper(verb(c)), refusals: api.Check(c, s), confirm: api.Confirmation(c, s)}
	if _, ok := c.(api.Rollback); ok { // what it takes away only the fleet knows
		p.confirm = api.ConfirmWord(c, s)
	}
	if t := c.Targets(); len(t) > 0 {
		p.subject = t[0].Name
		if len(t) > 1 {
			p.subject = fmt.Sprintf("%d backends", len(t))
		}
	}
	hit := page.Hit(c, s)
	change := page.Effect(c, s)
	if len(hit) > 0 {
		p.backends(c, s, hit, change)
	}
	switch c := c.(type) {
	case api.StartDrill:
		if d, ok := s.Drill(c.Name); ok {
			p.about = d.Why
			p.add("fault", "none", d.Fault, "reverted whatever happens", theme.Warn)
			p.add("measured on", d.Clients, "", "by probes of its own", theme.Text)
			if d.Run > 0 {
				p.add("last run", fmt.Sprintf("#%d %s", d.Run, d.Phase), "", d.Reason, theme.Text)
			} else {
				p.add("last run", "never", "", "", theme.Text)
			}
		}
	case api.ClearFault:
		for i := range s.Faults {
			if f := &s.Faults[i]; c.ID == "" || f.ID == c.ID {
				p.subject = f.Target.Name
				p.add("fault "+f.ID, string(f.Kind), "taken back", "on "+f.Target.String()+" by "+f.By, theme.Text)
			}
		}
	case api.SetWeights, api.Drain, api.Undrain, api.Force, api.Unforce, api.InjectFault, api.AbortDrill, api.Apply, api.Rollback, api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys:
	}
	return p
}

func (p *plan) add(what, now, after, note string, k theme.Token) {
	p.lines = append(p.lines, line{what: what, now: now, after: after, note: note, token: k})
}

func (p *plan) addLive(what, now, after, note string, k theme.Token) {
	p.lines = append(p.lines, line{what: what, now: now, after: after, note: note, token: k, live: true})
}

// verb is the command in the words of its title.
func verb(c api.Command) string {
	switch c := c.(type) {
	case api.SetWeights:
		return "set weight"
	case api.Drain:
		return "drain"
	case api.Undrain:
		return "end drain"
	case api.Force:
		return "force " + string(c.Health)
	case api.Unforce:
		return "back to probes"
	case api.InjectFault:
		return string(c.Kind)
	case api.ClearFault:
		return "clear fault"
	case api.StartDrill:
		return "run drill"
	case api.AbortDrill:
		return "abort drill"
	case api.Apply:
		return "apply"
	case api.Rollback:
		return "roll back"
	case api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys:
	}
	return c.Verb()
}

// backends adds what happens to pools and to the backends that are hit.
func (p *plan) backends(c api.Command, s *api.Status, hit []string, change page.Change) {
	var pools []string
	seen := map[string]bool{}
	var flows int64
	var rate float64
	for _, name := range hit {
		b, _ := s.Backend(name)
		if !seen[b.Pool] {
			seen[b.Pool] = true
			pools = append(pools, b.Pool)
		}
		flows += b.Traffic.Active
		rate += b.Traffic.Requests
	}
	p.about = "pool " + strings.Join(pools, ", ")
	for _, pool := range pools {
		before, nowServing, _ := page.Shares(s, pool, page.Change{})
		after, serving, _ := page.Shares(s, pool, change)
		all := 0
		for i := range s.Backends {
			if s.Backends[i].Pool == pool {
				all++
			}
		}
		k, note := theme.Text, ""
		switch {
		case serving == 0 && nowServing > 0:
			k, note = theme.Crit, "✗ users get errors"
		case serving < nowServing && serving == 1:
			k, note = theme.Warn, "▲ one more stops it"
		case serving < nowServing:
			k = theme.Warn
		}
		p.add("serve in "+pool, fmt.Sprintf("%d of %d", nowServing, all), fmt.Sprintf("%d of %d", serving, all), note, k)
		listed := 0
		for i := range s.Backends {
			b := &s.Backends[i]
			if b.Pool != pool || before[b.Name] == after[b.Name] && change.Weights[b.Name] == 0 {
				continue
			}
			if listed++; listed > linesMost {
				continue
			}
			note := ""
			if w, ok := change.Weights[b.Name]; ok {
				note = fmt.Sprintf("weight %d → %d", b.Weight, w)
			}
			p.add("  share of "+b.Name, share(before[b.Name]), share(after[b.Name]), note, theme.Text)
		}
		if listed > linesMost {
			p.add(fmt.Sprintf("  … %d more", listed-linesMost), "", "", "", theme.Dim)
		}
	}
	p.flows(c, flows, rate)
	for i := range s.Listeners {
		if l := &s.Listeners[i]; seen[l.Pool] {
			p.add("listener "+l.Name, fmt.Sprintf("%s :%d", l.Protocol, l.Port), "stays", "", theme.Text)
		}
	}
}

// flows adds what happens to what goes on now.
func (p *plan) flows(c api.Command, flows int64, rate float64) {
	now, per := widget.Count(flows), widget.Rate(rate)
	switch c := c.(type) {
	case api.Drain:
		note := "what is left then is closed"
		after := "run out"
		if c.For > 0 {
			note = "after " + c.For.String() + " " + note
		} else {
			note = "at the pool's deadline"
		}
		p.addLive("open flows", now, after, note, theme.Text)
		p.addLive("requests per second", per, "0, moved", "to the others", theme.Text)
	case api.InjectFault:
		after, k := now+" reset", theme.Warn
		if c.Kind == api.FaultFreeze {
			after = now + " hang"
		}
		if c.Kind == api.FaultSlow {
			after, k = "late by "+widget.Took(c.Delay), theme.Warn
		}
		if flows == 0 {
			after, k = "none", theme.Text
		}
		p.addLive("open flows", now, after, "until it is taken out", k)
		p.addLive("requests per second", per, "", "", theme.Text)
	case api.Force:
		if c.Health == api.Down {
			p.addLive("requests per second", per, "0, moved", "to the others", theme.Text)
		}
	case api.SetWeights, api.Undrain, api.Unforce, api.ClearFault, api.StartDrill, api.AbortDrill, api.Apply, api.Rollback, api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys:
		p.addLive("requests per second", per, "", "now, on what is named", theme.Text)
	}
}

func share(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) }

// changed says what is not as it was when the plan was made; empty when all
// is. Rates move all the time and do not count.
func (p plan) changed(q plan) string {
	if p.confirm != q.confirm {
		return "what must be typed is another"
	}
	fixed := func(all []line) map[string]line {
		m := map[string]line{}
		for _, l := range all {
			if !l.live {
				m[l.what] = l
			}
		}
		return m
	}
	was, is := fixed(p.lines), fixed(q.lines)
	for _, l := range p.lines { // in order, so that the same change gives the same sentence
		if l.live {
			continue
		}
		n, ok := is[l.what]
		if !ok {
			return strings.TrimSpace(l.what) + " is not so any more"
		}
		if n.now != l.now || n.after != l.after {
			return fmt.Sprintf("%s %s → %s", strings.TrimSpace(l.what), l.now, n.now)
		}
	}
	if len(was) != len(is) {
		return "it touches more than before"
	}
	if len(p.refusals) != len(q.refusals) {
		return "another thing speaks against it"
	}
	for i := range p.refusals {
		if p.refusals[i] != q.refusals[i] {
			return q.refusals[i].String()
		}
	}
	return ""
}
