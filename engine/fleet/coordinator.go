package fleet

import (
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// drawCoordinator says who keeps the picture.
func (f *Fleet) drawCoordinator(s *api.Status) {
	s.Ring = f.options.Ring
	if f.options.Host == "" {
		return
	}
	s.Through = f.options.Host
	s.Coordinator = api.Coordinator{
		Kind: api.CoordinationActing, Host: f.options.Host, Epoch: f.options.Epoch, Since: f.options.Origin.Wall(f.started), Reason: f.options.Why,
	}
	if f.options.Observer {
		s.Coordinator.Kind, s.Coordinator.Epoch = api.CoordinationAlone, 0
	}
}

// drawAlone lists that nobody coordinates, with what it means.
func (f *Fleet) drawAlone(s *api.Status) {
	if !f.options.Observer {
		return
	}
	s.Problems = append(s.Problems, api.Problem{
		Subject: id.To(id.KindFleet, f.spec.Name), Site: f.siteOf(id.To(id.KindHost, f.options.Host)), State: api.StateDegraded, Since: s.Started, Cause: f.began,
		Text:   fmt.Sprintf("no coordinator: this is what %s sees by itself: %s", f.options.Host, f.options.Why),
		Effect: fmt.Sprintf("commands are refused; users are served by revision %d and what operators had set", f.rev),
	})
	s.State = api.Worst(s.State, api.StateDegraded)
}

// orderNothing takes what an observer must not ask for out of its effects.
func orderNothing(out *Effects) {
	out.Hosts, out.Faults, out.Begin, out.Reports = out.Hosts[:0], out.Faults[:0], out.Begin[:0], out.Reports[:0]
	out.StartProbes, out.StopProbes, out.Keep, out.Words = nil, false, nil, nil
}
