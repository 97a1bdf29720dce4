package plain

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

func (s *shell) explainCommand() *cobra.Command {
	explained := []id.Kind{id.KindBackend, id.KindPool, id.KindListener, id.KindHost, id.KindSite, id.KindClients, id.KindDrill, id.KindFault, id.KindLink, id.KindGroup, id.KindFleet}
	c := &cobra.Command{
		Use:   "explain TARGET",
		Short: "Say why something is as it is",
		Long: `Say why a backend, pool, listener, host, site, clients, drill, fault, link, group or
the fleet is as it is: its state and reason, what is known of it, what each host says
of it, and the chain of events that led there.`,
		Example: `  holdfast explain backend/shop-tokyo-1
  holdfast explain pool/shop-tokyo -o json`,
		Args: exact(1, "a target such as backend/shop-tokyo-1"), ValidArgsFunction: s.complete(id.KindBackend, id.KindPool, id.KindListener, id.KindHost, id.KindSite, id.KindClients),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := s.target(cmd.Context(), args[0], explained...)
			if err != nil {
				return err
			}
			c, st, err := s.fleet(cmd.Context())
			if err != nil {
				return err
			}
			w, ok := whyOf(st, ref)
			if !ok {
				list := string(ref.Kind) + "s"
				if k, ok := kindOf(string(ref.Kind)); ok {
					list = k.name
				}
				if !strings.Contains(args[0], "/") {
					return exit{ExitFailed, fmt.Errorf("there is nothing called %q; write kind/name, such as backend/shop-tokyo-1", ref.Name)}
				}
				return exit{ExitFailed, fmt.Errorf("there is no %s %q%s; holdfast get %s lists them", ref.Kind, ref.Name, nearest(ref.String(), names(st, ref.Kind)), list)}
			}
			events, err := c.Events(cmd.Context(), 0, api.EventRing)
			if err != nil {
				return err
			}
			led := chain(events, ref)
			for i := range led {
				w.Events = append(w.Events, eventOf(&led[i]))
			}
			if s.output != outText {
				return s.value(w)
			}
			return s.explain(w, led)
		},
	}
	return s.outputs(c, outText, outJSON, outYAML)
}

func (s *shell) explain(w why, led []api.Event) error {
	var b strings.Builder
	since := ""
	if w.Since != "" {
		since = " since " + w.Since
	}
	fmt.Fprintf(&b, "%s is %s%s: %s\n", w.Subject, s.tint(string(w.State)), since, clean(cmp.Or(w.Reason, "nobody says why")))
	for _, f := range w.Facts {
		fmt.Fprintf(&b, "  %-10s %s\n", f.Name, clean(f.Value))
	}
	if len(w.Votes) > 0 {
		b.WriteString("hosts\n")
	}
	for _, v := range w.Votes {
		fmt.Fprintf(&b, "  %-14s says %-8s %-9s %s (last answer %.1f ms)\n", clean(v.Host), v.Measured, v.Phase, clean(v.Reason), v.Latency)
	}
	if len(led) > 0 {
		b.WriteString("because\n")
	}
	for _, e := range led {
		b.WriteString(s.sentence(e) + "\n")
	}
	_, err := s.w.Write([]byte(b.String()))
	return err
}

