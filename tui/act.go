package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/dialog"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Times of an act.
const (
	// undoFor is how long Z takes an act back.
	undoFor = 10 * time.Second
	// askFor is how long a receipt may take: a host that does not answer in
	// that time is not going to.
	askFor = 10 * time.Second
)

// undo is the command that takes the last act back.
type undo struct {
	command api.Command
	until   time.Time
}

func (u undo) left(now time.Time) time.Duration {
	if u.command == nil {
		return 0
	}
	return max(u.until.Sub(now), 0)
}

// refusal says why a key that acts would be refused here and now; empty when
// it would not.
func (a *app) refusal(b keys.Binding) string {
	switch {
	case !b.Mutates:
		return ""
	case a.x.Status == nil:
		return "there is no picture yet"
	case a.x.ReadOnly:
		return "read-only: " + a.readOnly()
	case !a.x.Live:
		return "this is the past; p goes back to now"
	case a.lost != nil:
		return "the fleet does not answer; what is seen may be old"
	case b.Action == keys.Undo:
		if a.undo.left(a.opt.Now()) == 0 {
			return "there is nothing to take back"
		}
		return ""
	case b.Action == keys.Apply:
		return a.stops(a.stagedWeights())
	}
	return a.stops(b.Command(a.x.Status, a.target()))
}

// readOnly says why this session only looks.
func (a *app) readOnly() string {
	if a.opt.ReadOnlyWhy != "" {
		return a.opt.ReadOnlyWhy
	}
	return api.ReasonReadOnly.Sentence()
}

// stops says why a command would be refused whatever is confirmed: first what the
// person may, then what the fleet says.
func (a *app) stops(c api.Command) string {
	if a.opt.May != nil {
		if why := stops(a.opt.May(c)); why != "" {
			return why
		}
	}
	return stops(api.Check(c, a.x.Status))
}

// stops is the sentence of the first refusal that no confirmation answers.
func stops(all []api.Refusal) string {
	for _, r := range all {
		if !r.Warning {
			return r.String()
		}
	}
	return ""
}

// act carries out a key that acts: refuse with the reason, or plan.
func (a *app) act(b keys.Binding) tea.Cmd {
	if why := a.refusal(b); why != "" {
		a.say(theme.Warn, b.Show+" "+b.Words+": "+why)
		return nil
	}
	switch b.Action {
	case keys.Undo:
		c := a.undo.command
		a.undo = undo{}
		if f, ok := c.(api.ClearFault); ok && f.ID == "" {
			a.say(theme.Warn, "Z: the fault is not in the picture yet; use C")
			return nil
		}
		if api.Confirmation(c, a.x.Status) != "" {
			a.ask(c)
			return nil
		}
		return a.send(api.Request{Command: c, Why: "taken back"}, nil)
	case keys.Apply:
		a.ask(a.stagedWeights())
	default:
		if b.Scope == keys.Drilling {
			a.overlay = dialog.NewAbort(a.x.Status)
			return nil
		}
		a.ask(b.Command(a.x.Status, a.target()))
	}
	return nil
}

// ask opens the plan of a command.
func (a *app) ask(c api.Command) {
	if a.x.ReadOnly || !a.x.Live {
		a.say(theme.Warn, "acts are off: "+a.readOnly())
		return
	}
	if why := a.stops(c); why != "" {
		a.say(theme.Warn, c.Sentence()+": "+why)
		return
	}
	p := dialog.NewPlan(c, a.x.Status)
	if a.opt.AskWhy {
		p.AskWhy()
	}
	a.overlay, a.dirty = p, true
}

// answer does what a dialog asks for.
func (a *app) answer(r dialog.Answer) tea.Cmd {
	if r.Close {
		a.overlay = nil
	}
	var cmds []tea.Cmd
	if r.Say != "" {
		a.say(theme.Text, r.Say)
	}
	if r.Copy != "" {
		cmds = append(cmds, a.copy(r.Copy))
	}
	if r.Do != nil {
		cmds = append(cmds, a.send(*r.Do, reverse(r.Do.Command, a.x.Status)))
	}
	if r.Run != nil {
		cmds = append(cmds, a.do(*r.Run, r.Run.Keys[0]))
	}
	if len(r.Words) > 0 {
		cmds = append(cmds, a.words(r.Words))
	}
	return tea.Batch(cmds...)
}

// send asks the fleet. back is the command that takes it back, nil without one.
func (a *app) send(req api.Request, back api.Command) tea.Cmd {
	req.By = a.opt.Actor
	if req.By.From == "" {
		req.By.From = "console"
	}
	if _, ok := req.Command.(api.SetWeights); ok {
		clear(a.x.Staged)
	}
	a.say(theme.Info, "◐ "+req.Command.Sentence())
	client, parent, now := a.opt.Client, a.ctx, a.opt.Now
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(parent, askFor)
		defer cancel()
		began := now()
		receipt, err := client.Do(ctx, req)
		return receiptMsg{command: req.Command, receipt: receipt, reverse: back, took: now().Sub(began), err: err}
	}
}

