package keys

import (
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// Scope is where a key means something.
type Scope string

// The scopes. A page has one of its own; Rows are pages with a list; the On
// scopes are what is selected; Drilling holds while a drill is under way.
const (
	Global    Scope = "everywhere"
	Rows      Scope = "lists"
	Pools     Scope = "pools"
	Drilling  Scope = "while a drill runs"
	Staging   Scope = "staged weights"
	OnBackend Scope = "on a backend"
	OnHost    Scope = "on a host"
	OnDrill   Scope = "on a drill"
	OnFault   Scope = "on a fault"
)

// Action is what a key does, apart from which key it is.
type Action string

// The actions that are not commands.
const (
	Quit     Action = "quit"
	Help     Action = "help"
	Palette  Action = "palette"
	Filter   Action = "filter"
	NextBad  Action = "next problem"
	Explain  Action = "explain"
	CopyCLI  Action = "copy CLI"
	CopyID   Action = "copy id"
	Pause    Action = "pause"
	Earlier  Action = "earlier"
	Later    Action = "later"
	Back     Action = "back"
	HistBack Action = "history back"
	HistFwd  Action = "history forward"
	LastPage Action = "last screen"
	Open     Action = "open"
	Up       Action = "up"
	Down     Action = "down"
	First    Action = "first"
	Last     Action = "last"
	PageUp   Action = "page up"
	PageDown Action = "page down"
	Pane     Action = "pane"
	PaneBack Action = "pane back"
	Mark     Action = "mark"
	Sort     Action = "sort"
	Reverse  Action = "reverse"
	Wide     Action = "wide"
	HideOK   Action = "hide healthy"
	Redraw   Action = "redraw"
	Screen   Action = "screen"
	More10   Action = "+10"
	Less10   Action = "-10"
	More1    Action = "+1"
	Less1    Action = "-1"
	Unstage  Action = "unstage"
	Apply    Action = "apply"
	Undo     Action = "take back"
	Act      Action = "act" // Binding.Command says what
)

// Binding is one line of the table.
type Binding struct {
	Keys    []string // as the terminal library names them
	Show    string   // as people read it
	Scope   Scope
	Words   string // for the footer
	Help    string // for the help, a sentence without its full stop
	Action  Action
	Mutates bool
	// Command makes the command of a key that acts on what is selected.
	Command func(s *api.Status, on id.Ref) api.Command
	// Foot is the place in the footer, 0 not there. Low ones are kept longest.
	Foot int
	// FootShow and FootWords are what the footer says where one entry stands
	// for several keys.
	FootShow, FootWords string
}

// SlowDelay is what S adds to every answer of a backend: far above what people
// call fast, far below any time-out. The palette takes other values.
const SlowDelay = 500 * time.Millisecond

func fault(kind api.FaultKind) func(*api.Status, id.Ref) api.Command {
	return func(_ *api.Status, on id.Ref) api.Command {
		c := api.InjectFault{Kind: kind, Target: on}
		if kind == api.FaultSlow {
			c.Delay = SlowDelay
		}
		return c
	}
}

func clearFault(s *api.Status, on id.Ref) api.Command {
	if on.Kind == id.KindFault {
		return api.ClearFault{ID: on.Name}
	}
	for i := range s.Faults {
		if s.Faults[i].Target == on {
			return api.ClearFault{ID: s.Faults[i].ID}
		}
	}
	return api.ClearFault{ID: on.Name} // its Check says that there is none
}

func drain(_ *api.Status, on id.Ref) api.Command   { return api.Drain{Target: on} }
func undrain(_ *api.Status, on id.Ref) api.Command { return api.Undrain{Target: on} }
func force(m api.Measure) func(*api.Status, id.Ref) api.Command {
	return func(_ *api.Status, on id.Ref) api.Command { return api.Force{Backend: on.Name, Health: m} }
}

var table = []Binding{
	{Keys: []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}, Show: "1-9", Scope: Global, Words: "screen", Help: "go to a screen", Action: Screen, Foot: 60},
	{Keys: []string{"!"}, Show: "!", Scope: Global, Words: "next problem", Help: "go to the next problem: the worst first, then the newest", Action: NextBad, Foot: 62},
	{Keys: []string{"enter"}, Show: "enter", Scope: Global, Words: "open", Help: "open what is selected", Action: Open, Foot: 61},
	{Keys: []string{"/"}, Show: "/", Scope: Global, Words: "filter", Help: "filter: text, !text, state:warn, site:tokyo", Action: Filter, Foot: 66},
	{Keys: []string{":"}, Show: ":", Scope: Global, Words: "command", Help: "type a command, in the words of the command line", Action: Palette, Foot: 65},
	{Keys: []string{"e"}, Show: "e", Scope: Global, Words: "explain", Help: "why is it so: the chain of causes", Action: Explain, Foot: 63},
	{Keys: []string{"p"}, Show: "p", Scope: Global, Words: "pause", Help: "stop and go on with the live picture", Action: Pause, Foot: 70},
	{Keys: []string{"<"}, Show: "<", Scope: Global, Words: "earlier", Help: "the kept picture before; acts are off", Action: Earlier, Foot: 71},
	{Keys: []string{">"}, Show: ">", Scope: Global, Words: "later", Help: "the kept picture after", Action: Later},
	{Keys: []string{"c"}, Show: "c", Scope: Global, Words: "copy CLI", Help: "copy what is seen or staged as a shell command", Action: CopyCLI, Foot: 64},
	{Keys: []string{"y"}, Show: "y", Scope: Global, Words: "copy id", Help: "copy kind/name of what is selected", Action: CopyID},
	{Keys: []string{"v"}, Show: "v", Scope: Global, Words: "wide", Help: "wide tables: the list takes the whole width", Action: Wide},
	{Keys: []string{"."}, Show: ".", Scope: Global, Words: "hide healthy", Help: "hide what is healthy or done, and show it again", Action: HideOK},
	{Keys: []string{"esc", "backspace"}, Show: "esc", Scope: Global, Words: "back", Help: "close, clear the filter, or go back", Action: Back, Foot: 67},
	{Keys: []string{"["}, Show: "[", Scope: Global, Words: "history back", Help: "the screen before, in history", Action: HistBack},
	{Keys: []string{"]"}, Show: "]", Scope: Global, Words: "history forward", Help: "the screen after, in history", Action: HistFwd},
	{Keys: []string{"`"}, Show: "`", Scope: Global, Words: "last screen", Help: "the screen where you were last", Action: LastPage},
	{Keys: []string{"ctrl+l"}, Show: "ctrl+l", Scope: Global, Words: "redraw", Help: "draw everything again", Action: Redraw},
	{Keys: []string{"?"}, Show: "?", Scope: Global, Words: "help", Help: "these keys; enter runs one", Action: Help, Foot: 68},
	{Keys: []string{"q", "ctrl+c"}, Show: "q", Scope: Global, Words: "quit", Help: "leave the console; ctrl+c closes a dialog first", Action: Quit, Foot: 69},

	{Keys: []string{"up", "k"}, Show: "↑ k", Scope: Rows, Words: "up", Help: "one row up", Action: Up},
	{Keys: []string{"down", "j"}, Show: "↓ j", Scope: Rows, Words: "down", Help: "one row down", Action: Down},
	{Keys: []string{"g", "home"}, Show: "g", Scope: Rows, Words: "first", Help: "the first row", Action: First},
	{Keys: []string{"G", "end"}, Show: "end", Scope: Rows, Words: "last", Help: "the last row", Action: Last},
	{Keys: []string{"pgup", "ctrl+u"}, Show: "pgup", Scope: Rows, Words: "page up", Help: "half a page up", Action: PageUp},
	{Keys: []string{"pgdown", "ctrl+d"}, Show: "pgdn", Scope: Rows, Words: "page down", Help: "half a page down", Action: PageDown},
	{Keys: []string{"tab"}, Show: "tab", Scope: Rows, Words: "pane", Help: "the other pane", Action: Pane, Foot: 72},
	{Keys: []string{"shift+tab"}, Show: "shift+tab", Scope: Rows, Words: "pane", Help: "the pane before", Action: PaneBack},
	{Keys: []string{"space"}, Show: "space", Scope: Rows, Words: "mark", Help: "mark a row; weights are staged for all marked ones", Action: Mark},
	{Keys: []string{"s"}, Show: "s", Scope: Rows, Words: "sort", Help: "sort by the next column", Action: Sort, Foot: 73},
	{Keys: []string{"r"}, Show: "r", Scope: Rows, Words: "reverse", Help: "turn the order round", Action: Reverse},

	{Keys: []string{"+"}, Show: "+", Scope: OnBackend, Words: "+10", Help: "stage a weight 10 higher; nothing changes until A", Action: More10, Foot: 11, FootShow: "+ -", FootWords: "weight"},
	{Keys: []string{"-"}, Show: "-", Scope: OnBackend, Words: "-10", Help: "stage a weight 10 lower", Action: Less10},
	{Keys: []string{"="}, Show: "=", Scope: OnBackend, Words: "+1", Help: "stage a weight 1 higher", Action: More1},
	{Keys: []string{"_"}, Show: "_", Scope: OnBackend, Words: "-1", Help: "stage a weight 1 lower", Action: Less1},
	{Keys: []string{"u"}, Show: "u", Scope: Staging, Words: "unstage", Help: "drop the staged weight of the row, or all of them", Action: Unstage, Foot: 14},
	{Keys: []string{"A"}, Show: "A", Scope: Staging, Words: "apply", Help: "apply the staged weights, all together", Action: Apply, Mutates: true, Foot: 13},

	{Keys: []string{"D"}, Show: "D", Scope: OnBackend, Words: "drain", Help: "take no new flows; what is left ends at the deadline", Action: Act, Mutates: true, Command: drain, Foot: 15},
	{Keys: []string{"E"}, Show: "E", Scope: OnBackend, Words: "end drain", Help: "take new flows again", Action: Act, Mutates: true, Command: undrain, Foot: 16},
	{Keys: []string{"U"}, Show: "U", Scope: OnBackend, Words: "force up", Help: "use it whatever its probes say", Action: Act, Mutates: true, Command: force(api.Up), Foot: 80},
	{Keys: []string{"N"}, Show: "N", Scope: OnBackend, Words: "force down", Help: "do not use it whatever its probes say", Action: Act, Mutates: true, Command: force(api.Down), Foot: 81},
	{Keys: []string{"P"}, Show: "P", Scope: OnBackend, Words: "to probes", Help: "give its health back to its probes", Action: Act, Mutates: true, Command: func(_ *api.Status, on id.Ref) api.Command { return api.Unforce{Backend: on.Name} }, Foot: 82},
	{Keys: []string{"K"}, Show: "K", Scope: OnBackend, Words: "kill", Help: "fault: SIGKILL its process; it stays dead until C", Action: Act, Mutates: true, Command: fault(api.FaultKill), Foot: 17},
	{Keys: []string{"F"}, Show: "F", Scope: OnBackend, Words: "freeze", Help: "fault: SIGSTOP its process until C", Action: Act, Mutates: true, Command: fault(api.FaultFreeze), Foot: 83},
	{Keys: []string{"S"}, Show: "S", Scope: OnBackend, Words: "slow", Help: "fault: every answer 500 ms late until C", Action: Act, Mutates: true, Command: fault(api.FaultSlow), Foot: 84},
	{Keys: []string{"T"}, Show: "T", Scope: OnBackend, Words: "restart", Help: "fault: SIGTERM, then start it again at once", Action: Act, Mutates: true, Command: fault(api.FaultRestart), Foot: 85},
	{Keys: []string{"C"}, Show: "C", Scope: OnBackend, Words: "clear fault", Help: "take back the fault that is in force on it", Action: Act, Mutates: true, Command: clearFault, Foot: 18},
	{Keys: []string{"C"}, Show: "C", Scope: OnFault, Words: "clear fault", Help: "take the fault back", Action: Act, Mutates: true, Command: clearFault, Foot: 10},
	{Keys: []string{"D"}, Show: "D", Scope: OnHost, Words: "drain host", Help: "drain every backend of the host", Action: Act, Mutates: true, Command: drain, Foot: 10},
	{Keys: []string{"E"}, Show: "E", Scope: OnHost, Words: "end drain", Help: "end the drain of every backend of the host", Action: Act, Mutates: true, Command: undrain, Foot: 11},
	{Keys: []string{"R"}, Show: "R", Scope: OnDrill, Words: "run", Help: "run the drill: fault, stopwatch, revert, verdict", Action: Act, Mutates: true, Command: func(_ *api.Status, on id.Ref) api.Command { return api.StartDrill{Name: on.Name} }, Foot: 10},
	{Keys: []string{"X"}, Show: "X", Scope: Drilling, Words: "abort drill", Help: "abort the drill and revert its fault; y says yes", Action: Act, Mutates: true, Command: func(*api.Status, id.Ref) api.Command { return api.AbortDrill{} }, Foot: 1},
	{Keys: []string{"Z"}, Show: "Z", Scope: Global, Words: "take back", Help: "take the last act back, for ten seconds, where there is a way back", Action: Undo, Mutates: true},
}

// Table returns the table.
func Table() []Binding { return slices.Clone(table) }

// Find returns the binding of a key in the scopes that hold, the narrowest
// scope first: the order of scopes is the order of preference.
func Find(key string, scopes []Scope) (Binding, bool) {
	for _, scope := range scopes {
		for i := range table {
			if table[i].Scope == scope && slices.Contains(table[i].Keys, key) {
				return table[i], true
			}
		}
	}
	return Binding{}, false
}

// In returns the bindings of the scopes, in the order of the scopes.
func In(scopes []Scope) []Binding {
	var all []Binding
	for _, scope := range scopes {
		for i := range table {
			if table[i].Scope == scope {
				all = append(all, table[i])
			}
		}
	}
	return all
}

// ScopeOf is the scope of acts on a kind of thing.
func ScopeOf(kind id.Kind) (Scope, bool) {
	switch kind {
	case id.KindBackend:
		return OnBackend, true
	case id.KindHost:
		return OnHost, true
	case id.KindDrill:
		return OnDrill, true
	case id.KindFault:
		return OnFault, true
	case id.KindFleet, id.KindSite, id.KindListener, id.KindPool, id.KindClients, id.KindLink, id.KindGroup:
	}
	return "", false
}
