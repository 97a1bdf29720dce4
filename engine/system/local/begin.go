package local

import (
	"errors"
	"fmt"
	"io"

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
	// Words are what operators had set in the fleet before.
	Words []fleet.Word
}

// Begin says what a fleet begins with: what was asked for, if its Spec is set, or
// else the spec that was applied in the state directory last, or else what
// standard returns, whose name for people is name. Which of them it is, and what
// became of another, is told to the person. What operators had set is added.
func Begin(state *statedir.Dir, asked Beginning, standard func() (Beginning, error), name string, tell io.Writer) (Beginning, error) {
	b, err := begin(state, asked, standard, name, tell)
	if err == nil {
		err = b.goOn(state, tell)
	}
	return b, err
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
		return Beginning{Spec: f, Text: kept.Text, Rev: kept.Revision, From: "it goes on with " + kept.String()}, nil
	case asked.Text == kept.Text:
		asked.Rev, asked.From = kept.Revision, "it goes on with "+kept.String()
		return asked, nil
	}
	aside, err := state.SetAside(kept)
	if err != nil {
		return Beginning{}, err
	}
	_, _ = fmt.Fprintf(tell, "the fleet begins with what you name. What was in force here is set aside: %s; «holdfast apply -f %s» brings it back\n", kept, aside)
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
