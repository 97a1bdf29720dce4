//go:build lab

package lab_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

// Every site of these fleets has a listener on each of its hosts, and backends of
// its own on its client.
const (
	listenPort = 8080
	usersEvery = 100 * time.Millisecond
)

var backendPorts = []int{9001, 9002}

// fleetSpec is the spec of a fleet with these addresses.
func fleetSpec(f *lab.Fleet) string {
	var sites, pools, listeners strings.Builder
	for _, s := range f.Sites {
		fmt.Fprintf(&sites, "  - name: %s\n    hosts:\n", s.Name)
		for _, h := range s.Hosts {
			fmt.Fprintf(&sites, "      - {name: %s, address: %s}\n", h.Name, h.Address)
		}
		fmt.Fprintf(&pools, "  - name: web-%s\n    site: %s\n    probe: web\n    backends:\n", s.Name, s.Name)
		for i, p := range backendPorts {
			fmt.Fprintf(&pools, "      - {name: %s-web-%d, address: %s, port: %d}\n", s.Name, i+1, s.Client.Address, p)
		}
		fmt.Fprintf(&listeners, "  - {name: web-%s, site: %s, protocol: http, port: %d, pool: web-%s}\n", s.Name, s.Name, listenPort, s.Name)
	}
	return fmt.Sprintf("fleet: lab\nsites:\n%sprobes:\n  - {name: web, kind: http, http: {path: /health}}\npools:\n%slisteners:\n%s", &sites, &pools, &listeners)
}

// use has users on all sites.
func use(t *testing.T, f *lab.Fleet) map[*lab.Site]*lab.Users {
	t.Helper()
	all := map[*lab.Site]*lab.Users{}
	for _, s := range f.Sites {
		all[s] = s.Use(listenPort, usersEvery)
	}
	return all
}

// TestUsersNoticeWhatIsLost: users of a listener that goes away are told so, the
// check excuses them only where it was said, and others see nothing of it.
func TestUsersNoticeWhatIsLost(t *testing.T) {
	f := ground(t, 1, 1)
	s, h := f.Sites[0], f.Sites[0].Hosts[0]
	if err := s.Serve(backendPorts...); err != nil {
		t.Fatal(err)
	}
	spec, err := f.Write("lab.yaml", fleetSpec(f))
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(*binary)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Start("up", path, "up", "--headless", "--state", filepath.Join(f.Dir, "state"), spec)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the listener serves", func() error {
		u := s.Use(listenPort, time.Minute)
		return lab.CheckUsers(u.Stop(), 1, func(lab.Fetch) bool { return false })
	})
	pages := func(during func()) []lab.Fetch {
		u := s.Use(listenPort, 10*time.Millisecond)
		during()
		return u.Stop()
	}
	wait := func(n int) { // until so many more pages could be fetched
		u := s.Use(listenPort, 10*time.Millisecond)
		eventually(t, "pages", func() error {
			if u.Count() < n {
				return errors.New("not yet")
			}
			return nil
		})
		u.Stop()
	}
	none := func(lab.Fetch) bool { return false }
	if err := lab.CheckUsers(pages(func() { wait(20) }), 10, none); err != nil {
		t.Errorf("users of a fleet that is well: %v", err)
	}
	lost := pages(func() {
		wait(5)
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		wait(5)
	})
	if err := lab.CheckUsers(lost, 1, none); err == nil {
		t.Error("no user noticed that the balancer was killed")
	}
	if err := lab.CheckUsers(lost, 1, func(x lab.Fetch) bool { return x.Host == h }); err != nil {
		t.Errorf("what was excused counts: %v", err)
	}
	if err := lab.CheckUsers(nil, 1, none); err == nil {
		t.Error("no users are as good as happy ones")
	}
}
