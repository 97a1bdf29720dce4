package theme

import "github.com/holdfast-edge/holdfast/engine/api"

// Look is how a state is shown: by shape, by word and by colour, so that no one
// of them is needed to read it.
type Look struct {
	Glyph rune
	Word  string // at most WordWidth cells; CAPITAL when it is an alarm
	Token Token
}

// WordWidth is the width of the longest state word.
const WordWidth = 6

// LookWidth is the width of a look: glyph, blank, word.
const LookWidth = 2 + WordWidth

// OfState is the look of a plain state.
func OfState(s api.State) Look {
	switch s {
	case api.StateOK:
		return Look{'●', "ok", OK}
	case api.StateDegraded:
		return Look{'▲', "warn", Warn}
	case api.StateDown:
		return Look{'✗', "DOWN", Badge}
	case api.StateUnknown:
		return Look{'?', "?", Warn}
	}
	return Look{'?', "?", Warn}
}

// OfAgent is the look of a host's agent. That it stopped, that its host is dead and
// that its link is cut are three looks.
func OfAgent(s api.AgentState) Look {
	switch s {
	case api.AgentAlive:
		return Look{'●', "alive", OK}
	case api.AgentSuspected:
		return Look{'▲', "quiet", Warn}
	case api.AgentCut:
		return Look{'⇄', "CUT", Warn}
	case api.AgentStopped:
		return Look{'◇', "STOP", Crit}
	case api.AgentDead:
		return Look{'✗', "DEAD", Badge}
	case api.AgentUnknown:
	}
	return Look{'?', "?", Warn}
}

// OfBackend is the look of a backend: what a person or a drain did to it is
// told from what probes say of it.
func OfBackend(b *api.Backend) Look {
	switch {
	case b.Health.Forced == api.Down:
		return Look{'◇', "forced", Maint}
	case b.State == api.StateDown:
		return OfState(api.StateDown)
	}
	switch b.Phase {
	case api.PhaseDraining:
		return Look{'◐', "drain", Info}
	case api.PhaseDrained:
		return Look{'◇', "empty", Maint}
	case api.PhaseEjected:
		return Look{'▲', "eject", Warn}
	case api.PhaseRising:
		return Look{'◐', "rise", Info}
	case api.PhaseStandby:
		return Look{'●', "spare", Dim}
	case api.PhaseIdle:
		return Look{'◇', "idle", Maint}
	case api.PhaseOut:
		if b.State == api.StateUnknown {
			return OfState(api.StateUnknown)
		}
		return OfState(api.StateDown)
	case api.PhaseServing:
	}
	return OfState(b.State)
}

// OfDrill is the look of a drill's phase.
func OfDrill(p api.DrillPhase) Look {
	switch p {
	case api.DrillChecking, api.DrillRunning, api.DrillReverting, api.DrillSettling:
		return Look{'◐', "runs", Info}
	case api.DrillPassed:
		return Look{'●', "pass", OK}
	case api.DrillFailed:
		return Look{'✗', "FAIL", Badge}
	case api.DrillAborted:
		return Look{'◇', "abort", Maint}
	case api.DrillRefused:
		return Look{'▲', "no", Warn}
	case api.DrillIdle:
		return Look{'?', "never", Warn}
	}
	return Look{'?', "?", Warn}
}

// ascii maps each glyph that pages use to one of ASCII.
var ascii = map[rune]rune{
	'●': 'o', '▲': '!', '✗': 'X', '✓': 'v', '◐': '~', '◇': '#', '▵': '^', '░': '_', '▓': '=',
	'·': '.', '⇄': '=', '○': 'o', '▌': '>', '━': '=', '╸': '>', '─': '-', '│': '|', '╭': '+', '╮': '+',
	'╰': '+', '╯': '+', '├': '+', '┤': '+', '▁': '_', '▂': '_', '▃': '.', '▄': '-', '▅': '-',
	'▆': '=', '▇': '=', '█': '#', '▀': '"', '→': '>', '←': '<', '↑': '^', '↓': 'v', '›': '>', '…': '~',
	'–': '-', '×': 'x', '┃': '|', '▏': '|', '⌃': '^',
}

// ASCIIGlyph is the glyph of ASCII that stands for r.
func ASCIIGlyph(r rune) rune {
	if r < 0x80 {
		return r
	}
	if a, ok := ascii[r]; ok {
		return a
	}
	return '?'
}

// Glyphs lists every glyph that pages use beyond ASCII, for the test that each
// is one cell wide.
func Glyphs() []rune {
	all := make([]rune, 0, len(ascii))
	for r := range ascii {
		all = append(all, r)
	}
	return all
}
