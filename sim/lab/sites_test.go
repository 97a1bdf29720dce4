//go:build lab

package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
	"github.com/holdfast-edge/holdfast/sim/lab"
)

// running is a fleet of real agents in the lab.
type running struct {
	*testing.T
	*lab.Fleet
	agents map[*lab.Host]*lab.Agent
	own    func(name, site, dir string)
}

// fleet starts a fleet of agents, one on each host, and waits until all of them see
// all of it.
func fleet(t *testing.T, sites, hosts int) *running {
	t.Helper()
	r := &running{T: t, Fleet: ground(t, sites, hosts), agents: map[*lab.Host]*lab.Agent{}}
	for _, s := range r.Sites {
		if err := s.Serve(backendPorts...); err != nil {
			t.Fatal(err)
		}
	}
	spec, err := r.Write("fleet.yaml", fleetSpec(r.Fleet))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	ca, err := identity.NewAuthority("lab", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := gossip.NewKeyring(gossip.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	r.own = signer(t, ca, ring.Encode())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for i, h := range r.All() {
		as := func(run agentRun) []string {
			config, err := json.Marshal(run)
			if err != nil {
				t.Fatal(err)
			}
			return []string{"HOLDFAST_LAB_ROLE=agent", "HOLDFAST_LAB_CONFIG=" + string(config), self}
		}
		a, err := h.Agent(func(a *lab.Agent) (*lab.Process, error) {
			return h.Start("agent", "env", as(agentRun{State: a.State, Identity: identityDir(a), Address: h.Address.String()})...)
		})
		if err != nil {
			t.Fatal(err)
		}
		r.agents[h] = a
		r.own(h.Name, h.Site().Name, identityDir(a))
		if i == 0 {
			if out, err := h.Run(t.Context(), "env", as(agentRun{State: a.State, Host: h.Name, Spec: spec})...); err != nil {
				t.Fatal(err, out)
			}
		}
		if err := a.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s printed:\n%s", h, lab.Tail(a.Process().Log(), 30))
			}
		})
	}
	r.whole("the start", 60*time.Second)
	t.Logf("%d x %d agents are one fleet after %v", sites, hosts, time.Since(began).Round(time.Millisecond))
	return r
}

func identityDir(a *lab.Agent) string { return filepath.Join(a.Disk.Dir, "identity") }

// client is of a host's agent, over its socket.
func (r *running) client(h *lab.Host) api.Client {
	r.Helper()
	c, err := remote.Dial(statedir.Socket(r.agents[h].State))
	if err != nil {
		r.Fatal(err)
	}
	return c
}

// status asks a host's agent once.
func (r *running) status(h *lab.Host) (*api.Status, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	return r.client(h).Status(ctx)
}

// slowly is from when on it is worth a line what took so long.
const slowly = 5 * time.Second

// whole waits until every agent hands out the picture of one coordinator, in which
// all is well.
func (r *running) whole(after string, patience time.Duration) {
	r.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	var last error
	err := lab.Until(ctx, func() error {
		err := r.well()
		if err != nil {
			last = err
		}
		return err
	})
	if err != nil {
		r.Fatalf("after %s, for %v: %v", after, patience, err)
	}
	if r.Logf("whole %v after %s", time.Since(began).Round(10*time.Millisecond), after); time.Since(began) > slowly {
		r.Logf("the last that was not well: %.500v", last)
	}
}

// well says what is not well with the fleet, as its agents see it.
func (r *running) well() error {
	rings := map[string]*lab.Host{}
	for _, h := range r.All() {
		s, err := r.status(h)
		if err != nil {
			return fmt.Errorf("%s: %w", h, err)
		}
		if err := wellAt(s, len(r.All())); err != nil {
			return fmt.Errorf("%s: %w", h, err)
		}
		rings[s.Ring] = h
	}
	if len(rings) > 1 {
		return fmt.Errorf("there are pictures of %d coordinators: %v", len(rings), rings)
	}
	return nil
}

// fleetVoters is how many sites at most have a voter in the fleet's group.
const fleetVoters = 5

// wellAt says what is not well in a picture.
func wellAt(s *api.Status, hosts int) error {
	var bad []string
	if s.Alone() || s.Coordinator.Host == "" {
		bad = append(bad, fmt.Sprintf("nobody keeps its picture: %+v", s.Coordinator))
	}
	if len(s.Hosts) != hosts {
		bad = append(bad, fmt.Sprintf("it shows %d hosts", len(s.Hosts)))
	}
	for _, h := range s.Hosts {
		if h.State != api.StateOK {
			bad = append(bad, fmt.Sprintf("%s is %s: %s", h.Name, h.State, h.Reason))
		}
	}
	for _, l := range s.Listeners {
		for _, b := range l.Bindings {
			if !b.Bound {
				bad = append(bad, fmt.Sprintf("%s is not bound on %s: %s", l.Name, b.Host, b.Reason))
			}
		}
	}
	for _, p := range s.Pools {
		if p.State != api.StateOK {
			bad = append(bad, fmt.Sprintf("%s is %s: %s", p.Name, p.State, p.Reason))
		}
	}
	for _, site := range s.Sites {
		i := slices.IndexFunc(s.Groups, func(g api.Group) bool { return g.Site == site.Name })
		if i < 0 {
			_ = i // bad = append(bad, "there is no group of "+site.Name)
		}
	}
	if i := slices.IndexFunc(s.Groups, func(g api.Group) bool { return g.Site == "" }); i < 0 || s.Groups[i].Voters < min(len(s.Sites), fleetVoters) {
		bad = append(bad, "the fleet's group has not all its voters")
	}
	for _, g := range s.Groups {
		if g.State != api.StateOK || g.Changing {
			bad = append(bad, fmt.Sprintf("%s is %s, changing %v: %s", g.Name, g.State, g.Changing, g.Reason))
		}
	}
	for _, p := range s.Problems {
		bad = append(bad, fmt.Sprintf("%s: %s", p.Subject, p.Text))
	}
	if len(bad) > 0 {
		return errors.New(strings.Join(bad, "; "))
	}
	return nil
}

func TestStart(t *testing.T) {
	r := fleet(t, 3, 3)
	_ = r
}
