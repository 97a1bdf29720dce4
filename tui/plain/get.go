package plain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// query is what get was asked for.
type query struct {
	kind  kind
	name  string // empty: all
	site  string // empty: all
	until string // empty: at once
	watch bool
}

func (s *shell) getCommand() *cobra.Command {
	var q query
	c := &cobra.Command{
		Use:   "get KIND [NAME]",
		Short: "List things and how they are",
		Long: `List sites, hosts, listeners, pools, backends, clients, drills, faults, links,
groups or events, or one of them. KIND NAME may be written kind/name. For events, NAME is what they
are about.

--watch goes on: it prints everything once, and then each thing again whenever
anything but its rates changes, the newest below. With -o json each line is one
object. It ends with Ctrl-C (exit code 0) or with the fleet (4).

--until waits until everything listed is in a state (ok, degraded, down, unknown)
or in a phase (serving, drained, passed), and also for a fleet that is only
starting. Then it prints the list.`,
		Example: `  holdfast get backends
  holdfast get backend/shop-tokyo-1 -o json
  holdfast get pools --site tokyo --watch
  holdfast get backends --until ok --timeout 10s
  holdfast get events backend/shop-tokyo-1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usage(fmt.Errorf("give a kind and perhaps a name; the kinds are %s", strings.Join(kindNames(), ", ")))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
			return s.completeGet(args, to), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, name := args[0], ""
			if k, n, ok := strings.Cut(kind, "/"); ok {
				if len(args) > 1 {
					return usage(fmt.Errorf("%q is too much after %s", clean(args[1]), clean(args[0])))
				}
				kind, name = k, n
			} else if len(args) > 1 {
				name = args[1]
			}
			if kind == "events" || kind == "event" {
				if q.until != "" {
					return usage(errors.New("--until does not go with events; use --watch"))
				}
				return s.events(cmd.Context(), name, q.site, q.watch)
			}
			k, ok := kindOf(kind)
			if !ok {
				return usage(fmt.Errorf("%q is no kind%s; the kinds are %s", clean(kind), nearest(kind, kindNames()), strings.Join(kindNames(), ", ")))
			}
			q.kind, q.name = k, strings.TrimPrefix(name, string(k.one)+"/")
			return s.get(cmd.Context(), q)
		},
	}
	c.Flags().BoolVarP(&q.watch, "watch", "w", false, "go on, with what changes")
	c.Flags().StringVar(&q.site, "site", "", "only what is in this `SITE`")
	c.Flags().StringVar(&q.until, "until", "", "wait for this `STATE` or phase of everything listed")
	c.Flags().Duration("timeout", waitDefault, "--until: the longest `TIME` to wait")
	_ = c.RegisterFlagCompletionFunc("site", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return trimmed(s.offer(id.KindSite)), cobra.ShellCompDirectiveNoFileComp
	})
	_ = c.RegisterFlagCompletionFunc("until", cobra.FixedCompletions([]string{"ok", "degraded", "down", "unknown", "serving", "drained", "out", "passed"}, cobra.ShellCompDirectiveNoFileComp))
	return s.outputs(c, outTable, outJSON, outYAML)
}

func trimmed(refs []string) []string {
	for i, r := range refs {
		_, refs[i], _ = strings.Cut(r, "/")
	}
	return refs
}

func (s *shell) completeGet(args []string, to string) []string {
	switch {
	case len(args) == 0 && !strings.Contains(to, "/"):
		return kindNames()
	case len(args) == 0:
		word, _, _ := strings.Cut(to, "/")
		if k, ok := kindOf(word); ok {
			if st := s.offered(); st != nil {
				return names(st, k.one)
			}
		}
	case len(args) == 1:
		if k, ok := kindOf(args[0]); ok {
			if st := s.offered(); st != nil {
				return trimmed(names(st, k.one))
			}
		}
	}
	return nil
}

// keep are the things of a picture that were asked for.
func (q query) keep(st *api.Status) []entry {
	return slices.DeleteFunc(q.kind.list(st), func(e entry) bool {
		return q.name != "" && e.ref.Name != q.name || q.site != "" && siteIn(e.item) != q.site
	})
}

// choose is keep that says what is wrong when a name or a site does not exist.
func (q query) choose(st *api.Status) ([]entry, error) {
	if _, ok := st.Site(q.site); !ok && q.site != "" {
		return nil, exit{ExitFailed, fmt.Errorf("there is no site %q%s; holdfast get sites lists them", clean(q.site), nearest(q.site, trimmed(names(st, id.KindSite))))}
	}
	all := q.keep(st)
	if q.name != "" && len(all) == 0 {
		known := trimmed(names(st, q.kind.one))
		if q.site != "" && slices.Contains(known, q.name) {
			return nil, exit{ExitFailed, fmt.Errorf("%s/%s is not in site %s", q.kind.one, q.name, q.site)}
		}
		return nil, exit{ExitFailed, fmt.Errorf("there is no %s %q%s; holdfast get %s lists them", q.kind.one, clean(q.name), nearest(q.name, known), q.kind.name)}
	}
	return all, nil
}

// sited is what has an item: every item embeds one.
type sited interface{ site() string }

func (i item) site() string { return i.Site }

func siteIn(v any) string {
	if x, ok := v.(sited); ok {
		return x.site()
	}
	return ""
}

func (s *shell) get(ctx context.Context, q query) error {
	if q.until != "" {
		if err := s.until(ctx, q); err != nil {
			return err
		}
	}
	c, st, err := s.fleet(ctx)
	if err != nil {
		return err
	}
	q.kind = q.kind.slim(st)
	all, err := q.choose(st)
	if err != nil {
		return err
	}
	if !q.watch {
		return s.listing(q.kind, all)
	}
	return s.follow(ctx, c, st, q, all)
}

// follow prints things once, and each again when it changes.
func (s *shell) follow(ctx context.Context, c api.Client, st *api.Status, q query, all []entry) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates, err := c.Watch(ctx, st.Seq)
	if err != nil {
		return err
	}
	f := follower{shell: s, kind: q.kind, widths: widthsOf(q.kind.head, all), seen: map[id.Ref]entry{}}
	if s.output == outTable {
		if err := s.row(q.kind.head, f.widths); err != nil {
			return err
		}
	}
	if err := f.show(all, st.At); err != nil {
		return err
	}
	for {
		heard := false
		for u := range updates {
			st, heard = u.Status, true
			if err := f.show(q.keep(st), st.At); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		// Another agent may keep the picture from now on.
		if st, err = again(ctx, c, st); err != nil || !heard {
			return errEnded
		}
		if updates, err = c.Watch(ctx, st.Seq); err != nil {
			return err
		}
	}
}

// errEnded says that a fleet that answered has gone.
var errEnded = fmt.Errorf("%w any more: it has ended", api.ErrUnreachable)

// follower prints what changes.
type follower struct {
	*shell
	kind   kind
	widths []int
	seen   map[id.Ref]entry
}

func (f *follower) show(all []entry, at time.Time) error {
	here := map[id.Ref]bool{}
	for _, e := range all {
		here[e.ref] = true
		if was, ok := f.seen[e.ref]; ok && f.kind.mark(was) == f.kind.mark(e) {
			continue
		}
		f.seen[e.ref] = e
		if err := f.print(e); err != nil {
			return err
		}
	}
	var gone []entry
	for ref, e := range f.seen {
		if !here[ref] {
			gone = append(gone, e)
			delete(f.seen, ref)
		}
	}
	slices.SortFunc(gone, func(a, b entry) int { return strings.Compare(a.ref.Name, b.ref.Name) })
	for _, e := range gone {
		e.item = itemOf(e.ref.Name, siteIn(e.item), api.StateUnknown, at, goneReason)
		e.row = slices.Clone(e.row)
		e.row[0], e.row[len(e.row)-1] = string(api.StateUnknown), goneReason
		if err := f.print(e); err != nil {
			return err
		}
	}
	return nil
}

// goneReason is said of a thing that a new spec no longer has, or of a fault that
// is over.
const goneReason = "it is gone"

func (f *follower) print(e entry) error {
	if f.output == outTable {
		return f.row(e.row, f.widths)
	}
	return f.line(e.item)
}
