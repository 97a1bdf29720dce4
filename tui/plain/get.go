package plain

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/spf13/cobra"
)

// kind is one kind of thing that get lists.
type kind struct {
	name  string
	head  []string
	list  func(*api.Status) []any
	row   func(any) []string
	named func(any) string
}

func base(name, site string, state api.State, since time.Time, reason string) item {
	return item{name, site, state, stamp(since), reason}
}

// kinds are what get can list, in the order a fleet is described.
func kinds() []kind {
	short := func(f float64) string { return fmt.Sprintf("%.1f", f) }
	return []kind{
		{
			name: "sites", head: []string{"STATE", "SITE", "HOSTS", "POOLS", "REQ/S", "P99 MS", "ERR %", "REASON"},
			list: func(s *api.Status) (all []any) {
				for _, x := range s.Sites {
					all = append(all, siteItem{base(x.Name, x.Name, x.State, x.Since, x.Reason), x.Title, x.Counts, x.Traffic.Requests, x.Traffic.ErrorsPct, ms(x.Traffic.P99)})
				}
				return all
			},
			row: func(v any) []string {
				x := v.(siteItem)
				return []string{string(x.State), x.Name, fmt.Sprintf("%d/%d", x.Counts.HostsUp, x.Counts.Hosts), fmt.Sprintf("%d/%d", x.Counts.PoolsUp, x.Counts.Pools), short(x.Requests), short(x.P99), short(x.Errors), x.Reason}
			},
			named: func(v any) string { return v.(siteItem).Name },
		},
		{
			name: "hosts", head: []string{"STATE", "HOST", "SITE", "ADDRESS", "REQ/S", "REASON"},
			list: func(s *api.Status) (all []any) {
				for _, x := range s.Hosts {
					all = append(all, hostItem{base(x.Name, x.Site, x.State, x.Since, x.Reason), x.Address, x.Traffic.Requests})
				}
				return all
			},
			row: func(v any) []string {
				x := v.(hostItem)
				return []string{string(x.State), x.Name, x.Site, x.Address, short(x.Requests), x.Reason}
			},
			named: func(v any) string { return v.(hostItem).Name },
		},
		{
			name: "listeners", head: []string{"STATE", "LISTENER", "SITE", "PROTOCOL", "ADDRESS", "POOL", "REQ/S", "P99 MS", "ERR %", "REASON"},
			list: func(s *api.Status) (all []any) {
				for _, x := range s.Listeners {
					l := listenerItem{base(x.Name, x.Site, x.State, x.Since, x.Reason), []string{}, x.Protocol, x.Port, x.Pool, trafficOf(x.Traffic)}
					for _, b := range x.Bindings {
						if !slices.Contains(l.Address, b.Address) {
							l.Address = append(l.Address, b.Address)
						}
					}
					all = append(all, l)
				}
				return all
			},
			row: func(v any) []string {
				x := v.(listenerItem)
				address := strings.Join(x.Address, " ")
				if len(x.Address) > 1 {
					address = fmt.Sprintf("%s +%d", x.Address[0], len(x.Address)-1)
				}
				return []string{string(x.State), x.Name, x.Site, x.Protocol, address, x.Pool, short(x.Requests), short(x.P99), short(x.Errors), x.Reason}
			},
			named: func(v any) string { return v.(listenerItem).Name },
		},
		{
			name: "pools", head: []string{"STATE", "POOL", "SITE", "UP", "SCHEDULER", "REQ/S", "P99 MS", "ERR %", "REASON"},
			list: func(s *api.Status) (all []any) {
				for _, x := range s.Pools {
					all = append(all, poolItem{base(x.Name, x.Site, x.State, x.Since, x.Reason), x.Scheduler, x.Up, x.Backends, x.Probe, ms(x.Detection), x.Panic, trafficOf(x.Traffic)})
				}
				return all
			},
			row: func(v any) []string {
				x := v.(poolItem)
				return []string{string(x.State), x.Name, x.Site, fmt.Sprintf("%d/%d", x.Up, x.Backends), x.Scheduler, short(x.Requests), short(x.P99), short(x.Errors), x.Reason}
			},
			named: func(v any) string { return v.(poolItem).Name },
		},
		{
			name: "backends", head: []string{"STATE", "BACKEND", "POOL", "ADDRESS", "WEIGHT", "SHARE %", "PHASE", "HEALTH", "REQ/S", "P99 MS", "PID", "REASON"},
			list: func(s *api.Status) (all []any) {
				for _, x := range s.Backends {
					all = append(all, backendItem{base(x.Name, x.Site, x.State, x.Since, x.Reason), x.Address, x.Pool, x.Weight, x.PID, x.Host, x.Health, x.Phase, x.Backup, x.Share, x.RealShare, trafficOf(x.Traffic)})
				}
				return all
			},
			row: func(v any) []string {
				x := v.(backendItem)
				health := string(x.Health.Measured)
				if x.Health.Forced != "" {
					health = fmt.Sprintf("%s, forced %s", x.Health.Measured, x.Health.Forced)
				}
				return []string{string(x.State), x.Name, x.Pool, x.Address, fmt.Sprint(x.Weight), short(100 * x.Share), string(x.Phase), health, short(x.Requests), short(x.P99), fmt.Sprint(x.PID), x.Reason}
			},
			named: func(v any) string { return v.(backendItem).Name },
		},
		{
			name: "clients", head: []string{"STATE", "CLIENTS", "SITE", "LISTENER", "REQ/S", "P50 MS", "P99 MS", "ERR %", "REASON"},
			list: func(s *api.Status) (all []any) {
				for _, x := range s.Clients {
					all = append(all, clientsItem{base(x.Name, x.Site, x.State, x.Since, x.Reason), x.Listener, x.LastError, trafficOf(x.Traffic)})
				}
				return all
			},
			row: func(v any) []string {
				x := v.(clientsItem)
				return []string{string(x.State), x.Name, x.Site, x.Listener, short(x.Requests), short(x.P50), short(x.P99), short(x.Errors), x.Reason}
			},
			named: func(v any) string { return v.(clientsItem).Name },
		},
		{
			name: "faults", head: []string{"STATE", "FAULT", "KIND", "TARGET", "SINCE", "UNTIL", "BY", "REASON"},
			list: func(s *api.Status) (all []any) {
				for _, x := range s.Faults {
					all = append(all, faultItem{base(x.ID, "", x.State, x.Since, x.Reason), string(x.Kind), x.Target.String(), stamp(x.Until), x.By, ms(x.Delay)})
				}
				return all
			},
			row: func(v any) []string {
				x := v.(faultItem)
				return []string{string(x.State), x.Name, x.Kind, x.Target, x.Since, x.Until, x.By, x.Reason}
			},
			named: func(v any) string { return v.(faultItem).Name },
		},
		{
			name: "drills", head: []string{"STATE", "DRILL", "PHASE", "RUN", "FAULT", "CLIENTS", "REASON"},
			list: func(s *api.Status) (all []any) {
				for _, x := range s.Drills {
					since := x.Ended
					if since.IsZero() {
						since = x.Started
					}
					all = append(all, drillItem{base(x.Name, "", drillState(x.Phase), since, x.Reason), x.Why, x.Fault, x.Clients, string(x.Phase), x.Run})
				}
				return all
			},
			row: func(v any) []string {
				x := v.(drillItem)
				return []string{string(x.State), x.Name, x.Phase, fmt.Sprint(x.Run), x.Fault, x.Clients, x.Reason}
			},
			named: func(v any) string { return v.(drillItem).Name },
		},
	}
}