// whyOf is what a picture knows of a thing.
func whyOf(st *api.Status, ref id.Ref) (why, bool) {
	w := why{Subject: ref.String(), Facts: []fact{}, Votes: []voteItem{}, Events: []eventItem{}}
	say := func(name, format string, args ...any) {
		w.Facts = append(w.Facts, fact{name, fmt.Sprintf(format, args...)})
	}
	if ref.Kind == id.KindFleet {
		w.State, w.Since, w.Reason = st.State, stamp(st.Started), problems(len(st.Problems))
		say("revision", "%d", st.Rev)
		if c := st.Coordinator; c.Host != "" {
			if st.Alone() {
				say("coordinator", "none that %s reaches: %s", c.Host, c.Reason)
			} else {
				say("coordinator", "%s, epoch %d, since %s", c.Host, c.Epoch, stamp(c.Since))
			}
			say("through", "%s", st.Through)
		}
		for _, p := range st.Problems {
			say("problem", "%s is %s: %s; %s", p.Subject, p.State, p.Text, p.Effect)
		}
		return w, st.Fleet == ref.Name
	}
	k, _ := kindOf(string(ref.Kind))
	all := k.list(st)
	i := slices.IndexFunc(all, func(e entry) bool { return e.ref == ref })
	if i < 0 {
		return w, false
	}
	switch x := all[i].item.(type) {
	case siteItem:
		w.of(x.item)
		c := x.Counts
		say("up", "hosts %s, pools %s, backends %s", of(c.HostsUp, c.Hosts), of(c.PoolsUp, c.Pools), of(c.BackendsUp, c.Backends))
		say("traffic", "%s", x.traffic)
	case hostItem:
		w.of(x.item)
		say("address", "%s, last heard %s", x.Address, x.AsOf)
		explainAgent(x.Agent, say)
		for i := range st.Groups {
			for _, m := range st.Groups[i].Members {
				if m.Host == ref.Name {
					say("group", "%s as %s: %s", st.Groups[i].Name, m.Role, m.Reason)
				}
			}
		}
		say("traffic", "%s", x.traffic)
		for _, name := range backendsOn(st, ref) {
			if b, ok := st.Backend(name); ok {
				say("backend", "%s is %s, %s: %s", b.Name, b.State, b.Phase, b.Reason)
			}
		}
	case listenerItem:
		w.of(x.item)
		say("serves", "%s on port %d from pool %s", x.Protocol, x.Port, x.Pool)
		for _, b := range x.Bindings {
			if b.Bound {
				say("bound", "%s by %s", b.Address, b.Host)
			} else {
				say("not bound", "%s by %s: %s", b.Address, b.Host, b.Reason)
			}
		}
		say("traffic", "%s", x.traffic)
	case poolItem:
		w.of(x.item)
		say("up", "%s", of(x.Up, x.Backends))
		say("scheduler", "%s", x.Scheduler)
		say("probe", "%s", x.Probe)
		if x.Panic {
			say("panic", "too few are up: all are used")
		}
		say("traffic", "%s", x.traffic)
		for i := range st.Backends {
			if b := &st.Backends[i]; b.Pool == x.Name {
				say("backend", "%s is %s, %s, weight %d: %s", b.Name, b.State, b.Phase, b.Weight, b.Reason)
			}
		}
	case backendItem:
		w.of(x.item)
		b, _ := st.Backend(ref.Name)
		say("serves", "%s for pool %s, on host %s", x.Address, x.Pool, cmp.Or(x.Host, "of somebody else"))
		say("phase", "%s", x.Phase)
		say("weight", "%d in force, %d in the spec; %s %% of new flows", x.Weight, b.SpecWeight, short(100*x.Share))
		say("health", "measured %s, forced %s, so %s", x.Health.Measured, cmp.Or(string(x.Health.Forced), "by nobody"), x.Health.Effective)
		if x.PID > 0 {
			say("process", "%d", x.PID)
		}
		if p, ok := st.Pool(x.Pool); ok {
			say("probe", "%s", p.Probe)
		}
		say("traffic", "%s", x.traffic)
		for _, f := range st.Faults {
			if f.Target == ref {
				say("fault", "%s: %s, by %s; holdfast fault clear %s mends it", f.ID, f.Kind, f.By, f.ID)
			}
		}
		for _, v := range b.Votes {
			w.Votes = append(w.Votes, voteItem{v.Host, v.Measured, v.Phase, v.Weight, stamp(v.Since), v.Reason, ms(v.Latency)})
		}
	case clientsItem:
		w.of(x.item)
		say("use", "listener %s", x.Listener)
		say("traffic", "%s", x.traffic)
		if x.LastError != "" {
			say("last error", "%s", x.LastError)
		}
	case drillItem:
		w.of(x.item)
		say("rehearses", "%s", x.Why)
		say("breaks", "%s, measured at the listener of %s", x.Fault, x.Clients)
		say("phase", "%s, run %d", x.Phase, x.Run)
	case linkItem:
		w.of(x.item)
		say("between", "%s and %s", x.Sites[0], x.Sites[1])
		if x.Via != "" {
			say("via", "%s they hear of each other all the same", x.Via)
		}
		if x.RTT > 0 {
			say("latency", "%s ms there and back", short(x.RTT))
		}
	case groupItem:
		w.of(x.item)
		say("voters", "%s take part, %d are needed", of(x.Active, x.Voters), x.Need)
		say("leader", "%s, term %d", cmp.Or(x.Leader, "nobody"), x.Term)
		for _, m := range x.Members {
			say("member", "%s, %s, %s: %s, %d entries behind", m.Host, m.Role, m.State, m.Reason, m.Behind)
		}
	case faultItem:
		w.of(x.item)
		say("hits", "%s, by %s", x.Target, x.By)
		say("until", "%s", cmp.Or(x.Until, "it is cleared: holdfast fault clear "+x.Name))
	}
	return w, true
}

func (w *why) of(i item) { w.State, w.Since, w.Reason = i.State, i.Since, i.Reason }

func problems(n int) string {
	switch n {
	case 0:
		return "all is well"
	case 1:
		return "1 problem needs a person"
	}
	return fmt.Sprintf("%d problems need a person", n)
}

// String is traffic in words.
func (t traffic) String() string {
	return fmt.Sprintf("%s requests/s, p50 %s ms, p99 %s ms, %s %% errors, %d open", short(t.Requests), short(t.P50), short(t.P99), strconv.FormatFloat(t.Errors, 'f', 2, 64), t.Active)
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
	out := make([]api.Event, 0, len(keep))
	for seq := range keep {
		out = append(out, bySeq[seq])
	}
	slices.SortFunc(out, func(a, b api.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return out
}