// answered shows a receipt.
func (a *app) answered(m receiptMsg) tea.Cmd {
	switch {
	case errors.Is(m.err, context.DeadlineExceeded):
		a.say(theme.Crit, "✗ "+m.command.Sentence()+": no answer in "+askFor.String()+"; look whether it happened before you ask again")
	case m.err != nil:
		a.say(theme.Crit, "✗ "+m.command.Sentence()+": "+m.err.Error())
	case !m.receipt.OK:
		why := make([]string, len(m.receipt.Refusals))
		for i, r := range m.receipt.Refusals {
			why[i] = r.String()
		}
		a.say(theme.Warn, "▲ refused: "+m.command.Sentence()+": "+strings.Join(why, "; "))
	default:
		done := m.receipt.Done
		if done == "" {
			done = m.command.Sentence()
		}
		a.say(theme.OK, fmt.Sprintf("✓ %s · %s", done, widget.Took(max(m.took, 0))))
		if len(a.waiting) < 64 {
			a.waiting[m.receipt.ID] = m.command.Sentence()
		}
		if m.reverse != nil {
			a.undo = undo{m.reverse, a.opt.Now().Add(undoFor)}
		}
	}
	return nil
}

// noteResult shows an event that answers a command of this session.
func (a *app) noteResult(e api.Event) {
	if _, ok := a.waiting[e.Receipt]; !ok || e.Receipt == "" || e.Lane == api.LanePeople {
		return
	}
	delete(a.waiting, e.Receipt)
	k := theme.Text
	if e.State == api.StateDown {
		k = theme.Warn
	}
	text := e.Subject.String() + " " + e.Text
	if e.Reason != "" {
		text += " because " + e.Reason
	}
	a.say(k, text)
}

// reverse is the command that takes c back from the picture before it; nil
// when there is none.
func reverse(c api.Command, s *api.Status) api.Command {
	switch c := c.(type) {
	case api.SetWeights:
		var back api.SetWeights
		for _, w := range c.Weights {
			if b, ok := s.Backend(w.Backend); ok {
				back.Weights = append(back.Weights, api.Weight{Backend: w.Backend, Weight: b.Weight})
			}
		}
		return back
	case api.Drain:
		return api.Undrain{Target: c.Target}
	case api.Undrain:
		return api.Drain{Target: c.Target}
	case api.Force:
		if b, ok := s.Backend(c.Backend); ok && b.Health.Forced != "" {
			return api.Force{Backend: c.Backend, Health: b.Health.Forced}
		}
		return api.Unforce{Backend: c.Backend}
	case api.Unforce:
		if b, ok := s.Backend(c.Backend); ok && b.Health.Forced != "" {
			return api.Force{Backend: c.Backend, Health: b.Health.Forced}
		}
	case api.InjectFault, api.ClearFault, api.StartDrill, api.AbortDrill, api.Apply, api.Rollback, api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys:
		// A fault has C, a drill has X; a cleared fault would break things again.
	}
	return nil
}

// stage changes the staged weight of the selected backend, or of all that are
// marked. Nothing is asked of the fleet.
func (a *app) stage(by int) {
	if a.x.ReadOnly || !a.x.Live {
		a.say(theme.Warn, "weights cannot be staged: "+api.ReasonReadOnly.Sentence())
		return
	}
	for _, name := range a.chosenBackends() {
		b, ok := a.x.Status.Backend(name)
		if !ok {
			continue
		}
		w, staged := a.x.Staged[name]
		if !staged {
			w = b.Weight
		}
		if w+by < 0 || w+by > 100 {
			a.say(theme.Dim, name+": a weight is 0 to 100; 0 takes no new flows")
		}
		w = min(max(w+by, 0), 100)
		if w == b.Weight {
			delete(a.x.Staged, name)
		} else {
			a.x.Staged[name] = w
		}
	}
}

// marker is a page whose rows can be marked.
type marker interface{ Marked() []string }

func (a *app) chosenBackends() []string {
	if m, ok := a.pages[a.at].(marker); ok {
		if marked := m.Marked(); len(marked) > 0 {
			return marked
		}
	}
	if t := a.target(); t.Kind == id.KindBackend {
		return []string{t.Name}
	}
	return nil
}

func (a *app) unstage() {
	t := a.target()
	if _, ok := a.x.Staged[t.Name]; ok && t.Kind == id.KindBackend {
		delete(a.x.Staged, t.Name)
		return
	}
	clear(a.x.Staged)
}

// stagedWeights is the command that applies what is staged, in order of name.
func (a *app) stagedWeights() api.SetWeights {
	var c api.SetWeights
	for name, w := range a.x.Staged {
		c.Weights = append(c.Weights, api.Weight{Backend: name, Weight: w})
	}
	slices.SortFunc(c.Weights, func(p, q api.Weight) int { return strings.Compare(p.Backend, q.Backend) })
	return c
}
