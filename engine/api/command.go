package api

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// Command is what a face may ask for. The set is closed: it is listed in
// Commands, and every face, the drill files and the wire read it from there.
//
//sumtype:decl
type Command interface {
	// Verb is the command's word on the command line and on the wire.
	Verb() string
	// Check is a dry run against a picture: why it would be refused, nil if it
	// would not. Warnings ask for a confirmation.
	Check(s *Status) []Refusal
	// Words is the same command as a shell would give it, without the program's
	// name.
	Words() []string
	// Sentence says what it does, as a sentence begins: "set the weight of …".
	Sentence() string
	// Targets are what it acts on.
	Targets() []id.Ref
	command()
}

// FaultKind is a way to break something.
type FaultKind string

// The faults.
const (
	FaultKill    FaultKind = "kill"    // SIGKILL; it stays dead until cleared
	FaultFreeze  FaultKind = "freeze"  // SIGSTOP; SIGCONT when cleared
	FaultSlow    FaultKind = "slow"    // every answer is late by Delay
	FaultRestart FaultKind = "restart" // SIGTERM, then started again at once
)

// FaultKinds lists the faults.
func FaultKinds() []FaultKind { return []FaultKind{FaultKill, FaultFreeze, FaultSlow, FaultRestart} }

// Limits of commands.
const (
	FaultForMax   = 24 * time.Hour
	FaultDelayMax = 60 * time.Second
	DrainForMax   = 24 * time.Hour
	SpecSizeMax   = 2 << 20 // bytes
)

type (
	// SetWeights changes the weights of backends, all together.
	SetWeights struct {
		Weights []Weight `json:"weights"`
	}
	// Weight is one backend's part of SetWeights.
	Weight struct {
		Backend string `json:"backend"`
		Weight  int    `json:"weight"` // 0 to 100
	}
	// Drain stops new flows to a backend, or to all backends of a host, and
	// closes what is left at the deadline.
	Drain struct {
		Target id.Ref        `json:"target"` // backend or host
		For    time.Duration `json:"for_ns"` // 0: the pool's drain_for
	}
	// Undrain takes a Drain back.
	Undrain struct {
		Target id.Ref `json:"target"`
	}
	// Force sets a backend's health whatever probes say.
	Force struct {
		Backend string  `json:"backend"`
		Health  Measure `json:"health"` // Up or Down
	}
	// Unforce gives a backend's health back to its probes.
	Unforce struct {
		Backend string `json:"backend"`
	}
	// InjectFault breaks something on purpose.
	InjectFault struct {
		Kind   FaultKind     `json:"kind"`
		Target id.Ref        `json:"target"`
		For    time.Duration `json:"for_ns,omitempty"`   // 0: until cleared
		Delay  time.Duration `json:"delay_ns,omitempty"` // FaultSlow
	}
	// ClearFault reverts a fault, or all of them.
	ClearFault struct {
		ID string `json:"id,omitempty"` // empty: all
	}
	// StartDrill runs a drill.
	StartDrill struct {
		Name string `json:"name"`
	}
	// AbortDrill stops the running drill and reverts its fault.
	AbortDrill struct{}
	// Apply replaces the spec, whole or not at all.
	Apply struct {
		Name string `json:"name"` // of the file, for error messages
		Text string `json:"text"` // YAML
		// Dir is where relative files of the spec are looked up.
		Dir string `json:"dir"`
		// Base is the revision that the text was made from; it is refused when
		// another one is in force. 0: whichever is in force.
		Base uint64 `json:"base,omitempty"`
	}
)

func (SetWeights) command()  {}
func (Drain) command()       {}
func (Undrain) command()     {}
func (Force) command()       {}
func (Unforce) command()     {}
func (InjectFault) command() {}
func (ClearFault) command()  {}
func (StartDrill) command()  {}
func (AbortDrill) command()  {}
func (Apply) command()       {}

// Respecs reports whether a command brings another spec.
func Respecs(c Command) bool {
	_, apply := c.(Apply)
	_, back := c.(Rollback)
	return apply || back
}

// Commands returns the zero value of every command.
func Commands() []Command {
	return []Command{SetWeights{}, Drain{}, Undrain{}, Force{}, Unforce{}, InjectFault{}, ClearFault{}, StartDrill{}, AbortDrill{}, Apply{}, Rollback{}, IssueToken{}, VoidToken{}, RemoveHost{}, RemovePerson{}, RotateKeys{}}
}

// Verb implements Command.
func (SetWeights) Verb() string { return "weight" }

// Verb implements Command.
func (Drain) Verb() string { return "drain" }

// Verb implements Command.
func (Undrain) Verb() string { return "undrain" }

// Verb implements Command.
func (Force) Verb() string { return "force" }

// Verb implements Command.
func (Unforce) Verb() string { return "unforce" }

// Verb implements Command.
func (InjectFault) Verb() string { return "fault" }

// Verb implements Command.
func (ClearFault) Verb() string { return "fault-clear" }

// Verb implements Command.
func (StartDrill) Verb() string { return "drill-run" }

// Verb implements Command.
func (AbortDrill) Verb() string { return "drill-abort" }

// Verb implements Command.
func (Apply) Verb() string { return "apply" }

// Words implements Command.
func (c SetWeights) Words() []string {
	words := []string{"weight"}
	for _, w := range c.Weights {
		words = append(words, fmt.Sprintf("backend/%s=%d", w.Backend, w.Weight))
	}
	return words
}

// Words implements Command.
func (c Drain) Words() []string {
	words := []string{"drain", c.Target.String()}
	if c.For > 0 {
		words = append(words, "--for", c.For.String())
	}
	return words
}

