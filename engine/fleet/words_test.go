package fleet_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/id"
	"pgregory.net/rapid"
)

// asked is what a picture says that operators have set.
func asked(s *api.Status) map[string]api.Asked {
	all := map[string]api.Asked{}
	for _, b := range s.Backends {
		all[b.Name] = b.Asked
	}
	return all
}

// TestWordsGoOn: whatever operators set and took back, the next fleet that is
// given the words that were to be kept shows the same, and so do its hosts.
func TestWordsGoOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, story)
		w.run(time.Second)
		texts := []string{
			story, strings.Replace(story, "port: 9001,", "port: 9001, weight: 7,", 1),
			strings.Replace(story, "      - {name: b2, host: h2, port: 9002, service: {}}\n", "", 1),
		}
		text := story
		for range rapid.IntRange(1, 12).Draw(t, "commands") {
			b := rapid.SampledFrom([]string{"b1", "b2"}).Draw(t, "backend")
			confirm := rapid.SampledFrom([]string{b, "shop"}).Draw(t, "confirm")
			var c api.Command
			switch rapid.IntRange(0, 5).Draw(t, "command") {
			case 0:
				c = api.SetWeights{Weights: []api.Weight{{Backend: b, Weight: rapid.IntRange(0, 9).Draw(t, "weight")}}}
			case 1:
				c = api.Drain{Target: id.To(id.KindBackend, b), For: time.Minute}
			case 2:
				c = api.Undrain{Target: id.To(id.KindBackend, b)}
			case 3:
				c = api.Force{Backend: b, Health: rapid.SampledFrom([]api.Measure{api.Up, api.Down}).Draw(t, "health")}
			case 4:
				c = api.Unforce{Backend: b}
			case 5:
				next := rapid.SampledFrom(texts).Draw(t, "spec")
				if w.askSpec(t, next, confirm).OK {
					text = next
				}
				continue
			}
			w.ask(c, confirm)
		}
		w.run(time.Second)
		var words []fleet.Word
		if w.words != nil {
			words = w.words.All
		}
		after := nextWorld(t, text, words)
		after.run(time.Second)
		was, is := asked(w.picture), asked(after.picture)
		for name, a := range was {
			if is[name] != a {
				t.Fatalf("%s had %+v and has %+v, by %+v", name, a, is[name], words)
			}
		}
		for _, h := range after.hosts {
			for _, b := range h.Status(after.now).Backends {
				if a := was[b.Name]; b.Balance.Weight != a.Weight || b.Probe.Health.Forced != a.Forced {
					t.Fatalf("%s is told weight %d, forced %q of %s; want %+v", h.Status(after.now).Host, b.Balance.Weight, b.Probe.Health.Forced, b.Name, a)
				}
			}
		}
		if len(was) == 2 && w.words != nil && after.words != nil {
			t.Fatalf("some of %+v was dropped: %+v", words, after.words)
		}
	})
}

func (w *world) askSpec(t failer, text, confirm string) api.Receipt {
	w.asks++
	w.tell(fleet.Ask{ID: "apply", Spec: parse(t, text), Request: api.Request{Command: api.Apply{Text: text}, By: api.Actor{Name: "ana"}, Confirm: confirm}})
	return w.receipts[len(w.receipts)-1]
}

