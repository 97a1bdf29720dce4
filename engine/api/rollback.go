package api

import (
	"fmt"
	"strconv"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// Rollback puts the text of an earlier revision into force again, as a new
// revision.
type Rollback struct {
	Rev uint64 `json:"rev"`
	// Base is the revision from which one goes back; 0: whichever is in force.
	Base uint64 `json:"base,omitempty"`
}

func (Rollback) command() {}

// Verb implements Command.
func (Rollback) Verb() string { return "rollback" }

// Words implements Command.
func (c Rollback) Words() []string {
	return based([]string{"rollback", strconv.FormatUint(c.Rev, 10)}, c.Base)
}

// based adds the revision that a command was made from.
func based(words []string, base uint64) []string {
	if base == 0 {
		return words
	}
	return append(words, "--base", strconv.FormatUint(base, 10))
}

// Sentence implements Command.
func (c Rollback) Sentence() string { return fmt.Sprintf("go back to revision %d", c.Rev) }

// Targets implements Command.
func (Rollback) Targets() []id.Ref { return nil }

// Check implements Command. Whether what it takes away serves users is for the
// fleet to say, which has the text.
func (c Rollback) Check(s *Status) []Refusal {
	switch {
	case c.Rev == 0 || c.Rev > s.Rev:
		return []Refusal{{Reason: ReasonNoSuchRevision, Detail: fmt.Sprintf("%d; revision %d is in force, and holdfast history lists those before it", c.Rev, s.Rev)}}
	case c.Rev == s.Rev:
		return []Refusal{{Reason: ReasonNothingToDo, Detail: fmt.Sprintf("revision %d is in force", c.Rev)}}
	case c.Rev < s.RevFirst:
		return []Refusal{{Reason: ReasonNoSuchRevision, Detail: fmt.Sprintf("%d; those before %d are not kept", c.Rev, s.RevFirst)}}
	}
	return respec(c.Base, s)
}

// respec is why another spec cannot come into force now, whatever it says. base
// is the revision that it was made from; 0: nobody said.
func respec(base uint64, s *Status) []Refusal {
	if base != 0 && base != s.Rev {
		return []Refusal{{Reason: ReasonOtherRevision, Detail: fmt.Sprintf("it was made from revision %d, and %d is in force: look at what it changes now, and ask again from there", base, s.Rev)}}
	}
	for i := range s.Drills {
		if s.Drills[i].Phase.Live() {
			return []Refusal{{Reason: ReasonDrillRunning, Target: id.To(id.KindDrill, s.Drills[i].Name)}}
		}
	}
	return nil
}