// Words implements Command.
func (c Undrain) Words() []string { return []string{"undrain", c.Target.String()} }

// Words implements Command.
func (c Force) Words() []string {
	return []string{"force", string(c.Health), id.To(id.KindBackend, c.Backend).String()}
}

// Words implements Command.
func (c Unforce) Words() []string {
	return []string{"unforce", id.To(id.KindBackend, c.Backend).String()}
}

// Words implements Command.
func (c InjectFault) Words() []string {
	words := []string{"fault", string(c.Kind), c.Target.String()}
	if c.Delay > 0 {
		words = append(words, "--delay", c.Delay.String())
	}
	if c.For > 0 {
		words = append(words, "--for", c.For.String())
	}
	return words
}

// Words implements Command.
func (c ClearFault) Words() []string {
	if c.ID == "" {
		return []string{"fault", "clear"}
	}
	return []string{"fault", "clear", c.ID}
}

// Words implements Command.
func (c StartDrill) Words() []string { return []string{"drill", "run", c.Name} }

// Words implements Command.
func (AbortDrill) Words() []string { return []string{"drill", "abort"} }

// Words implements Command.
func (c Apply) Words() []string { return based([]string{"apply", "-f", c.Name}, c.Base) }

// Sentence implements Command.
func (c SetWeights) Sentence() string {
	parts := make([]string, len(c.Weights))
	for i, w := range c.Weights {
		parts[i] = fmt.Sprintf("%s to %d", w.Backend, w.Weight)
	}
	return "set the weight of " + strings.Join(parts, ", ")
}

// Sentence implements Command.
func (c Drain) Sentence() string { return "drain " + c.Target.String() }

// Sentence implements Command.
func (c Undrain) Sentence() string { return "end the drain of " + c.Target.String() }

// Sentence implements Command.
func (c Force) Sentence() string { return fmt.Sprintf("force backend/%s %s", c.Backend, c.Health) }

// Sentence implements Command.
func (c Unforce) Sentence() string {
	return "give the health of backend/" + c.Backend + " back to its probes"
}

// Sentence implements Command.
func (c InjectFault) Sentence() string { return fmt.Sprintf("%s %s", c.Kind, c.Target) }

// Sentence implements Command.
func (c ClearFault) Sentence() string {
	if c.ID == "" {
		return "clear all faults"
	}
	return "clear fault " + c.ID
}

// Sentence implements Command.
func (c StartDrill) Sentence() string { return "run drill " + c.Name }

// Sentence implements Command.
func (AbortDrill) Sentence() string { return "abort the running drill" }

// Sentence implements Command.
func (c Apply) Sentence() string { return "apply " + c.Name }

// Targets implements Command.
func (c SetWeights) Targets() []id.Ref {
	refs := make([]id.Ref, len(c.Weights))
	for i, w := range c.Weights {
		refs[i] = id.To(id.KindBackend, w.Backend)
	}
	return refs
}

// Targets implements Command.
func (c Drain) Targets() []id.Ref { return []id.Ref{c.Target} }

// Targets implements Command.
func (c Undrain) Targets() []id.Ref { return []id.Ref{c.Target} }

// Targets implements Command.
func (c Force) Targets() []id.Ref { return []id.Ref{id.To(id.KindBackend, c.Backend)} }

// Targets implements Command.
func (c Unforce) Targets() []id.Ref { return []id.Ref{id.To(id.KindBackend, c.Backend)} }

// Targets implements Command.
func (c InjectFault) Targets() []id.Ref { return []id.Ref{c.Target} }

// Targets implements Command.
func (c ClearFault) Targets() []id.Ref {
	if c.ID == "" {
		return nil
	}
	return []id.Ref{id.To(id.KindFault, c.ID)}
}

// Targets implements Command.
func (c StartDrill) Targets() []id.Ref { return []id.Ref{id.To(id.KindDrill, c.Name)} }

// Targets implements Command.
func (AbortDrill) Targets() []id.Ref { return nil }

// Targets implements Command.
func (Apply) Targets() []id.Ref { return nil }

// Shell returns the command as it is typed in a shell.
func Shell(c Command) string {
	words := c.Words()
	quoted := make([]string, 0, len(words)+1)
	quoted = append(quoted, "holdfast")
	for _, w := range words {
		if strings.ContainsFunc(w, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:,%", r))
		}) || w == "" {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		quoted = append(quoted, w)
	}
	return strings.Join(quoted, " ")
}

// Confirmation returns the word that a person must type for a command, and the
// empty string for one that needs none. A command needs one when its check
// warns, and when it breaks something on purpose in production. What only the
// fleet knows of a spec may need one too: a receipt says so.
func Confirmation(c Command, s *Status) string {
	need := slices.ContainsFunc(Check(c, s), func(r Refusal) bool { return r.Warning })
	switch c.(type) {
	case InjectFault, StartDrill, Apply, Rollback:
		need = need || s.Production
	case SetWeights, Drain, Undrain, Force, Unforce, ClearFault, AbortDrill, IssueToken, VoidToken, RemoveHost, RemovePerson, RotateKeys:
	}
	if !need {
		return ""
	}
	return ConfirmWord(c, s)
}

// ConfirmWord is what a person types to confirm a command that needs it.
func ConfirmWord(c Command, s *Status) string {
	if targets := c.Targets(); len(targets) > 0 {
		return targets[0].Name
	}
	if p, ok := c.(RemovePerson); ok { // people are no things of the picture
		return p.Person
	}
	return s.Fleet
}
