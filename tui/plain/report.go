package plain

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

func reportOf(d *api.Drill) reportItem {
	p := d.Probes
	r := reportItem{
		drillItem: drillOf(d), Started: stamp(d.Started), Ended: stamp(d.Ended), Strip: d.Strip, Column: ms(d.StripEvery),
		Verdicts: []verdictItem{}, Steps: []stepItem{}, Log: []noteItem{},
		Probes: probesItem{ms(p.Every), p.Sent, p.Failed, p.Late, ms(p.FirstFail), ms(p.LastFail), ms(p.Detected), ms(p.P50), ms(p.P99), ms(p.Max)},
	}
	for _, v := range d.Verdicts {
		r.Verdicts = append(r.Verdicts, verdictItem(v))
	}
	for _, x := range d.Steps {
		r.Steps = append(r.Steps, stepItem{x.Name, x.State, ms(x.At), ms(x.Took), ms(x.Limit), x.Text})
	}
	for _, n := range d.Log {
		r.Log = append(r.Log, noteItem{ms(n.At), n.Text})
	}
	return r
}

func offset(d time.Duration) string { return fmt.Sprintf("%+.3fs", d.Seconds()) }

// report prints a drill's report for people.
func (s *shell) report(d *api.Drill) error {
	var b strings.Builder
	w := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	w("drill    %s: %s", d.Name, clean(d.Why))
	w("fault    %s", clean(d.Fault))
	if d.Run == 0 {
		w("verdict  it was never run: holdfast drill run %s", d.Name)
		_, err := s.w.Write([]byte(b.String()))
		return err
	}
	w("run      %d by %s at %s, on %s", d.Run, clean(d.By), d.Started.UTC().Format(time.RFC3339), clean(d.Target))
	w("verdict  %s: %s", s.tint(string(d.Phase)), clean(d.Reason))
	for _, v := range d.Verdicts {
		w("         %-9s %-16s objective %-8s %s", v.Objective, v.Measured, v.Limit, s.tint(mark(v.State)))
	}
	if p := d.Probes; p.Sent > 0 {
		w("probes   %d sent every %s, %d failed, %d late", p.Sent, p.Every, p.Failed, p.Late)
		w("         latency p50 %s, p99 %s, most %s", p.P50.Round(10*time.Microsecond), p.P99.Round(10*time.Microsecond), p.Max.Round(10*time.Microsecond))
		if p.Failed > 0 {
			w("         first failed %s, last failed %s after the fault", p.FirstFail.Round(100*time.Microsecond), p.LastFail.Round(100*time.Microsecond))
		}
	}
	title := "steps    "
	for _, x := range d.Steps {
		limit := ""
		if x.Limit > 0 {
			limit = "limit " + x.Limit.String()
		}
		took := "-"
		if x.State != api.StateUnknown {
			took = fmt.Sprintf("%.3fs", x.Took.Seconds())
		}
		w("%s%s %-38s %8s  %s", title, pad(s, mark(x.State), 4), clean(x.Name), took, limit)
		title = "         "
	}
	if d.Strip != "" {
		w("seen     %s", clean(d.Strip))
		w("         one column is %s from the fault on: . good, X bad, _ not yet", d.StripEvery)
	}
	_, err := s.w.Write([]byte(b.String()))
	return err
}

// pad tints a word and fills it up to n columns.
func pad(s *shell, word string, n int) string {
	return s.tint(word) + strings.Repeat(" ", max(n-len([]rune(word)), 0))
}

func mark(s api.State) string {
	switch s {
	case api.StateOK:
		return "ok"
	case api.StateDown:
		return "FAIL"
	case api.StateDegraded:
		return "…"
	case api.StateUnknown:
	}
	return "-"
}
