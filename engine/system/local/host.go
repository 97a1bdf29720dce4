package local

import (
	"context"
	"errors"

	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/hosting"
)

var errLeft = errors.New("local: the host left the spec")

// running is a host that runs, and its end.
type running struct {
	*hosting.Host
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// startHost starts a host. The caller holds the lock.
func (f *Fleet) startHost(name string) *running {
	f.lives++
	log := f.options.Log.With("host", name)
	r := &running{Host: hosting.New(hosting.Options{
		Name: name, Life: f.lives, Clock: f.clock, Poll: f.poll, Log: log,
		Foreign: func(address string) string { return f.keeper.Foreign(address) },
		Report:  func(s host.Status, changed bool) { f.clerk.Later(fleet.Report{Status: s, Changed: changed}) },
		Noted:   func(notes []host.Note) { f.clerk.Later(fleet.Noted{Host: name, Notes: notes}) },
	})}
	r.ctx, r.cancel = context.WithCancelCause(f.ctx)
	f.run(func() {
		if err := r.Run(r.ctx); !errors.Is(err, errClosed) && !errors.Is(err, errLeft) {
			log.Error("a host's loop ended", "error", err.Error())
		}
	})
	return r
}

// apply brings hosts and processes to what a spec says.
func (f *Fleet) apply(s *spec.Fleet) {
	f.mu.Lock()
	wanted := map[string]bool{}
	for i := range s.Sites {
		for _, h := range s.Sites[i].Hosts {
			wanted[h.Name] = true
			if f.hosts[h.Name] == nil {
				f.hosts[h.Name] = f.startHost(h.Name)
			}
		}
	}
	for name, h := range f.hosts {
		if !wanted[name] {
			h.cancel(errLeft)
			delete(f.hosts, name)
		}
	}
	f.mu.Unlock()
	f.post.send(letter{await: f.keeper.Apply(s)})
}

// send posts an event to its host.
func (f *Fleet) send(to fleet.ToHost) {
	f.mu.Lock()
	h := f.hosts[to.Host]
	f.mu.Unlock()
	if h != nil {
		f.post.send(letter{to: h, event: to.Event})
	}
}
