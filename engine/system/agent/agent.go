// Package agent runs one host of a fleet for real. It composes: who this host is
// and whom it believes, who lives, what is agreed on, the host itself with its data
// path, and who keeps the picture.
//
// The host does not wait for any of the others: it serves by the spec that it knew
// last, and goes on when all else is cut off.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/coordinator"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/access"
	"github.com/holdfast-edge/holdfast/engine/system/admission"
	"github.com/holdfast-edge/holdfast/engine/system/auditlog"
	"github.com/holdfast-edge/holdfast/engine/system/clerk"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/liveness"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/metrics"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
	"github.com/holdfast-edge/holdfast/engine/system/proxy"
	"github.com/holdfast-edge/holdfast/engine/system/quorum"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
	"github.com/holdfast-edge/holdfast/engine/system/uplink"
)

// Options of Open.
type Options struct {
	// Holder is who this host is, Files where that is kept.
	Holder *identity.Holder
	Files  identity.Files
	State  *statedir.Dir
	// Admission says who may come in, and gave Holder. Nil: nobody joins, and the
	// certificate is not renewed.
	Admission *admission.Register
	// Address is where the agent listens: its host's address in the spec. Port is of
	// all agents of the fleet; 0: access.DefaultPort.
	Address netip.Addr
	Port    int
	Log     *slog.Logger
	Version string
	// Metrics is the address, host:port, that serves /metrics, /live and /ready;
	// empty: none does.
	Metrics string
	// Service is the program that runs as one of the fleet's own backends and its
	// first arguments; empty: this program's own.
	Service []string
	// World is how pictures call the fleet; empty: api.WorldAgent.
	World api.World
	// Clock and Poll are of the process, where several agents share one; nil: the agent
	// has its own.
	Clock *loop.Clock
	Poll  *poll.Poll
	// Founding is what the fleet begins with beside its spec, if this host founds it.
	Founding Founding
	// Also keeps what is agreed on once more, before who asked for it has the answer:
	// for a fleet whose journals do not outlive its process. Nil: nothing does.
	Also clerk.Store
	// Unrecorded leaves the audit log to whoever let people in.
	Unrecorded bool
	// Settled waits, until ctx ends at the latest, for the services of other hosts that
	// start in the same process: no backend is found down that was never up.
	Settled func(ctx context.Context, rev uint64)
	// Applied hears of each spec that this host goes by. It must not block.
	Applied func(rev uint64, f *spec.Fleet)
	// Console serves people beside the agent until ctx ends, and records what they do;
	// nil: nothing does.
	Console func(ctx context.Context, c api.Client, record func(audit.Entry) (audit.Record, error)) error
	// Inherit returns a listening socket of the process before this one; nil if there
	// is none. Serving hears when the host's listeners are bound for the first time.
	Inherit func(network, address string) *os.File
	Serving func()
	// Succeed starts the process that comes after this one when Run was ended with the
	// cause ErrUpgrade, and returns when that serves. The state directory is free by
	// then, and the sockets are its to close.
	Succeed func(sockets []proxy.Socket) error

	Host, Site, Fleet string // as Holder says
}

// Agent is one host's agent.
type Agent struct {
	options Options
	holder  *identity.Holder
	state   *statedir.Dir
	life    uint64
	clock   *loop.Clock
	poll    *poll.Poll // nil on systems without one

	quorum   *quorum.Quorum
	facts    *quorum.Facts // of the fleet
	audit    *auditlog.Shared
	liveness *liveness.Liveness
	uplink   *uplink.Host
	own      *own
	stand    *stand
	seating  *seating
	office   *loop.Loop[coordinator.Event, coordinator.Effects]
	turns    chan coordinator.Term
	client   *client // for people: of whoever keeps the picture
	direct   *client // for other agents: of this one, if it does
	pictures pictures
	port     *identity.Port

	ctx  context.Context // of Run
	end  context.CancelCauseFunc
	over chan struct{} // closed when Run has returned
	all  sync.WaitGroup
	data sync.WaitGroup // of the data path, which outlives the rest in an upgrade
}

// ErrUpgrade is the cause of a context by which an agent hands over to the process
// that comes after it.
var ErrUpgrade = errors.New("agent: another program takes over")

