//go:build lab

package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/quorum"
	"github.com/holdfast-edge/holdfast/sim/lab"
)

// replicaRun is what the replica role is told: a host with a replica and nothing
// else of an agent.
type replicaRun struct {
	Host, Address string
	Identity, Dir string
	Hosts         map[string]string
	Seats         []replica.Seat
}

const replicaGroup replica.GroupID = "fleet"

func replicaHost(config string) error {
	var run replicaRun
	if err := json.Unmarshal([]byte(config), &run); err != nil {
		return err
	}
	files, err := identity.OpenFiles(run.Identity)
	if err != nil {
		return err
	}
	own, err := files.LoadHost()
	if err != nil {
		return err
	}
	holder, err := identity.NewHolder(own, nil)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	q, err := quorum.Open(quorum.Options{
		Host: run.Host, Dir: run.Dir, Clock: loop.NewClock(), Log: log, Holder: holder,
		Address: func(host string) (string, bool) { a, ok := run.Hosts[host]; return a, ok },
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", run.Address)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		if err := q.Run(ctx); err != nil {
			log.Error("replicas", "err", err)
		}
		stop()
	})
	all.Go(func() { _ = identity.NewPort(holder, log, q.Protocol()).Serve(ctx, l) })
	if len(q.Status().Groups) == 0 {
		return q.Create(ctx, replicaGroup, run.Seats)
	}
	return nil
}

// authority signs the identities of hosts of one lab fleet.
func authority(t *testing.T, fleet string) func(name, site, dir string) {
	t.Helper()
	a, err := identity.NewAuthority(fleet, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return signer(t, a, nil)
}

func signer(t *testing.T, a *identity.Authority, keys [][]byte) func(name, site, dir string) {
	return func(name, site, dir string) {
		t.Helper()
		key, csr, err := identity.NewRequest()
		if err != nil {
			t.Fatal(err)
		}
		chain, err := a.Sign(time.Now(), csr, identity.Name{Fleet: a.Fleet(), Site: site, Host: name})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		files, err := identity.OpenFiles(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := files.SaveHost(identity.Credentials{Key: key, Chain: chain, Roots: a.Roots(), Keys: keys}); err != nil {
			t.Fatal(err)
		}
	}
}

// replicas starts a group with a voter on every host.
func replicas(t *testing.T, f *lab.Fleet, own func(name, site, dir string)) (all []*lab.Agent) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := replicaRun{Hosts: map[string]string{}}
	for _, h := range f.All() {
		run.Hosts[h.Name] = agentAddress(h)
		run.Seats = append(run.Seats, replica.Seat{Host: h.Name})
	}
	for _, h := range f.All() {
		a, err := h.Agent(func(a *lab.Agent) (*lab.Process, error) {
			run := run
			run.Host, run.Address, run.Identity, run.Dir = h.Name, agentAddress(h), a.State, filepath.Join(a.State, "journal")
			config, err := json.Marshal(run)
			if err != nil {
				return nil, err
			}
			return h.Start("replica", "env", "HOLDFAST_LAB_ROLE=replica", "HOLDFAST_LAB_CONFIG="+string(config), self)
		})
		if err != nil {
			t.Fatal(err)
		}
		own(h.Name, h.Site().Name, a.State)
		if err := a.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s printed:\n%s", h, lab.Tail(a.Process().Log(), 30))
			}
		})
	}
	return all
}

// TestReplicasUnderFaults: the replicas of a group, as processes, stay one register
// for each key over kills, partitions, pauses, losses, full disks and stepped clocks.
func TestReplicasUnderFaults(t *testing.T) {
	f := ground(t, 3, 1)
	own := authority(t, "lab")
	all := replicas(t, f, own)
	load := loadFacts(t, f, replicaGroup, 1, own)
	goesOn := func(what string) {
		t.Helper()
		began := time.Now()
		for _, s := range f.Sites {
			before := load.acknowledged(s.Name)
			eventually(t, what+": writes from "+s.Name, func() error {
				if load.acknowledged(s.Name) < before+5 {
					return errors.New("not yet")
				}
				return nil
			})
		}
		t.Logf("%s: writes from all sites after %v", what, time.Since(began).Round(time.Millisecond))
	}
	goesOn("start")
	for _, a := range all {
		if err := a.Kill(); err != nil {
			t.Fatal(err)
		}
		goesOn("killed " + a.Host.Name)
		if err := a.Start(); err != nil {
			t.Fatal(err)
		}
		goesOn("started " + a.Host.Name)
	}
	for _, x := range []lab.LinkFault{
		lab.CutOneWay(f.Sites[0], f.Sites[1]), lab.CutOneWay(f.Sites[1], f.Sites[2]), lab.CutOneWay(f.Sites[2], f.Sites[0]),
		{From: f.Sites[0], To: lab.Everywhere, Drop: 0.1},
		{From: f.Sites[0], To: f.Sites[1], Delay: 50 * time.Millisecond, Jitter: 50 * time.Millisecond},
	} {
		heal, err := f.Break(x)
		if err != nil {
			t.Fatal(err)
		}
		goesOn(x.String())
		if err := heal(); err != nil {
			t.Fatal(err)
		}
		goesOn("healed")
	}
	for _, a := range all {
		if err := a.Process().Pause(); err != nil {
			t.Fatal(err)
		}
		goesOn("paused " + a.Host.Name)
		if err := a.Process().Resume(); err != nil {
			t.Fatal(err)
		}
		if err := a.Process().StepClock(-time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := a.Disk.Fill(); err != nil {
			t.Fatal(err)
		}
		goesOn("full " + a.Host.Name)
		if err := a.Disk.Free(); err != nil {
			t.Fatal(err)
		}
		goesOn("free " + a.Host.Name)
	}
	load.stop(t)
}
