package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/coordinator"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/clerk"
	"github.com/holdfast-edge/holdfast/engine/system/specfile"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
	"github.com/holdfast-edge/holdfast/engine/system/uplink"
)

// shareWords is the key under which every host has what operators have set.
const shareWords = "words"

// picture is what a picture is kept with.
type picture struct {
	epoch   uint64 // 0: of an observer
	why     string
	spec    statedir.Kept
	fleet   *spec.Fleet
	words   []fleet.Word
	reports []api.Drill
	revs    []api.Revision
	store   clerk.Store
}

// act keeps the fleet's picture under a lease until ctx ends.
func (a *Agent) act(ctx context.Context, epoch uint64) error {
	store := &shared{facts: a.facts, token: facts.Token{Lease: leaseCoordinator, Epoch: epoch}}
	agreed, err := store.load(ctx)
	if err != nil {
		return err
	}
	why := ""
	if agreed.spec.Revision == 0 { // the first coordinator of all begins with what the fleet is founded on
		if agreed, err = a.found(ctx, store); err != nil {
			return err
		}
		why = a.options.Founding.From
	}
	f, err := specfile.Read(agreed.spec.Name, []byte(agreed.spec.Text), agreed.spec.Dir)
	if err != nil {
		return fmt.Errorf("revision %d, which the fleet agreed on, cannot be read on %s: %w", agreed.spec.Revision, a.options.Host, err)
	}
	return a.keep(ctx, picture{epoch: epoch, why: why, spec: agreed.spec, fleet: f, words: agreed.words.All, reports: agreed.reports, revs: agreed.revs, store: store})
}

// alone keeps a picture of what this host can reach, by what it knew last.
func (a *Agent) alone(ctx context.Context) {
	for ctx.Err() == nil {
		kept, f := a.own.now()
		if f == nil { // it has just joined, or its disk is new
			pause(ctx, a.own.first, time.Hour)
			continue
		}
		err := a.keep(ctx, picture{
			why:  fmt.Sprintf("no coordinator was heard for %s", coordinator.AloneAfter),
			spec: kept, fleet: f, words: a.own.lastWords(), store: nobody{},
		})
		if ctx.Err() == nil {
			a.options.Log.Error("the picture of a host that is alone ended", "err", err.Error())
			pause(ctx, nil, time.Second)
		}
	}
}

// nobody is the store of who may not keep anything, and is never asked.
type nobody struct{}

var errNobody = fmt.Errorf("agent: only a coordinator keeps what is agreed on")

func (nobody) Keep(context.Context, fleet.Keep) error       { return errNobody }
func (nobody) KeepWords(context.Context, fleet.Words) error { return errNobody }

