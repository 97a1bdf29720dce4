package plain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// dialEvery is how often --until looks for a fleet that does not answer yet: it
// starts in less than a second.
const dialEvery = 50 * time.Millisecond

// until waits for everything listed to be in a state or a phase.
func (s *shell) until(ctx context.Context, q query) error {
	states := []string{"ok", "degraded", "down", "unknown"}
	switch q.kind.one {
	case id.KindBackend:
		states = append(states, "serving", "rising", "standby", "draining", "drained", "ejected", "out", "idle")
	case id.KindDrill:
		states = append(states, "idle", "checking", "running", "reverting", "settling", "passed", "failed", "aborted", "refused")
	case id.KindFleet, id.KindSite, id.KindHost, id.KindListener, id.KindPool, id.KindClients, id.KindFault, id.KindLink, id.KindGroup:
	}
	if !slices.Contains(states, q.until) {
		return usage(fmt.Errorf("--until %q%s is no state of %s; they are %s", clean(q.until), nearest(q.until, states), q.kind.name, strings.Join(states, ", ")))
	}
	where, err := s.where()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errLate)
	defer cancel()
	tick := time.NewTicker(dialEvery)
	defer tick.Stop()
	left := errors.New("no fleet answers")
	for ctx.Err() == nil {
		c, err := s.worlds.Dial(where)
		if err == nil {
			var updates <-chan api.Update
			if updates, err = c.Watch(ctx, 0); err == nil {
				for u := range updates {
					s.client, s.picture = c, u.Status
					if left = q.left(u.Status); left == nil {
						return nil
					}
				}
			}
		}
		if err != nil && ctx.Err() == nil {
			if !errors.Is(err, api.ErrUnreachable) {
				return err
			}
			left = err
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return lateness(ctx, s.timeout, left)
}

// left says which of the things are not there yet.
func (q query) left(st *api.Status) error {
	all, err := q.choose(st)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("there are no %s", q.kind.name)
	}
	for _, e := range all {
		if !slices.Contains(e.words, q.until) {
			return fmt.Errorf("%s is %s: %s", e.ref, strings.Join(e.words, ", "), e.row[len(e.row)-1])
		}
	}
	return nil
}

var errLate = errors.New("plain: the time to wait is over")

// lateness is the error of a wait that ended: by its time, or by Ctrl-C.
func lateness(ctx context.Context, after time.Duration, left error) error {
	if errors.Is(context.Cause(ctx), errLate) {
		if errors.Is(left, api.ErrUnreachable) {
			return fmt.Errorf("not within %s: %w", after, left)
		}
		return exit{ExitFailed, fmt.Errorf("not within %s: %w", after, left)}
	}
	return exit{ExitFailed, fmt.Errorf("interrupted: %w", left)}
}

// settle waits until an accepted command is in force.
func (s *shell) settle(ctx context.Context, c api.Client, cmd api.Command, r api.Receipt, before *api.Status) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errLate)
	defer cancel()
	updates, err := c.Watch(ctx, r.Seq)
	if err != nil {
		return err
	}
	var answer *api.Event
	left := errors.New("the fleet has not answered")
	for u := range updates {
		for i := range u.Events {
			if e := &u.Events[i]; e.Receipt == r.ID && e.Lane == api.LaneFault {
				answer = e
			}
		}
		if u.Status.Seq < r.Seq {
			continue // a picture from before
		}
		var failed error
		if left, failed = unsettled(cmd, before, u.Status, answer); failed != nil {
			return exit{ExitFailed, failed}
		}
		if left == nil {
			return nil
		}
	}
	if ctx.Err() == nil {
		return errEnded
	}
	return fmt.Errorf("%w; the command stands", lateness(ctx, s.timeout, left))
}