// TestWordsThatDoNotGoOn: what does not go with the spec any more is dropped, is
// said in an event, and is not kept any longer.
func TestWordsThatDoNotGoOn(t *testing.T) {
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	holds := fleet.Word{Backend: "b1", Verb: "drain", By: "kim", At: at}
	for what, gone := range map[string]fleet.Word{
		"no such backend":         {Backend: "b9", Verb: "drain", By: "kim", At: at},
		"another weight in force": {Backend: "b2", Verb: "weight", Weight: 3, Over: 50, By: "kim", At: at},
		"no such weight":          {Backend: "b2", Verb: "weight", Weight: 300, Over: 1, By: "kim", At: at},
		"no such health":          {Backend: "b2", Verb: "force", Health: "well", By: "kim", At: at},
		"a verb of tomorrow":      {Backend: "b2", Verb: "pin", By: "kim", At: at},
		"an endless drain":        {Backend: "b2", Verb: "drain", For: 1e6 * time.Hour, By: "kim", At: at},
	} {
		w := nextWorld(t, story, []fleet.Word{holds, gone})
		w.run(time.Second)
		if a := asked(w.picture); !a["b1"].Drain || a["b2"] != (api.Asked{Weight: a["b2"].Weight}) || a["b2"].Weight == 3 {
			t.Errorf("%s: %+v", what, a)
		}
		if w.words == nil || len(w.words.All) != 1 || w.words.All[0].Backend != "b1" || w.words.All[0].By != "kim" || !w.words.All[0].At.Equal(at) {
			t.Errorf("%s: %+v is kept", what, w.words)
		}
		if !slices.ContainsFunc(w.events, func(e api.Event) bool {
			return e.Text == "what operators had set ends where the spec changed it: 1 word" && e.Reason == gone.String() && e.Cause == 1
		}) {
			t.Errorf("%s: nobody says that %s ended: %+v", what, gone, w.events[:2])
		}
	}
}

// TestAppliedSpecEndsWords: a spec without a backend ends what was said of it,
// also on the disk.
func TestAppliedSpecEndsWords(t *testing.T) {
	w := newWorld(t, story)
	w.run(5 * time.Second)
	if r := w.ask(api.Drain{Target: id.To(id.KindBackend, "b2")}, "b2"); !r.OK {
		t.Fatal(r)
	}
	if len(w.words.All) != 1 {
		t.Fatalf("%+v", w.words)
	}
	if r := w.askSpec(t, strings.Replace(story, "      - {name: b2, host: h2, port: 9002, service: {}}\n", "", 1), "shop"); !r.OK {
		t.Fatal(r)
	}
	last := w.events[len(w.events)-1]
	if len(w.words.All) != 0 || last.Receipt != "apply" || !strings.HasPrefix(last.Reason, "drain of b2 by ana on 24 November 2026") {
		t.Errorf("%+v, %s", w.words, line(last))
	}
	// Under another name it is another fleet's file.
	w.ask(api.Drain{Target: id.To(id.KindBackend, "b1")}, "b1")
	if r := w.askSpec(t, strings.Replace(story, "fleet: shop", "fleet: mart", 1), "shop"); !r.OK {
		t.Fatal(r)
	}
	if w.words.Fleet != "mart" || len(w.words.All) != 1 {
		t.Errorf("%+v", w.words)
	}
}

// TestSayIsShort: a sentence does not list thousands.
func TestSayIsShort(t *testing.T) {
	all := make([]fleet.Word, 1000)
	for i := range all {
		all[i] = fleet.Word{Backend: "b1", Verb: "force", Health: api.Down, By: "kim"}
	}
	if s := fleet.Say(all); len(s) > 500 || !strings.HasPrefix(s, "b1 forced down by kim on ") || !strings.HasSuffix(s, ", and 995 more") {
		t.Error(s)
	}
}

// TestRecordsThatFail: what the disk lacks is a problem until it is written.
func TestRecordsThatFail(t *testing.T) {
	w := newWorld(t, story)
	w.run(5 * time.Second)
	for i, r := range fleet.Records() {
		w.tell(fleet.Kept{Record: r, Rev: 1, Err: "no space left on device"})
		w.tell(fleet.Kept{Record: r, Rev: 1, Err: "no space left on device"})
		w.run(time.Second)
		n := 0
		for _, p := range w.picture.Problems {
			if p.Subject.Kind == id.KindFleet && strings.HasSuffix(p.Text, ": no space left on device") && p.Effect != "" {
				n++
			}
		}
		if n != i+1 || w.picture.State != api.StateDegraded {
			t.Fatalf("%s: %d problems, %s", r, n, w.show())
		}
	}
	before := len(w.events)
	for _, r := range fleet.Records() {
		w.tell(fleet.Kept{Record: r, Rev: 1})
	}
	w.tell(fleet.Kept{Record: "nonsense", Err: "odd"})
	w.run(time.Second)
	if w.picture.State != api.StateOK || len(w.events) != before+len(fleet.Records()) {
		t.Errorf("%d events, %s", len(w.events)-before, w.show())
	}
}