func drillState(p api.DrillPhase) api.State {
	switch p {
	case api.DrillPassed:
		return api.StateOK
	case api.DrillFailed:
		return api.StateDown
	case api.DrillChecking, api.DrillRunning, api.DrillReverting, api.DrillSettling, api.DrillAborted, api.DrillRefused:
		return api.StateDegraded
	case api.DrillIdle:
	}
	return api.StateUnknown
}

func (s *shell) getCommand() *cobra.Command {
	var watch bool
	names := []string{"events"}
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	c := &cobra.Command{
		Use:       "get KIND [NAME]",
		Short:     "List " + strings.Join(names[1:], ", ") + " or events",
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usage(fmt.Errorf("give a kind and perhaps a name; the kinds are %s", strings.Join(names, ", ")))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return s.get(cmd.Context(), args, watch) },
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "go on as things change")
	s.outputFlag(c, "table", "json", "yaml")
	return c
}

func (s *shell) get(ctx context.Context, args []string, watch bool) error {
	name := ""
	if len(args) > 1 {
		name = args[1]
	}
	if args[0] == "events" || args[0] == "event" {
		return s.getEvents(ctx, name, watch)
	}
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return k.name == args[0] || strings.TrimSuffix(k.name, "s") == args[0] })
	if i < 0 {
		return usage(fmt.Errorf("%q is no kind; the kinds are sites, hosts, listeners, pools, backends, clients, faults, drills, events", args[0]))
	}
	c, st, err := s.status(ctx)
	if err != nil {
		return err
	}
	if err := s.print(all[i], st, name); err != nil || !watch {
		return err
	}
	updates, err := c.Watch(ctx, st.Seq)
	if err != nil {
		return err
	}
	last := ""
	for u := range updates {
		if now := fingerprint(all[i], u.Status, name); now != last {
			last = now
			if err := s.print(all[i], u.Status, name); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return api.ErrUnreachable
}

// fingerprint is what of a listing is worth printing it again: not its rates.
func fingerprint(k kind, st *api.Status, name string) string {
	var b strings.Builder
	for _, v := range k.list(st) {
		if name == "" || k.named(v) == name {
			row := k.row(v)
			fmt.Fprintln(&b, row[0], row[1], row[len(row)-1])
		}
	}
	return b.String()
}

// print prints a kind's listing.
func (s *shell) print(k kind, st *api.Status, name string) error {
	list := []any{}
	for _, v := range k.list(st) {
		if name == "" || k.named(v) == name {
			list = append(list, v)
		}
	}
	if name != "" && len(list) == 0 {
		return exit{ExitFailed, fmt.Errorf("there is no %s %q; holdfast get %s lists them", strings.TrimSuffix(k.name, "s"), name, k.name)}
	}
	if s.output != "table" {
		return s.encode(list)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(k.head, "\t"))
	for _, v := range list {
		row := k.row(v)
		for i := range row {
			row[i] = clean(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// encode prints v as JSON or YAML.
func (s *shell) encode(v any) error {
	if s.output == "yaml" {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		y, err := yaml.JSONToYAML(b)
		if err != nil {
			return err
		}
		_, err = s.out.Write(y)
		return err
	}
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// clean takes control characters out of text that others chose: it must not
// reach a terminal as a command.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func (s *shell) getEvents(ctx context.Context, subject string, watch bool) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	events, err := c.Events(ctx, 0, api.EventRing)
	if err != nil {
		return err
	}
	var last api.Seq
	show := func(all []api.Event) error {
		kept := []api.Event{}
		for _, e := range all {
			last = max(last, e.Seq)
			if subject == "" || e.Subject.Name == subject || e.Subject.String() == subject {
				kept = append(kept, e)
			}
		}
		if s.output != "table" {
			if watch {
				return s.lines(kept)
			}
			return s.encode(kept)
		}
		for _, e := range kept {
			fmt.Fprintln(s.out, clean(sentence(e)))
		}
		return nil
	}
	if err := show(events); err != nil || !watch {
		return err
	}
	updates, err := c.Watch(ctx, last)
	if err != nil {
		return err
	}
	for u := range updates {
		if u.Missed > 0 && s.output == "table" {
			fmt.Fprintf(s.out, "%d events were missed\n", u.Missed)
		}
		if err := show(u.Events); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return api.ErrUnreachable
}

// lines prints one JSON object a line, for programs that follow.
func (s *shell) lines(events []api.Event) error {
	e := json.NewEncoder(s.out)
	for i := range events {
		if err := e.Encode(events[i]); err != nil {
			return err
		}
	}
	return nil
}

// sentence is an event as one line.
func sentence(e api.Event) string {
	line := fmt.Sprintf("%6d  %s  %-9s %-7s %s %s", e.Seq, e.At.UTC().Format("15:04:05.000"), e.State, e.Lane, e.Subject, e.Text)
	if e.Host != "" {
		line += ", says " + e.Host
	}
	if e.Reason != "" {
		line += ": " + e.Reason
	}
	if e.Cause > 0 {
		line += fmt.Sprintf("  (after %d)", e.Cause)
	}
	return line
}