// unsettled says what is still to come before a command is in force, nil when it
// is. failed is why it never will be. answer is the newest event of the fault
// that the command asked for.
func unsettled(cmd api.Command, before, now *api.Status, answer *api.Event) (left, failed error) {
	switch c := cmd.(type) {
	case api.SetWeights:
		for _, w := range c.Weights {
			if left = each(now, w.Backend, fmt.Sprintf("has not weight %d", w.Weight), func(v api.Vote) bool { return v.Weight == w.Weight }); left != nil {
				return left, nil
			}
		}
	case api.Drain:
		for _, name := range backendsOn(now, c.Target) {
			b, _ := now.Backend(name)
			if left = each(now, name, "drains, "+flows(b.Traffic.Active), func(v api.Vote) bool { return v.Phase != api.PhaseDraining && !takes(v.Phase) }); left != nil {
				return left, nil
			}
		}
	case api.Undrain:
		for _, name := range backendsOn(now, c.Target) {
			if left = each(now, name, "drains", func(v api.Vote) bool { return v.Phase != api.PhaseDraining && v.Phase != api.PhaseDrained }); left != nil {
				return left, nil
			}
		}
	case api.Force:
		up := c.Health == api.Up
		if b, ok := now.Backend(c.Backend); !ok || b.Health.Forced != c.Health {
			return fmt.Errorf("backend/%s is not forced %s yet", c.Backend, c.Health), nil
		}
		return each(now, c.Backend, "is not forced "+string(c.Health), func(v api.Vote) bool { return (v.Phase == api.PhaseOut) != up }), nil
	case api.Unforce:
		if b, ok := now.Backend(c.Backend); ok && b.Health.Forced != "" {
			return fmt.Errorf("backend/%s is still forced %s", c.Backend, b.Health.Forced), nil
		}
	case api.InjectFault:
		if answer == nil {
			return fmt.Errorf("%s is not hit yet", c.Target), nil
		}
		if answer.State == api.StateDown {
			return nil, fmt.Errorf("%s: %s", answer.Text, answer.Reason)
		}
	case api.ClearFault:
		for i := range now.Faults {
			f := &now.Faults[i]
			if c.ID == "" && !slices.ContainsFunc(before.Faults, func(x api.Fault) bool { return x.ID == f.ID }) {
				continue // it came later
			}
			if c.ID == "" || f.ID == c.ID {
				return fmt.Errorf("fault %s is in force: %s", f.ID, f.Reason), nil
			}
		}
	case api.AbortDrill:
		for i := range now.Drills {
			if now.Drills[i].Phase.Live() {
				return fmt.Errorf("drill %s is %s", now.Drills[i].Name, now.Drills[i].Phase), nil
			}
		}
	case api.Apply, api.Rollback:
		if now.Rev <= before.Rev {
			return errors.New("the revision is not in force"), nil
		}
		for _, k := range kinds() {
			switch k.one {
			case id.KindHost, id.KindListener, id.KindPool, id.KindBackend:
				for _, e := range k.list(now) {
					if e.words[0] == string(api.StateUnknown) {
						return fmt.Errorf("%s: %s", e.ref, e.row[len(e.row)-1]), nil
					}
				}
			case id.KindFleet, id.KindSite, id.KindClients, id.KindDrill, id.KindFault, id.KindLink, id.KindGroup:
			}
		}
	case api.StartDrill: // followed by its own verb
	case api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys: // their receipt comes when they are done
	}
	return nil, nil
}

// each is an error for the first host of which something does not hold, and for
// a backend that is gone or that no host speaks of.
func each(st *api.Status, name, not string, is func(api.Vote) bool) error {
	b, ok := st.Backend(name)
	switch {
	case !ok:
		return fmt.Errorf("backend/%s is gone", name)
	case len(b.Votes) == 0:
		return fmt.Errorf("backend/%s: %s", name, b.Reason)
	}
	for _, v := range b.Votes {
		if !is(v) {
			return fmt.Errorf("backend/%s %s, says %s", name, not, v.Host)
		}
	}
	return nil
}

func takes(p api.Phase) bool {
	return p == api.PhaseServing || p == api.PhaseRising || p == api.PhaseStandby
}

func flows(n int64) string {
	if n == 1 {
		return "1 flow is left"
	}
	return fmt.Sprintf("%d flows are left", n)
}

// backendsOn are the backends that a target stands for.
func backendsOn(st *api.Status, target id.Ref) []string {
	if target.Kind == id.KindBackend {
		return []string{target.Name}
	}
	var all []string
	for i := range st.Backends {
		if st.Backends[i].Host == target.Name {
			all = append(all, st.Backends[i].Name)
		}
	}
	return all
}
