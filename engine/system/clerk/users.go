package clerk

import (
	"context"
	"reflect"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/traffic"
)

// users are the built-in traffic and a drill's probes.
type users struct {
	clerk *Clerk

	mu      sync.Mutex
	spec    *spec.Fleet
	clients map[string]group
	probes  context.CancelFunc // nil: no drill measures
}

// group is running clients and what they were started with.
type group struct {
	options traffic.ClientsOptions
	end     context.CancelFunc
}

func newUsers(c *Clerk) *users { return &users{clerk: c, clients: map[string]group{}} }

// apply brings the built-in traffic to what a spec says. Clients whose lines did
// not change keep their connections.
func (u *users) apply(s *spec.Fleet) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.spec = s
	for name, g := range u.clients {
		c := s.ClientsOf(name)
		if c == nil {
			g.end()
			delete(u.clients, name)
			continue
		}
		if o, err := traffic.Clients(s, *c); err != nil || !reflect.DeepEqual(o, g.options) {
			g.end()
			delete(u.clients, name)
			u.start(*c)
		}
	}
}

// begin starts clients.
func (u *users) begin(names []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, name := range names {
		if c := u.spec.ClientsOf(name); c != nil {
			u.start(*c)
		}
	}
}

// start starts one group of clients. The caller holds the lock.
func (u *users) start(c spec.Clients) {
	log := u.clerk.options.Log.With("clients", c.Name)
	o, err := traffic.Clients(u.spec, c)
	if err != nil {
		log.Error("built-in clients cannot run", "error", err.Error())
		return
	}
	ctx, end := context.WithCancel(u.clerk.ctx)
	u.clients[c.Name] = group{o, end}
	o.Read, o.Poll = func(r fleet.ClientsRead) { u.clerk.Later(r) }, u.clerk.options.Poll
	u.clerk.run(func() {
		if err := traffic.RunClients(ctx, o); err != nil {
			log.Error("built-in clients ended", "error", err.Error())
		}
	})
}

// startProbes begins to measure for a drill, and ends what measured before.
func (u *users) startProbes(order fleet.ProbesOrder) {
	u.stopProbes()
	u.mu.Lock()
	defer u.mu.Unlock()
	log := u.clerk.options.Log.With("drill", order.Drill, "run", order.Run)
	use, err := traffic.Of(u.spec, order.Clients)
	if err != nil {
		log.Error("the drill's probes cannot run", "error", err.Error())
		return // without samples the drill ends as not clean
	}
	ctx, end := context.WithCancel(u.clerk.ctx)
	u.probes = end
	o := traffic.ProbesOptions{Use: use, Every: order.Every, Clock: u.clerk.options.Clock, Deliver: func(all []drill.Sample) {
		u.clerk.loop.Tell(ctx, fleet.Sampled{Drill: order.Drill, Run: order.Run, Samples: all})
	}}
	u.clerk.run(func() {
		if err := traffic.RunProbes(ctx, o); err != nil {
			log.Error("the drill's probes ended", "error", err.Error())
		}
	})
}

func (u *users) stopProbes() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.probes != nil {
		u.probes()
		u.probes = nil
	}
}
