package plain

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// againWithin is how long a watch waits for a fleet of agents that ended it: another
// coordinator takes over within seconds.
const againWithin = 15 * time.Second

// again is the picture of whoever keeps it now, after a watch of st ended; an error
// where nobody does any more.
func again(ctx context.Context, c api.Client, st *api.Status) (*api.Status, error) {
	if !st.Agents() {
		return nil, errEnded
	}
	ctx, cancel := context.WithTimeout(ctx, againWithin)
	defer cancel()
	next, err := c.Status(ctx)
	if err != nil {
		return nil, errEnded
	}
	return next, nil
}

// following prints events as they come, each once: also when another coordinator
// numbers them its own way, with the history that it has of them.
type following struct {
	*shell
	client api.Client
	show   func([]api.Event) error
	status *api.Status
	seen   map[string]bool
	last   api.Seq
	heard  bool // the newest Watch brought something
}

func eventKey(e *api.Event) string {
	return fmt.Sprintf("%d %d %s %s", e.Seq, e.At.UnixNano(), e.Subject, e.Text)
}

// shown remembers what was printed. It knows as many as a ring holds.
func (f *following) shown(all []api.Event) {
	if f.seen == nil || len(f.seen) > 2*api.EventRing {
		f.seen = map[string]bool{}
	}
	for i := range all {
		f.seen[eventKey(&all[i])] = true
		f.last = all[i].Seq
	}
}

// run watches until ctx or the fleet ends.
func (f *following) run(ctx context.Context) error {
	for {
		over, err := f.watch(ctx)
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return nil
		case !over:
			continue
		}
		next, err := again(ctx, f.client, f.status)
		if err == nil && !f.heard {
			err = errEnded // who answers and ends every watch at once is going
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := f.turn(ctx, next); err != nil {
			return err
		}
	}
}

// watch prints what one Watch brings, and reports whether the fleet ended it. It
// did not where another ring begins.
func (f *following) watch(ctx context.Context) (over bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.heard = false
	updates, err := f.client.Watch(ctx, f.last)
	if err != nil {
		return false, err
	}
	for u := range updates {
		f.heard = true
		if u.Status.Ring != f.status.Ring {
			return false, f.turn(ctx, u.Status)
		}
		if u.Missed > 0 {
			fmt.Fprintf(f.err, "%d events were missed: they came faster than they were read\n", u.Missed)
		}
		if err := f.show(u.Events); err != nil {
			return false, err
		}
		f.shown(u.Events)
	}
	return true, nil
}

// turn goes on with a picture whose ring may be another one: what that has and was
// not printed yet is printed now.
func (f *following) turn(ctx context.Context, st *api.Status) error {
	same := st.Ring == f.status.Ring
	if f.status = st; same {
		return nil
	}
	all, err := f.client.Events(ctx, 0, api.EventRing)
	if err != nil {
		return err
	}
	var fresh []api.Event
	for i := range all {
		if !f.seen[eventKey(&all[i])] {
			fresh = append(fresh, all[i])
		}
	}
	f.seen, f.last = nil, 0
	f.shown(all)
	return f.show(fresh)
}
