package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Words are all that operators have set and not taken back. Faults and drills
// are not among them: they end with their fleet.
type Words struct {
	Fleet string
	All   []Word // by backend, then by verb
}

// Word is one thing that somebody set.
type Word struct {
	Backend string        `json:"backend"`
	Verb    string        `json:"verb"` // of the command: weight, drain or force
	Weight  int           `json:"weight,omitempty"`
	Over    int           `json:"over,omitempty"` // the spec's weight that it overrides
	For     time.Duration `json:"for_ns,omitempty"`
	Health  api.Measure   `json:"health,omitempty"`
	By      string        `json:"by,omitempty"`
	At      time.Time     `json:"at"`
}

// String says it: drain of b1 by kim on 24 November 2026 at 12:00:00 UTC.
func (w Word) String() string {
	s := w.Verb + " of " + w.Backend
	switch w.Verb {
	case verbWeight:
		s = fmt.Sprintf("weight %d of %s", w.Weight, w.Backend)
	case verbForce:
		s = w.Backend + " forced " + string(w.Health)
	}
	if w.By != "" {
		s += " by " + w.By
	}
	return s + " on " + w.At.Format("2 January 2006 at 15:04:05 MST")
}

var verbWeight, verbDrain, verbForce = api.SetWeights{}.Verb(), api.Drain{}.Verb(), api.Force{}.Verb()

// words are what is set in a fleet of this spec.
func (o *operator) words(s *spec.Fleet) []Word {
	if s == nil || len(o.weights)+len(o.drains)+len(o.forced) == 0 {
		return nil
	}
	var all []Word
	for i := range s.Pools {
		for j := range s.Pools[i].Backends {
			b := &s.Pools[i].Backends[j]
			if w, ok := o.drains[b.Name]; ok {
				all = append(all, Word{Backend: b.Name, Verb: verbDrain, For: w.value.For, By: w.by, At: w.at})
			}
			if w, ok := o.forced[b.Name]; ok {
				all = append(all, Word{Backend: b.Name, Verb: verbForce, Health: w.value, By: w.by, At: w.at})
			}
			if w, ok := o.weights[b.Name]; ok {
				all = append(all, Word{Backend: b.Name, Verb: verbWeight, Weight: w.value, Over: b.WeightNow(), By: w.by, At: w.at})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Word) int { return cmp.Compare(a.Backend, b.Backend) })
	return all
}

// restore takes the words of the fleet before this one, and returns those that
// do not go with the spec: a backend that is gone, a weight that the spec has
// changed, and what this program cannot read.
func (o *operator) restore(all []Word, s *spec.Fleet, cause api.Seq) (lost []Word) {
	weights := map[string]int{}
	for i := range s.Pools {
		for _, b := range s.Pools[i].Backends {
			weights[b.Name] = b.WeightNow()
		}
	}
	for _, w := range all {
		over, known := weights[w.Backend]
		switch {
		case !known:
			lost = append(lost, w)
		case w.Verb == verbWeight && over == w.Over && w.Weight >= 0 && w.Weight <= spec.WeightMax:
			o.weights[w.Backend] = word[int]{w.Weight, w.By, w.At, cause}
		case w.Verb == verbDrain && w.For >= 0 && w.For <= api.DrainForMax:
			o.drains[w.Backend] = word[api.Drain]{api.Drain{Target: id.To(id.KindBackend, w.Backend), For: w.For}, w.By, w.At, cause}
		case w.Verb == verbForce && (w.Health == api.Up || w.Health == api.Down):
			o.forced[w.Backend] = word[api.Measure]{w.Health, w.By, w.At, cause}
		default:
			lost = append(lost, w)
		}
	}
	return lost
}

// goOn brings the words of the fleet before this one into force. cause is the
// event of the start.
func (f *Fleet) goOn(now instant.Instant, all []Word, cause api.Seq, out *Effects) {
	if len(all) == 0 {
		return
	}
	lost := f.operator.restore(all, f.spec, cause)
	for _, h := range f.hostNames() {
		for _, o := range f.operator.all(f.hostsBackends(h)) {
			out.Hosts = append(out.Hosts, ToHost{h, o})
		}
	}
	f.drop(now, lost, cause, "", out)
}

// drop says which words ended with a change of the spec, and has the rest kept.
func (f *Fleet) drop(now instant.Instant, lost []Word, cause api.Seq, receipt string, out *Effects) {
	if len(lost) == 0 {
		return
	}
	f.emit(api.Event{
		At: f.options.Origin.Wall(now), Subject: id.To(id.KindFleet, f.spec.Name), Lane: api.LaneFleet, State: api.StateOK, Cause: cause, Receipt: receipt,
		Text: "what operators had set ends where the spec changed it: " + count(len(lost), "word"), Reason: Say(lost),
	}, out)
	f.keepWords(out)
}

// keepWords has what operators have set kept over a restart.
func (f *Fleet) keepWords(out *Effects) {
	out.Words = &Words{Fleet: f.spec.Name, All: f.operator.words(f.spec)}
}

// sayMax is how many words a sentence lists.
const sayMax = 5

// Say lists words for people: the first few, and how many more there are.
func Say(all []Word) string {
	var b strings.Builder
	for i, w := range all {
		if i == sayMax {
			fmt.Fprintf(&b, ", and %d more", len(all)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(w.String())
	}
	return b.String()
}

// minus are the words of a that b does not have, whatever they say there.
func minus(a, b []Word) []Word {
	return slices.DeleteFunc(slices.Clone(a), func(w Word) bool {
		return slices.ContainsFunc(b, func(x Word) bool { return x.Backend == w.Backend && x.Verb == w.Verb })
	})
}
