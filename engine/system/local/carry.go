package local

import (
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// carry carries out what the fleet asks for. It runs on the fleet's loop and
// must not wait for anybody who waits for that loop.
func (f *Fleet) carry(_ instant.Instant, out *fleet.Effects) {
	// First of all: to start hundreds of things takes time.
	f.bus.Add(out.Events)
	if out.Picture != nil {
		f.bus.Publish(out.Picture)
	}
	if out.Spec != nil {
		f.apply(out.Spec)
	}
	for _, h := range out.Hosts {
		f.mu.Lock()
		hl := f.hosts[h.Host]
		f.mu.Unlock()
		if hl != nil {
			f.post.send(letter{to: hl, event: h.Event})
		}
	}
	for _, o := range out.Faults {
		f.keeper.Fault(o)
	}
	if len(out.Begin) > 0 {
		f.users.begin(out.Begin)
	}
	if out.StartProbes != nil {
		f.users.startProbes(*out.StartProbes)
	}
	if out.StopProbes {
		f.users.stopProbes()
	}
	for _, e := range out.Events {
		f.options.Log.Info(e.Text, "seq", e.Seq, "subject", e.Subject.String(), "host", e.Host, "state", e.State, "reason", e.Reason, "cause", e.Cause, "by", e.By)
	}
	f.answer(out)
}

// apply brings hosts, processes and clients to what a spec says.
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
	f.users.apply(s)
}
