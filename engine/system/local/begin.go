package local

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/specfile"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// Beginning is what a fleet begins with.
type Beginning struct {
	Spec *spec.Fleet
	Text string
	Rev  uint64 // of a spec that goes on; 0 for a fresh one
	From string // how it came to be
	// Name and Dir are of the file, By is who begins the fleet.
	Name, Dir, By string
	// Revisions are those of the fleet before.
	Revisions []api.Revision
	// Words are what operators had set in the fleet before.
	Words []fleet.Word

	kept *statedir.Kept // that it goes on with, or takes the place of
}

// Begin says what a fleet begins with: what was asked for, if its Spec is set, or
// else the spec that was applied in the state directory last, or else what
// standard returns, whose name for people is name. Which of them it is, and what
// became of another, is told to the person. What operators had set is added.
func Begin(state *statedir.Dir, asked Beginning, standard func() (Beginning, error), name string, tell io.Writer) (Beginning, error) {
	b, err := begin(state, asked, standard, name, tell)
	if err != nil {
		return b, err
	}
	b.history(state, tell)
	return b, b.goOn(state, tell)
}

// history adds the revisions of the fleets before. A spec that is the newest of
// them, word for word, is the same revision again.
func (b *Beginning) history(state *statedir.Dir, tell io.Writer) {
	all, lost := state.Revisions()
	for _, l := range lost { // what is left is better than nothing
		_, _ = fmt.Fprintf(tell, "holdfast: %s\n", l)
	}
	if k := b.kept; k != nil && !slices.ContainsFunc(all, func(r api.Revision) bool { return r.Rev == k.Revision }) {
		all = append(all, api.Revision{Rev: k.Revision, Name: k.Name, Dir: k.Dir, At: k.At, By: k.By, Why: k.Why, How: api.HowApply, Size: len(k.Text), Text: k.Text})
	}
	b.Revisions = all
	if n := len(all); n > 0 && b.Rev == 0 && all[n-1].Text == b.Text && all[n-1].Dir == b.Dir {
		b.Rev = all[n-1].Rev
	}
}

func begin(state *statedir.Dir, asked Beginning, standard func() (Beginning, error), name string, tell io.Writer) (Beginning, error) {
	kept, ok, err := state.Kept()
	var torn *statedir.TornError
	switch {
	case errors.As(err, &torn) && asked.Spec != nil:
		_, _ = fmt.Fprintf(tell, "holdfast: %s\n", err)
		return asked, nil
	case err != nil:
		return Beginning{}, err
	case !ok && asked.Spec == nil:
		return standard()
	case !ok:
		return asked, nil
	case asked.Spec == nil:
		f, err := specfile.Read(kept.Name, []byte(kept.Text), kept.Dir)
		if err != nil {
			return Beginning{}, fmt.Errorf("the fleet would go on with %s, as kept in %s, and cannot:\n%w\nmend that, or start with another spec: «holdfast up FILE»", kept, state.Path, err)
		}
		_, _ = fmt.Fprintf(tell, "the fleet goes on with %s. «holdfast up %s» begins with the default profile instead\n", kept, name)
		return Beginning{Spec: f, Text: kept.Text, Rev: kept.Revision, Name: kept.Name, Dir: kept.Dir, kept: &kept, From: "it goes on with " + kept.String()}, nil
	case asked.Text == kept.Text:
		asked.kept = &kept
		asked.Rev, asked.From = kept.Revision, "it goes on with "+kept.String()
		return asked, nil
	}
	aside, err := state.SetAside(kept)
	if err != nil {
		return Beginning{}, err
	}
	_, _ = fmt.Fprintf(tell, "the fleet begins with what you name. What was in force here is set aside: %s; «holdfast apply -f %s» brings it back\n", kept, aside)
	asked.kept = &kept
	asked.From = "it takes the place of " + kept.String()
	return asked, nil
}

// goOn adds what operators had set in the fleet before: it holds for every
// backend that is still there, also under another spec of the same fleet. A
// fleet of another name has words of its own.
func (b *Beginning) goOn(state *statedir.Dir, tell io.Writer) error {
	words, err := state.Words(b.Spec.Name)
	var torn *statedir.TornWordsError
	add := ""
	switch {
	case errors.As(err, &torn): // its users are better served without than not at all
		add = torn.Error()
	case err != nil:
		return err
	case len(words) > 0:
		b.Words, add = words, "what operators had set holds: "+fleet.Say(words)
	default:
		return nil
	}
	_, _ = fmt.Fprintf(tell, "fleet %s: %s\n", b.Spec.Name, add)
	if b.From != "" {
		b.From += "; "
	}
	b.From += add
	return nil
}