// Run opens a host's agent and runs it.
func Run(ctx context.Context, o Options) (err error) {
	a, err := Open(o)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// Client is the fleet's client as this agent shows it. It cannot be asked any more
// when Run has returned.
func (a *Agent) Client() api.Client { return a.client }

// Open takes what the agent owns. Nothing runs before Run.
func Open(o Options) (a *Agent, err error) {
	self := o.Holder.Self()
	o.Host, o.Site, o.Fleet = self.Host, self.Site, self.Fleet
	if o.Host == "" {
		return nil, fmt.Errorf("agent: %s is no host; an agent needs a host's certificate", self)
	}
	if o.Port == 0 {
		o.Port = access.DefaultPort
	}
	if len(o.Service) == 0 {
		program, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("agent: this program cannot find itself: %w", err)
		}
		o.Service = []string{program, "service"}
	}
	o.World = cmp.Or(o.World, api.WorldAgent)
	a = &Agent{
		options: o, holder: o.Holder, state: o.State, clock: o.Clock, poll: o.Poll, over: make(chan struct{}),
		turns: make(chan coordinator.Term, 1),
	}
	a.client, a.direct = newClient(o.Host, a.over), newClient(o.Host, a.over)
	if a.clock == nil {
		a.clock = loop.NewClock()
	}
	o.State.Wrote = func(err error) {
		if err != nil {
			o.Log.Error("the list of services' processes cannot be written: who takes over from an agent that is killed may not find them all", "err", err.Error())
		}
	}
	if a.life, err = o.State.NextLife(); err != nil {
		return nil, err
	}
	if a.poll == nil {
		if a.poll, err = poll.New(); err != nil {
			a.poll = nil
			o.Log.Debug("every probe has a goroutine", "reason", err.Error())
		}
	}
	keys, err := gossip.ParseKeyring(a.holder.Credentials().Keys)
	if err != nil {
		return nil, fmt.Errorf("agent: the fleet's keys for heartbeats: %w", err)
	}
	a.uplink = uplink.NewHost(uplink.HostOptions{
		Life: a.life, Version: o.Version, Clock: a.clock, Log: o.Log, Holder: a.holder,
		Spec: a.ordered, Order: a.obey, Fault: a.fault, Share: a.share,
		Called: a.called, Hung: a.hung,
	})
	a.uplink.SetCopy(true, "", nil)
	a.own = newOwn(a)
	a.quorum, err = quorum.Open(quorum.Options{
		Host: o.Host, Dir: filepath.Join(o.State.Path, "journal"), Clock: a.clock, Log: o.Log, Holder: a.holder,
		Address: a.address, Seats: a.seats, Timing: timing,
	})
	if err != nil {
		return nil, err
	}
	a.facts = a.quorum.Facts(groupFleet)
	a.audit = auditlog.NewShared(auditlog.SharedOptions{Store: a.facts, Host: o.Host})
	a.liveness, err = liveness.New(liveness.Options{
		Fleet: o.Fleet, Self: member.Host{Name: o.Host, Site: o.Site}, Address: o.Address, Life: a.life, Keys: keys,
		Clock: a.clock, Log: o.Log, Changed: a.membersChanged,
	})
	if err != nil {
		a.quorum.Close()
		return nil, err
	}
	a.seating = newSeating(a)
	a.stand = newStand(a)
	a.office = loop.New(loop.Options[coordinator.Event, coordinator.Effects]{
		Name: "coordinator", Clock: a.clock, Log: o.Log, Machine: coordinator.New(o.Host), Wake: coordinator.Wake{},
		Reset: (*coordinator.Effects).Reset, Carry: a.carryTerm,
	})
	return a, nil
}

// timing of a group: sites are near, and their links may be far.
func timing(g replica.GroupID) replica.Timing {
	if g == groupFleet {
		return replica.Near
	}
	return replica.Near
}

