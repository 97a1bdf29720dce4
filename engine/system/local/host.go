package local

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/agent"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// errLeft is the cause of the end of a host that is not in the spec any more.
var errLeft = errors.New("local: the host left the spec")

// hostsDir is where the hosts of a fleet have their directories.
func hostsDir(state string) string { return filepath.Join(state, statedir.Hosts) }

// clear removes the directories of the hosts of a fleet before this one, and what
// they left running.
func clear(dir string) error {
	all, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("local: %w", err)
	}
	for _, e := range all {
		d, err := statedir.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if err := d.Close(); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("local: what the hosts of the fleet before had: %w", err)
	}
	return nil
}

// running is a host's agent that runs, and its end.
type running struct {
	address netip.Addr
	agent   *agent.Agent
	state   *statedir.Dir
	cancel  context.CancelCauseFunc
	ended   chan struct{}
}

// founding is what the host that founds the fleet begins with.
type founding struct {
	host string
	kept statedir.Kept
	with agent.Founding
}

// first says what the fleet begins with. A spec that does not go on is a revision
// of its own.
func (f *Fleet) first() (*founding, error) {
	o := &f.options
	kept := statedir.Kept{Revision: o.Rev, Name: o.Name, Dir: o.Dir, By: o.By, At: time.Now(), Text: o.SpecText}
	revs := slices.Clone(o.Revisions)
	if o.Rev == 0 {
		r := fleet.Started(revs, o.Spec, api.Revision{Name: o.Name, Dir: o.Dir, By: o.By, At: kept.At, Text: o.SpecText})
		kept.Revision, revs = r.Rev, append(revs, r)
		// Who begins with it did not apply it: it is history only.
		if err := o.State.KeepRevision(r, 0); err != nil {
			o.Log.Error("the revision that the fleet begins with is not kept", "err", err.Error())
		}
	}
	for i := range o.Spec.Sites {
		for _, h := range o.Spec.Sites[i].Hosts {
			return &founding{host: h.Name, kept: kept, with: agent.Founding{From: o.From, Words: o.Words, Revisions: revs}}, nil
		}
	}
	return nil, fmt.Errorf("local: fleet %s has no host", o.Spec.Name)
}

// start starts a host's agent. With first the fleet is founded, by one of them.
func (f *Fleet) start(name, site, address string, first *founding) (*running, error) {
	at, err := netip.ParseAddr(address)
	if err != nil {
		return nil, fmt.Errorf("local: the address of %s: %w", name, err)
	}
	holder, err := f.seal.host(name, site)
	if err != nil {
		return nil, err
	}
	r := &running{address: at, ended: make(chan struct{})}
	if r.state, err = statedir.Open(filepath.Join(hostsDir(f.options.State.Path), name)); err != nil {
		return nil, err
	}
	o := agent.Options{
		Holder: holder, State: r.state, Address: at, Log: f.options.Log.With("host", name), Version: f.options.Version, Service: f.options.Service,
		World: api.WorldLocal, Clock: f.clock, Poll: f.poll, Also: store{f.options.State}, Unrecorded: true, Applied: f.applied,
		Settled: func(ctx context.Context, rev uint64) { f.settling.wait(ctx, name, rev) },
	}
	if first != nil {
		if err := r.state.Keep(first.kept); err != nil {
			return nil, errors.Join(err, r.state.Close())
		}
		if first.host == name {
			o.Founding = first.with
			if err := agent.MakeFounder(r.state.Path, name); err != nil {
				return nil, errors.Join(err, r.state.Close())
			}
		}
	}
	if r.agent, err = agent.Open(o); err != nil {
		return nil, errors.Join(err, r.state.Close())
	}
	var ctx context.Context
	ctx, r.cancel = context.WithCancelCause(context.Background())
	f.run(func() { f.seal.keep(ctx, holder, o.Log) })
	f.run(func() {
		defer close(r.ended)
		err := r.agent.Run(ctx)
		if err := r.state.Close(); err != nil {
			f.options.Log.Error("a host's directory", "host", name, "err", err.Error())
		}
		if !errors.Is(err, errClosed) && !errors.Is(err, errLeft) && !errors.Is(err, loop.ErrPowerCut) {
			f.cancel(fmt.Errorf("host/%s: %w", name, err))
		}
	})
	return r, nil
}

// applied hears of a spec that a host goes by. Some hosts hear of one later than
// others.
func (f *Fleet) applied(rev uint64, s *spec.Fleet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if rev < f.rev {
		return
	}
	f.rev, f.spec = rev, s
	select {
	case f.respec <- struct{}{}:
	default: // it looks anyhow
	}
}

// follow starts and ends agents as the spec says, until the fleet ends.
func (f *Fleet) follow() {
	for {
		select {
		case <-f.respec:
			f.mu.Lock()
			s := f.spec
			f.mu.Unlock()
			if err := f.reconcile(s, nil); err != nil {
				f.cancel(err)
			}
		case <-f.ctx.Done():
			return
		}
	}
}

// reconcile brings the agents to what a spec says. One whose address is another
// now is another host of that name.
func (f *Fleet) reconcile(s *spec.Fleet, first *founding) error {
	wanted := map[string]string{}
	for i := range s.Sites {
		for _, h := range s.Sites[i].Hosts {
			wanted[h.Name] = h.Address
		}
	}
	f.settling.expect(wanted)
	for name, r := range f.hosts {
		if address, ok := wanted[name]; !ok || address != r.address.String() {
			delete(f.hosts, name)
			f.client.leave(r.agent)
			r.cancel(errLeft)
			<-r.ended
			if err := os.RemoveAll(r.state.Path); err != nil {
				f.options.Log.Error("the directory of a host that left", "host", name, "err", err.Error())
			}
		}
	}
	for i := range s.Sites {
		for _, h := range s.Sites[i].Hosts {
			if f.hosts[h.Name] != nil {
				continue
			}
			r, err := f.start(h.Name, s.Sites[i].Name, h.Address, first)
			if err != nil {
				return err
			}
			f.hosts[h.Name] = r
			f.client.join(r.agent)
		}
	}
	return nil
}

// end ends everything.
func (f *Fleet) end(why error) error {
	f.cancel(why)
	f.client.end()
	for _, r := range f.hosts {
		// Nobody is left to hand over to.
		r.cancel(loop.ErrPowerCut)
	}
	late := time.NewTimer(closeWait)
	defer late.Stop()
	var err error
	for name, r := range f.hosts {
		select {
		case <-r.ended:
		case <-late.C:
			err = errors.Join(err, fmt.Errorf("local: host/%s does not end within %s", name, closeWait))
		}
	}
	if f.poll != nil {
		f.poll.Close()
	}
	if err != nil {
		return err
	}
	f.all.Wait()
	return clear(hostsDir(f.options.State.Path))
}
