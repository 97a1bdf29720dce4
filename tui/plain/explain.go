package plain

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/spf13/cobra"
)

// why is what explain prints with -o json.
type why struct {
	Subject string      `json:"subject"`
	State   api.State   `json:"state"`
	Since   string      `json:"since"`
	Reason  string      `json:"reason"`
	Votes   []api.Vote  `json:"votes,omitempty"`
	Events  []api.Event `json:"events"`
}

func (s *shell) explainCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "explain TARGET", Short: "Say why a backend, pool, listener, host or site is as it is",
		Args: exact(1, "a target such as backend/shop-tokyo-1"), ValidArgsFunction: s.complete(id.KindBackend, id.KindPool, id.KindListener, id.KindHost),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := s.target(cmd.Context(), args[0], id.KindBackend, id.KindPool, id.KindListener, id.KindHost, id.KindSite)
			if err != nil {
				return err
			}
			c, st, err := s.status(cmd.Context())
			if err != nil {
				return err
			}
			w := why{Subject: ref.String(), Events: []api.Event{}}
			switch ref.Kind {
			case id.KindBackend:
				if b, ok := st.Backend(ref.Name); ok {
					w.State, w.Since, w.Reason, w.Votes = b.State, stamp(b.Since), b.Reason, b.Votes
				}
			case id.KindPool:
				if p, ok := st.Pool(ref.Name); ok {
					w.State, w.Since, w.Reason = p.State, stamp(p.Since), p.Reason
				}
			case id.KindHost:
				if h, ok := st.Host(ref.Name); ok {
					w.State, w.Since, w.Reason = h.State, stamp(h.Since), h.Reason
				}
			case id.KindSite:
				if x, ok := st.Site(ref.Name); ok {
					w.State, w.Since, w.Reason = x.State, stamp(x.Since), x.Reason
				}
			case id.KindListener:
				for _, l := range st.Listeners {
					if l.Name == ref.Name {
						w.State, w.Since, w.Reason = l.State, stamp(l.Since), l.Reason
					}
				}
			case id.KindFleet, id.KindClients, id.KindDrill, id.KindFault:
			}
			if w.State == "" {
				return exit{ExitFailed, fmt.Errorf("there is nothing to explain of %s; holdfast get %ss lists them", ref, ref.Kind)}
			}
			events, err := c.Events(cmd.Context(), 0, api.EventRing)
			if err != nil {
				return err
			}
			w.Events = chain(events, ref)
			if s.output != "text" {
				return s.encode(w)
			}
			fmt.Fprintf(s.out, "%s is %s since %s: %s\n", w.Subject, w.State, w.Since, clean(w.Reason))
			for _, v := range w.Votes {
				fmt.Fprintf(s.out, "  %-14s says %-8s %-9s %s (last answer %s)\n", v.Host, v.Measured, v.Phase, clean(v.Reason), v.Latency.Round(10*time.Microsecond))
			}
			if len(w.Events) > 0 {
				fmt.Fprintln(s.out, "because")
			}
			for _, e := range w.Events {
				fmt.Fprintln(s.out, "  "+clean(sentence(e)))
			}
			return nil
		},
	}
	s.outputFlag(c, "text", "json", "yaml")
	return c
}

// chainMost bounds how much of the past is told.
const chainMost = 20

// chain is the newest events of a subject with what led to them, oldest first.
func chain(events []api.Event, ref id.Ref) []api.Event {
	bySeq := map[api.Seq]api.Event{}
	for _, e := range events {
		bySeq[e.Seq] = e
	}
	keep := map[api.Seq]bool{}
	for i := len(events) - 1; i >= 0 && len(keep) < chainMost; i-- {
		if events[i].Subject != ref {
			continue
		}
		for e, ok := events[i], true; ok && !keep[e.Seq] && len(keep) < chainMost; e, ok = bySeq[e.Cause] {
			keep[e.Seq] = true
		}
	}
	out := []api.Event{}
	for seq := range keep {
		out = append(out, bySeq[seq])
	}
	slices.SortFunc(out, func(a, b api.Event) int { return int(a.Seq) - int(b.Seq) })
	return out
}
