package plain

import (
	"context"
	"fmt"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// events lists what happened, or follows it.
func (s *shell) events(ctx context.Context, subject, site string, watch bool) error {
	c, st, err := s.fleet(ctx)
	if err != nil {
		return err
	}
	all, err := c.Events(ctx, 0, api.EventRing)
	if err != nil {
		return err
	}
	keep := func(all []api.Event) []api.Event {
		var kept []api.Event
		for _, e := range all {
			if (subject == "" || e.Subject.Name == subject || e.Subject.String() == subject) && (site == "" || e.Site == site) {
				kept = append(kept, e)
			}
		}
		return kept
	}
	if !watch && s.output != outTable {
		items := []eventItem{}
		for _, e := range keep(all) {
			items = append(items, eventOf(&e))
		}
		return s.value(items)
	}
	show := func(all []api.Event) error {
		for _, e := range keep(all) {
			if s.output != outTable {
				if err := s.line(eventOf(&e)); err != nil {
					return err
				}
			} else if _, err := fmt.Fprintln(s.w, s.sentence(e)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := show(all); err != nil || !watch {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := following{shell: s, client: c, show: show, status: st}
	f.shown(all)
	return f.run(ctx)
}

// sentence is an event as one line.
func (s *shell) sentence(e api.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%6d  %s  %s %-7s %s %s", e.Seq, e.At.UTC().Format("15:04:05.000"), pad(s, string(e.State), len("degraded")), e.Lane, e.Subject, clean(e.Text))
	if e.Host != "" {
		b.WriteString(", says " + clean(e.Host))
	}
	if e.Reason != "" {
		b.WriteString(": " + clean(e.Reason))
	}
	if e.Cause > 0 {
		fmt.Fprintf(&b, "  (after %d)", e.Cause)
	}
	return b.String()
}
