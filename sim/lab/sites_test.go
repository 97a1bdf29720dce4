//go:build lab

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/setup"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
	"github.com/holdfast-edge/holdfast/sim/lab"
)

// running is a fleet of real agents in the lab.
type running struct {
	*testing.T
	*lab.Fleet
	agents map[*lab.Host]*lab.Agent
	own    func(name, site, dir string)
	root   *identity.Authority
	used   map[*lab.Host]string // the tokens by which they came in
}

// fleet starts a fleet of agents, one on each host, and waits until all of them see
// all of it.
func fleet(t *testing.T, sites, hosts int) *running {
	t.Helper()
	r := &running{T: t, Fleet: ground(t, sites, hosts), agents: map[*lab.Host]*lab.Agent{}, used: map[*lab.Host]string{}}
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
	first := r.All()[0]
	for i, h := range r.All() {
		a, err := h.Agent(func(a *lab.Agent) (*lab.Process, error) {
			if _, err := os.Stat(setup.ConfigOf(a.State)); err == nil {
				return h.Start("agent", program(t), "agent", "-c", setup.ConfigOf(a.State))
			}
			r.used[h] = r.token(first, "--host", h.Name)
			return h.Start("agent", program(t), "agent", "--join", r.used[h], "--agent", first.Address.String(),
				"--host", h.Name, "--address", h.Address.String(), "--state", a.State)
		})
		if err != nil {
			t.Fatal(err)
		}
		r.agents[h] = a
		if i == 0 {
			r.holdfast(h, "init", "-f", spec, "--host", h.Name, "--person", "lab", "--state", a.State)
		}
		if err := a.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%s printed:\n%s\nand logged:\n%s", h, lab.Tail(a.Process().Log(), 10), lab.Tail(a.Log(), 30))
			}
		})
	}
	r.whole("the start", 60*time.Second)
	t.Logf("%d x %d agents are one fleet after %v", sites, hosts, time.Since(began).Round(time.Millisecond))
	// With the fleet's own root somebody can sign for hosts that have no agent: the
	// clients of its facts.
	files, err := identity.OpenFiles(setup.Identity(r.agents[first].State))
	r.must(err)
	r.root, err = files.LoadAuthority()
	r.must(err)
	own, err := files.LoadHost()
	r.must(err)
	r.own = signer(t, r.root, own.Keys)
	return r
}

// program is the binary under test.
func program(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(*binary)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// holdfast runs a command line on a host, as somebody at home in the lab, and returns
// what it prints.
func (r *running) holdfast(h *lab.Host, words ...string) string {
	r.Helper()
	out, err := r.try(h, words...)
	r.must(err)
	return out
}

func (r *running) try(h *lab.Host, words ...string) (string, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	home := filepath.Join(r.Dir, "home")
	return h.Run(ctx, "env", append([]string{"HOME=" + home, "XDG_CONFIG_HOME=" + home, program(r.T)}, words...)...)
}

// token makes a token at a host's agent, as soon as the fleet can.
func (r *running) token(h *lab.Host, words ...string) (token string) {
	r.Helper()
	eventually(r.T, "a token is made", func() error {
		out, err := r.try(h, append([]string{"token", "--state", r.agents[h].State, "-o", "json"}, words...)...)
		if err != nil {
			return err
		}
		if token = tokenIn.FindString(out); token == "" {
			return fmt.Errorf("there is no token in %q", out)
		}
		return nil
	})
	return token
}

// tokenIn finds a token in what a command prints.
var tokenIn = regexp.MustCompile(`hf1\.[A-Za-z0-9_.-]+`)

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
		if !slices.ContainsFunc(s.Groups, func(g api.Group) bool { return g.Site == site.Name }) {
			bad = append(bad, "there is no group of "+site.Name)
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

// TestStart: three sites of three agents are one fleet within 15 s, joining and all.
func TestStart(t *testing.T) {
	began := time.Now()
	fleet(t, 3, 3)
	if took := time.Since(began); took > startWithin {
		t.Errorf("it took %v", took)
	}
}

// startWithin is what is promised of the lab: 3 x 3 hosts, from nothing.
const startWithin = 15 * time.Second
