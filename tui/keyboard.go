package tui

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/dialog"
	"github.com/holdfast-edge/holdfast/tui/feed"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/page"
	"github.com/holdfast-edge/holdfast/tui/theme"
)

// scopes are the scopes that hold here and now, the narrowest first.
func (a *app) scopes() []keys.Scope {
	var all []keys.Scope
	if feed.Drill(a.x.Status) != nil {
		all = append(all, keys.Drilling)
	}
	if len(a.x.Staged) > 0 {
		all = append(all, keys.Staging)
	}
	if scope, ok := keys.ScopeOf(a.target().Kind); ok {
		all = append(all, scope)
	}
	all = append(all, a.pages[a.at].Scopes()...)
	return append(all, keys.Global)
}

// footKeys are the keys of the footer, in order.
func (a *app) footKeys() []keys.Binding {
	all := slices.DeleteFunc(keys.In(a.scopes()), func(b keys.Binding) bool { return b.Foot == 0 })
	slices.SortStableFunc(all, func(p, q keys.Binding) int { return cmp.Compare(p.Foot, q.Foot) })
	return all
}

// key routes a key: to the dialog, else to a line that is edited, else by the
// table.
func (a *app) key(m tea.KeyPressMsg) tea.Cmd {
	k := dialog.Key{Name: m.String(), Text: m.Text}
	if a.overlay != nil {
		return a.answer(a.overlay.Key(k))
	}
	if a.filter != nil {
		a.filterKey(k)
		return nil
	}
	if a.x.Status == nil || a.w < widthLeast || a.h < heightLeast {
		if k.Name == "q" || k.Name == "ctrl+c" {
			return tea.Quit
		}
		return nil
	}
	b, ok := keys.Find(k.Name, a.scopes())
	if !ok {
		a.explainKey(k.Name)
		return nil
	}
	return a.do(b, k.Name)
}

// explainKey says why a capital did nothing here: an act must not be silently
// ignored.
func (a *app) explainKey(name string) {
	if len(name) != 1 || name[0] < 'A' || name[0] > 'Z' {
		return
	}
	for _, b := range keys.Table() {
		if slices.Contains(b.Keys, name) {
			a.say(theme.Dim, b.Show+" "+b.Words+": only "+string(b.Scope)+" · ? lists the keys")
			return
		}
	}
}

// do carries out a line of the table.
func (a *app) do(b keys.Binding, key string) tea.Cmd {
	if b.Mutates {
		return a.act(b)
	}
	switch b.Action {
	case keys.Quit:
		return tea.Quit
	case keys.Screen:
		if n, err := strconv.Atoi(key); err == nil && n >= 1 && n <= len(a.screens()) {
			a.visit(n-1, id.Ref{})
		}
	case keys.Redraw:
		return tea.ClearScreen
	case keys.LastPage:
		a.visit(a.last, id.Ref{})
	case keys.HistBack, keys.HistFwd:
		a.walk(b.Action)
	case keys.Pause:
		a.pause(!a.paused)
	case keys.Earlier, keys.Later:
		a.travel(b.Action)
	case keys.Wide:
		a.x.Wide = !a.x.Wide
	case keys.HideOK:
		a.x.HideOK = !a.x.HideOK
		if a.x.HideOK {
			a.say(theme.Dim, "healthy rows are hidden · . shows them")
		}
	case keys.Filter:
		a.filter = &dialog.Line{}
		a.filter.Set(a.x.Filter.Text)
	case keys.NextBad:
		a.nextProblem()
	case keys.CopyID:
		if t := a.target(); !t.IsZero() {
			return a.copy(t.String())
		}
		a.say(theme.Dim, "nothing is selected")
	case keys.CopyCLI:
		return a.copyCLI()
	case keys.Explain:
		a.overlay = dialog.NewExplain(&a.x, a.target())
	case keys.Help:
		a.overlay = dialog.NewHelp(keys.In(a.scopes()), a.refusal)
	case keys.Palette:
		a.overlay = dialog.NewPalette(a.x.Status, a.pageNames())
	case keys.More10:
		a.stage(10)
	case keys.Less10:
		a.stage(-10)
	case keys.More1:
		a.stage(1)
	case keys.Less1:
		a.stage(-1)
	case keys.Unstage:
		a.unstage()
	case keys.Back:
		a.back()
	default:
		a.pages[a.at].Do(&a.x, b.Action)
	}
	return nil
}

func (a *app) filterKey(k dialog.Key) {
	switch k.Name {
	case "enter":
		a.filter = nil
	case "esc", "ctrl+c":
		a.filter = nil
		a.x.Filter = page.Filter{}
	default:
		a.filter.Key(k)
		a.x.Filter = page.ParseFilter(a.filter.String())
	}
}

// paste goes where text is edited. It is never a key.
func (a *app) paste(s string) {
	a.dirty = true
	switch {
	case a.overlay != nil:
		a.overlay.Paste(s)
	case a.filter != nil:
		a.filter.Insert(s)
		a.x.Filter = page.ParseFilter(a.filter.String())
	}
}

func (a *app) pageNames() []string {
	names := make([]string, len(a.screens()))
	for i, p := range a.screens() {
		names[i] = p.Name()
	}
	return names
}

// visit goes to a page, and to a thing on it.
func (a *app) visit(n int, ref id.Ref) {
	if n != a.at {
		a.last = a.at
		a.x.Filter = page.Filter{}
	}
	a.at = n
	if !ref.IsZero() && !a.pages[n].Open(&a.x, ref) {
		a.say(theme.Dim, ref.String()+" is not in this picture any more")
	}
	a.history = append(a.history[:a.histAt+1], place{n, ref})
	if extra := len(a.history) - historyMost; extra > 0 {
		a.history = append(a.history[:0:0], a.history[extra:]...)
	}
	a.histAt = len(a.history) - 1
}

