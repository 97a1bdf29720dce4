package fleet_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/storytest"
)

// TestStories tells each testdata/*.txt: what happens, and the events, the answers
// and the pictures that came of it.
func TestStories(t *testing.T) {
	storytest.Run(t, func(t *testing.T) storytest.Do {
		w, known, answers := newWorld(t, story), 0, 0
		return func(words []string, said *strings.Builder) {
			w.do(t, words, said)
			for ; answers < len(w.receipts); answers++ {
				r := w.receipts[answers]
				fmt.Fprintf(said, "%s ok=%v %s", r.ID, r.OK, r.Done)
				for _, no := range r.Refusals {
					fmt.Fprintf(said, " %s;", no)
				}
				said.WriteString("\n")
			}
			for ; known < len(w.events); known++ {
				said.WriteString(line(w.events[known]) + "\n")
			}
		}
	})
}

func (w *world) do(t *testing.T, words []string, said *strings.Builder) {
	span := func(s string) time.Duration {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	ref := func(s string) id.Ref {
		r, err := id.ParseRef(s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	rest := words[1:]
	switch words[0] {
	case "run":
		w.run(span(rest[0]))
	case "show":
		said.WriteString(w.show())
	case "dies":
		w.dead[rest[0]] = true
	case "lives":
		w.dead[rest[0]] = false
	case "crashes":
		w.tell(fleet.Process{Backend: rest[0], Reason: "exit status 2"})
		w.dead[rest[0]] = true
	case "mute":
		w.mute[rest[0]] = true
	case "unmute":
		w.mute[rest[0]] = false
	case "restart":
		w.restart(rest[0])
	case "deaf":
		w.deaf = true
	case "stuck":
		w.stuck = "no process"
	case "unstuck":
		w.stuck, w.deaf = "", false
	case "done": // ID
		w.tell(fleet.FaultDone{ID: rest[0], Revert: len(rest) > 1, At: w.now})
	case "refuse": // ID
		w.tell(fleet.FaultDone{ID: rest[0], At: w.now, Err: "no process"})
	case "apply": // OLD NEW: in the spec's text
		text := strings.Replace(story, strings.ReplaceAll(rest[0], "~", " "), strings.ReplaceAll(strings.Join(rest[1:], ""), "~", " "), 1)
		if text == story {
			t.Fatalf("%q is not in the spec", rest[0])
		}
		w.asks++
		w.tell(fleet.Ask{ID: fmt.Sprintf("r%d", w.asks), Spec: parse(t, text), Request: api.Request{Command: api.Apply{Name: "new.yaml", Text: text}, By: api.Actor{Name: "ana"}}})
	case "respec": // OLD NEW: as if the world started anew with another spec
		text := strings.Replace(story, strings.ReplaceAll(rest[0], "~", " "), strings.ReplaceAll(strings.Join(rest[1:], ""), "~", " "), 1)
		w.tell(fleet.SetSpec{Fleet: parse(t, text), Text: text})
	case "weight":
		n := 0
		if _, err := fmt.Sscan(rest[1], &n); err != nil {
			t.Fatal(err)
		}
		w.ask(api.SetWeights{Weights: []api.Weight{{Backend: rest[0], Weight: n}}}, rest[len(rest)-1])
	case "drain":
		w.ask(api.Drain{Target: ref(rest[0])}, "")
	case "undrain":
		w.ask(api.Undrain{Target: ref(rest[0])}, "")
	case "force":
		w.ask(api.Force{Backend: rest[1], Health: api.Measure(rest[0])}, rest[1])
	case "unforce":
		w.ask(api.Unforce{Backend: rest[0]}, "")
	case "fault":
		c := api.InjectFault{Kind: api.FaultKind(rest[0]), Target: ref(rest[1])}
		if len(rest) > 2 {
			c.For = span(rest[2])
		}
		if c.Kind == api.FaultSlow {
			c.Delay = 300 * time.Millisecond
		}
		w.ask(c, "")
	case "clear":
		w.ask(api.ClearFault{ID: strings.Join(rest, "")}, "")
	case "drill":
		w.ask(api.StartDrill{Name: rest[0]}, "")
	case "abort":
		w.ask(api.AbortDrill{}, "")
	case "nothing":
		w.ask(nil, "")
	default:
		t.Fatalf("%q is no command", words[0])
	}
}