// Run runs a host's agent until ctx ends, or until something ends without which it is
// of no use, and says goodbye to the others. It is for once.
func (a *Agent) Run(asked context.Context) (err error) {
	defer close(a.over)
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(asked))
	defer cancel(nil)
	a.ctx, a.end = ctx, cancel
	o := &a.options
	address := net.JoinHostPort(o.Address.String(), fmt.Sprint(o.Port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("agent: listen at %s, the address of %s: %w", address, o.Host, err)
	}
	socket, err := remote.Listen(statedir.Socket(o.State.Path))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	people := access.NewServer(a.client, a.holder, api.RoleViewer, o.Log)
	agents := access.NewRelay(direct{a.direct}, a.holder, o.Log)
	a.port = identity.NewPort(a.holder, o.Log, append(a.joining(), a.quorum.Protocol(), a.uplink.Protocol(), people.Protocol, agents.Protocol, a.lending(), a.reading())...)
	// essential runs what the agent is of no use without.
	essential := func(what string, do func(context.Context) error) {
		a.all.Go(func() {
			if err := do(ctx); ctx.Err() == nil {
				cancel(fmt.Errorf("agent: %s ended: %w", what, err))
			}
		})
	}
	serve, stopServing := context.WithCancelCause(context.WithoutCancel(asked))
	defer stopServing(nil)
	if a.ownPoll() {
		defer a.poll.Close()
		a.data.Go(func() {
			if err := a.poll.Run(); err != nil {
				cancel(err) // without it no deadline comes any more
			}
		})
	}
	a.data.Go(func() {
		if err := a.own.host.Run(serve); serve.Err() == nil {
			cancel(fmt.Errorf("agent: the host's loop ended: %w", err))
		}
	})
	a.all.Go(func() { a.own.run(ctx) })
	if err := a.own.begin(ctx); err != nil {
		o.Log.Error("the host begins without a spec", "err", err.Error())
	}
	essential("the replicas", a.quorum.Run)
	essential("who lives", a.liveness.Run)
	essential("the port", func(ctx context.Context) error { return a.port.Serve(ctx, listener) })
	essential("the API", people.Run)
	essential("the API between agents", agents.Run)
	essential("the socket", func(ctx context.Context) error { return remote.Serve(ctx, socket, a.client, o.Log, nil) })
	essential("the coordinator's loop", a.office.Run)
	a.office.Tell(ctx, coordinator.Startup{})
	a.all.Go(func() { a.terms(ctx) })
	a.all.Go(func() { a.stand.run(ctx) })
	a.all.Go(func() { a.watchGroups(ctx) })
	a.all.Go(func() { a.seating.run(ctx) })
	a.all.Go(func() { a.mirror(ctx) })
	a.all.Go(func() { a.console(ctx) })
	a.admit(ctx)
	if err := a.serveMetrics(ctx); err != nil {
		cancel(err)
	}
	select {
	case <-asked.Done():
		if !errors.Is(context.Cause(asked), loop.ErrPowerCut) {
			a.handOver(ctx)
		}
		cancel(context.Cause(asked))
	case <-ctx.Done():
	}
	err = context.Cause(ctx)
	var sockets []proxy.Socket
	if errors.Is(err, ErrUpgrade) {
		var failed error
		if sockets, failed = a.own.host.Sockets(); failed != nil {
			err = failed
		}
	}
	closing, over := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer over()
	if kept := a.own.keeper.Close(closing); kept != nil {
		o.Log.Error("processes of services are left", "err", kept.Error())
	}
	a.all.Wait()
	if errors.Is(err, ErrUpgrade) {
		err = a.succeed(sockets)
	}
	stopServing(err)
	if a.ownPoll() {
		a.poll.Close()
	}
	a.data.Wait()
	return err
}

// ownPoll reports whether the agent has a poll that is nobody else's.
func (a *Agent) ownPoll() bool { return a.poll != nil && a.options.Poll == nil }

// serveMetrics serves the picture to machines, where somebody wants that.
func (a *Agent) serveMetrics(ctx context.Context) error {
	if a.options.Metrics == "" {
		return nil
	}
	l, err := metrics.Listen(ctx, a.options.Metrics)
	if err != nil {
		return err
	}
	h := metrics.Handler(a.client, a.options.Version)
	a.all.Go(func() {
		if err := metrics.Serve(ctx, l, h, a.options.Log); err != nil && ctx.Err() == nil {
			a.options.Log.Error("the metrics endpoint is lost", "error", err.Error())
		}
	})
	return nil
}

// address is where a host's agent listens.
func (a *Agent) address(host string) (string, bool) {
	_, f := a.own.now()
	if f == nil {
		return "", false
	}
	h, _ := f.Host(host)
	if h == nil {
		return "", false
	}
	return spec.AddrPort(h.Address, a.options.Port), true
}

// seats are the hosts that may have a replica of a group.
func (a *Agent) seats(replica.GroupID) []string {
	_, f := a.own.now()
	if f == nil {
		return nil
	}
	var all []string
	for i := range f.Sites {
		for _, h := range f.Sites[i].Hosts {
			all = append(all, h.Name)
		}
	}
	return all
}

// specChanged tells those who go by the spec's hosts.
func (a *Agent) specChanged(ctx context.Context, f *spec.Fleet) {
	var all []liveness.Peer
	for i := range f.Sites {
		for _, h := range f.Sites[i].Hosts {
			at, err := netip.ParseAddr(h.Address)
			if err != nil {
				continue // the spec's own check lets none through
			}
			all = append(all, liveness.Peer{Host: member.Host{Name: h.Name, Site: f.Sites[i].Name}, Address: at, Port: uint16(a.options.Port)})
		}
	}
	a.liveness.SetPeers(ctx, all)
}

// pictures are those that are kept here: none or one.
type pictures struct {
	mu  sync.Mutex
	now func(fleet.Event)
}