// historyMost bounds [ and ].
const historyMost = 100

func (a *app) walk(way keys.Action) {
	n := a.histAt - 1
	if way == keys.HistFwd {
		n = a.histAt + 1
	}
	if n < 0 || n >= len(a.history) {
		a.say(theme.Dim, "that is the end of the history")
		return
	}
	a.histAt = n
	a.last, a.at = a.at, a.history[n].page
	if ref := a.history[n].ref; !ref.IsZero() {
		a.pages[a.at].Open(&a.x, ref)
	}
}

// goTo goes to the page that shows a thing.
func (a *app) goTo(ref id.Ref) {
	for i, p := range a.screens() {
		if p.Name() == page.PageOf(a.x.Status, ref.Kind) {
			a.visit(i, ref)
			return
		}
	}
	a.say(theme.Dim, "no page shows "+ref.String())
}

// back leaves what is open, else the filter, else goes to the overview.
func (a *app) back() {
	switch {
	case a.pages[a.at].Close(&a.x):
	case a.x.Filter.Text != "":
		a.x.Filter = page.Filter{}
	case a.at != 0:
		a.visit(0, id.Ref{})
	}
}

// nextProblem goes to the problem after the selected one.
func (a *app) nextProblem() {
	problems := a.x.Status.Problems
	if len(problems) == 0 {
		a.say(theme.OK, "no problem is open")
		return
	}
	at := slices.IndexFunc(problems, func(p api.Problem) bool { return p.Subject == a.target() })
	a.goTo(problems[(at+1)%len(problems)].Subject)
}

func (a *app) pause(on bool) {
	a.paused = on
	a.x.Live = !on
	if on {
		a.x.Now = a.x.Status.At
		a.x.Events = slices.Clip(a.x.Events)
		return
	}
	a.adopt()
}

// travel goes to the kept picture before or after.
func (a *app) travel(way keys.Action) {
	by := -1
	if way == keys.Later {
		by = 1
	}
	s := a.past.step(a.x.Status, by)
	switch {
	case s == nil && by > 0:
		if a.paused {
			a.pause(false)
			a.say(theme.Dim, "live again")
		}
		return
	case s == nil:
		a.say(theme.Dim, "that is the oldest picture that is kept")
		return
	}
	a.show(s)
}

// goAt goes to the picture of a moment: 12:03:58 in UTC, or -5m from now.
func (a *app) goAt(word string) {
	now := a.opt.Now().UTC()
	var t time.Time
	if ago, err := time.ParseDuration(word); err == nil && ago <= 0 {
		t = now.Add(ago)
	} else if clock, err := time.Parse("15:04:05", word); err == nil {
		t = time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, time.UTC)
		if t.After(now) {
			t = t.AddDate(0, 0, -1)
		}
	} else {
		a.say(theme.Warn, "at "+word+": write a time of day such as 12:03:58 (UTC), or -5m")
		return
	}
	s := a.past.before(t)
	switch {
	case s == nil:
		a.say(theme.Dim, "no picture is kept yet")
	case s.At.After(t):
		a.show(s)
		a.say(theme.Dim, "the oldest picture that is kept is of "+page.Clock(s.At))
	default:
		a.show(s)
	}
}

// show shows a picture of the past. All pages draw it, because they draw what
// they are given; acts are off.
func (a *app) show(s *api.Status) {
	a.paused, a.x.Live = true, false
	a.x.Status, a.x.Now = s, s.At
	n, _ := slices.BinarySearchFunc(a.events, s.Seq+1, func(e api.Event, seq api.Seq) int { return cmp.Compare(e.Seq, seq) })
	a.x.Events = a.events[:n:n]
	a.note = note{}
}

// copy puts text on the person's clipboard (OSC 52).
func (a *app) copy(s string) tea.Cmd {
	a.say(theme.Dim, "copied: "+s)
	return tea.SetClipboard(s)
}

// copyCLI copies what is staged as a command, or else the command that prints
// what the page shows.
func (a *app) copyCLI() tea.Cmd {
	if len(a.x.Staged) > 0 {
		return a.copy(api.Shell(a.stagedWeights()))
	}
	return a.copy("holdfast " + strings.Join(a.pages[a.at].Words(&a.x), " "))
}

func (a *app) click(m tea.MouseClickMsg) tea.Cmd {
	if a.overlay != nil || a.x.Status == nil || m.Button != tea.MouseLeft {
		return nil // the mouse cannot press what acts, and does not close what was typed
	}
	what := a.canvas.HitAt(m.X, m.Y)
	switch {
	case strings.HasPrefix(what, "screen:"):
		if n, err := strconv.Atoi(what[len("screen:"):]); err == nil {
			a.visit(n, id.Ref{})
		}
	case strings.HasPrefix(what, "key:"):
		if b, ok := keys.Find(what[len("key:"):], a.scopes()); ok && !b.Mutates {
			return a.do(b, b.Keys[0])
		}
	case what != "":
		a.pages[a.at].Click(&a.x, what)
	}
	return nil
}

func (a *app) wheel(m tea.MouseWheelMsg) tea.Cmd {
	if a.overlay != nil || a.x.Status == nil {
		return nil
	}
	way := keys.Down
	if m.Button == tea.MouseWheelUp {
		way = keys.Up
	}
	a.pages[a.at].Do(&a.x, way)
	return nil
}