// keep keeps a picture until ctx ends, or until something that was to be agreed on
// was not: then the picture is wrong.
func (a *Agent) keep(ctx context.Context, p picture) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	acting := p.epoch > 0
	o := fleet.Options{World: a.options.World, Version: a.options.Version, Host: a.options.Host, Epoch: p.epoch, Observer: !acting, Why: p.why}
	lines := uplink.LinesOptions{Clock: a.clock, Log: a.options.Log, Holder: a.holder, Epoch: p.epoch}
	var past []api.Event
	if acting {
		// It goes on with the numbers and the events of the one before.
		lines.Grew, past = a.uplink.Copy()
		if n := len(past); n > 0 {
			o.Seq = past[n-1].Seq
		}
		lines.GrewAt = o.Seq
		o.Ring = fmt.Sprintf("e%d", p.epoch)
	} else {
		o.Ring = fmt.Sprintf("alone:%s:%d:%d", a.options.Host, a.life, a.clock.Now())
	}
	lines.Ring = o.Ring
	var c *clerk.Clerk
	var l *uplink.Lines
	lines.Tell = func(ev fleet.Event) { c.Tell(ctx, ev) }
	lines.Disagree = func(host string, ahead, trip time.Duration) {
		c.Later(fleet.Clock{Host: host, Offset: ahead, RTT: trip})
	}
	lines.Later = func(host string, epoch uint64) {
		a.options.Log.Info("a host knows of a later coordinator", "host", host, "epoch", epoch)
		a.office.Tell(ctx, coordinator.Overtaken{Epoch: epoch})
	}
	if acting {
		lines.Events = func(after api.Seq) []api.Event { return c.Since(after) }
	}
	l = uplink.NewLines(lines)
	defer l.Close()
	c = clerk.New(clerk.Options{
		Fleet: o, Clock: a.clock, Poll: a.poll, Log: a.options.Log, Strict: acting, Past: past,
		World: clerk.World{
			Apply: func(f *spec.Fleet) { l.SetHosts(a.addresses(f)) },
			Host:  l.ToHost,
			Fault: func(order fleet.FaultOrder) { l.Fault(order.Host, order) },
			Events: func(events []api.Event) {
				if acting {
					l.Push(events)
				}
			},
			Store:  tellsHosts{p.store, a.options.Also, l},
			Failed: cancel,
			Admit:  a.admits(p.epoch),
		},
	})
	if acting {
		a.uplink.SetCopy(false, "", nil)
		defer func() { a.uplink.SetCopy(true, o.Ring, c.Since(0)) }()
	}
	l.Spec(keepOf(p.spec))
	words, err := json.Marshal(fleet.Words{Fleet: p.fleet.Name, All: p.words})
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if acting {
		l.Share(shareWords, words)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	c.Tell(ctx, fleet.SetSpec{Fleet: p.fleet, Text: p.spec.Text, Rev: p.spec.Revision, From: p.why, Words: p.words, Reports: p.reports, Revisions: revisionsWith(p.revs, p.spec)})
	stop := a.pictures.add(c)
	defer stop()
	a.tellAdmission(ctx, c, p.epoch)
	shown := c.Client()
	if acting {
		if !a.options.Unrecorded {
			shown = a.recorded(shown, facts.Token{Lease: leaseCoordinator, Epoch: p.epoch})
		}
		a.direct.set(shown)
	}
	a.client.set(shown)
	err = <-done
	a.client.set(nil)
	a.direct.set(nil)
	return err
}

// tellsHosts is a store that also tells the hosts, which may have no copy of the
// facts and have to go on by themselves when they are cut off.
type tellsHosts struct {
	clerk.Store
	also  clerk.Store // nil: there is none
	lines *uplink.Lines
}

// Keep implements clerk.Store. The text is there before the hosts are told of it.
func (s tellsHosts) Keep(ctx context.Context, k fleet.Keep) error {
	err := s.Store.Keep(ctx, k)
	if err == nil {
		s.lines.Spec(k)
		err = s.once(func() error { return s.also.Keep(ctx, k) })
	}
	return err
}

// once keeps something once more. It is agreed on all the same.
func (s tellsHosts) once(keep func() error) error {
	if s.also == nil {
		return nil
	}
	if err := keep(); err != nil {
		return &clerk.AgreedError{Err: err}
	}
	return nil
}

// KeepWords implements clerk.Store.
func (s tellsHosts) KeepWords(ctx context.Context, w fleet.Words) error {
	err := s.Store.KeepWords(ctx, w)
	if err != nil {
		return err
	}
	b, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	s.lines.Share(shareWords, b)
	return s.once(func() error { return s.also.KeepWords(ctx, w) })
}

// KeepReports implements clerk.ReportStore.
func (s tellsHosts) KeepReports(ctx context.Context, all []api.Drill) error {
	if to, ok := s.Store.(clerk.ReportStore); ok {
		return to.KeepReports(ctx, all)
	}
	return nil
}

// addresses are where the agents of a spec's hosts listen.
func (a *Agent) addresses(f *spec.Fleet) map[string]string {
	all := map[string]string{}
	for i := range f.Sites {
		for _, h := range f.Sites[i].Hosts {
			all[h.Name] = spec.AddrPort(h.Address, a.options.Port)
		}
	}
	return all
}

// keepOf is a kept spec as the fleet says it.
func keepOf(k statedir.Kept) fleet.Keep {
	return fleet.Keep{Rev: k.Revision, Name: k.Name, Text: k.Text, Dir: k.Dir, By: k.By, Why: k.Why, At: k.At}
}
