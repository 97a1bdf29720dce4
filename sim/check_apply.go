package sim

import (
	"reflect"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// checkApply: a host has one revision of the spec, whole: its listeners and its
// backends are that revision's and no other's; and only an accepted command
// brings a new one, numbered on from the one before and listed with its text. To
// go back to a revision brings exactly what that one was.
type checkApply struct {
	world *World
	revs  map[uint64]*spec.Fleet
	rev   uint64
}

func newCheckApply(w *World) *checkApply {
	return &checkApply{world: w, revs: map[uint64]*spec.Fleet{}}
}

func (c *checkApply) fleet(ev fleet.Event, out *fleet.Effects) {
	if out.Spec == nil {
		return
	}
	ask, ok := ev.(fleet.Ask)
	next, first := ev.(fleet.SetSpec)
	if ok {
		apply, isApply := ask.Request.Command.(api.Apply)
		back, isBack := ask.Request.Command.(api.Rollback)
		ok = isApply && (apply.Base == 0 || apply.Base == c.rev)
		if isBack {
			old := c.revs[back.Rev]
			if ok = (back.Base == 0 || back.Base == c.rev) && old != nil && back.Rev != c.rev; ok && !reflect.DeepEqual(old, out.Spec) {
				c.world.fail("apply", "to go back to revision %d brought something else", back.Rev)
				return
			}
		}
		ok = ok && len(out.Answers) > 0 && out.Answers[0].Receipt.OK && !ask.Request.DryRun
	}
	if !ok && !first {
		c.world.fail("apply", "a spec is in force that no accepted command brought")
		return
	}
	if next.Rev > 0 { // of a coordinator that follows
		if next.Rev != c.rev || next.Fleet != c.revs[c.rev] {
			c.world.fail("apply", "a coordinator begins with revision %d after %d", next.Rev, c.rev)
		}
		return
	}
	c.rev++
	c.revs[c.rev] = out.Spec
	listed := len(out.Revisions) > 0 && out.Revisions[len(out.Revisions)-1].Rev == c.rev
	if !listed || out.Keep == nil || out.Keep.Rev != c.rev || out.Keep.Text != out.Revisions[len(out.Revisions)-1].Text {
		c.world.fail("apply", "revision %d is in force, and neither listed nor kept", c.rev)
	}
}

func (c *checkApply) report(h *simHost, s *host.Status) {
	w := c.world
	if s.Rev == 0 {
		if len(s.Backends) > 0 || len(s.Bindings) > 0 {
			w.fail("apply", "%s has no spec and %d backends", h.name, len(s.Backends))
		}
		return
	}
	f := c.revs[s.Rev]
	if f == nil || s.Rev != h.asked.rev {
		w.fail("apply", "%s has revision %d, it was sent %d", h.name, s.Rev, h.asked.rev)
		return
	}
	var want, got []string
	for _, p := range served(f, h.name) {
		for _, b := range p.Backends {
			want = append(want, b.Name+" "+b.AddrPort())
		}
	}
	for _, b := range h.path.table.Backends {
		got = append(got, b.Spec.Name+" "+b.Address)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) || len(s.Backends) != len(want) {
		w.fail("apply", "%s has revision %d in part: backends %v, the spec says %v", h.name, s.Rev, got, want)
	}
	listeners := 0
	for i := range f.Listeners {
		l := &f.Listeners[i]
		if !slices.Contains(l.Hosts, h.name) {
			continue
		}
		listeners++
		if !slices.ContainsFunc(s.Bindings, func(b host.Binding) bool { return b.Listener == l.Name }) {
			w.fail("apply", "%s has revision %d without its listener %s", h.name, s.Rev, l.Name)
		}
	}
	if listeners != len(s.Bindings) {
		w.fail("apply", "%s has %d listeners, revision %d has %d for it", h.name, len(s.Bindings), s.Rev, listeners)
	}
}
