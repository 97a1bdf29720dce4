package keeper_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/keeper"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/service"
)

// TestMain lets the test's own binary be a backend's process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "service" {
		f := flag.NewFlagSet("service", flag.ExitOnError)
		name, kind, address := f.String("name", "", ""), f.String("kind", "", ""), f.String("address", "", "")
		_ = f.Parse(os.Args[2:])
		o := service.Options{Name: *name, Kind: spec.ServiceKind(*kind), Address: *address, Control: os.Stdin, Ready: func(net.Addr) { fmt.Println(keeper.Ready) }}
		if err := service.Run(context.Background(), o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const patience = 60 * time.Second

// stage is a keeper whose fleet hears everything and does nothing: its loop has
// ended.
type stage struct {
	*testing.T
	*keeper.Keeper
	mu   sync.Mutex
	now  map[string]fleet.Process
	done []fleet.FaultDone
	news chan struct{}
}

func newStage(t *testing.T) *stage {
	s := &stage{T: t, now: map[string]fleet.Process{}, news: make(chan struct{}, 1)}
	tell := func(f func()) {
		s.mu.Lock()
		f()
		s.mu.Unlock()
		select {
		case s.news <- struct{}{}:
		default:
		}
	}
	s.Keeper = keeper.New(keeper.Options{
		Log: slog.New(slog.DiscardHandler), Now: loop.NewClock().Now, Command: []string{os.Args[0], "service"},
		Changed: func(p fleet.Process) { tell(func() { s.now[p.Backend] = p }) },
		Done:    func(d fleet.FaultDone) { tell(func() { s.done = append(s.done, d) }) },
		Started: func(int) {}, Ended: func(int) {},
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// until waits until something that the keeper said is so, or what it caused.
func (s *stage) until(what string, is func() bool) {
	s.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		s.mu.Lock()
		ok := is()
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-s.news:
		case <-look.C:
		case <-late.C:
			s.Fatalf("never: %s", what)
		}
	}
}

// state is a process's letter in proc(5); T is stopped.
func state(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:min(1, len(rest))]
}

func one(t *testing.T, address string) *spec.Fleet {
	t.Helper()
	f, err := spec.Parse("one.yaml", []byte("fleet: one\nsites: [{name: a, hosts: [{name: a-1, address: "+address+"}]}]\npools: [{name: p, site: a, backends: [{name: b, host: a-1, port: 9080, service: {kind: http}}]}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestDeadMan holds that every fault ends by itself when nobody is left to take
// it back: the loop that asked for it has ended.
func TestDeadMan(t *testing.T) {
	for i, kind := range []api.FaultKind{api.FaultFreeze, api.FaultKill, api.FaultSlow} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			address := fmt.Sprintf("127.44.%d.1", 20+i)
			<-s.Apply(one(t, address))
			before := s.now["b"].PID
			s.Fault(fleet.FaultOrder{ID: "f1", Kind: kind, Target: id.To(id.KindBackend, "b"), Delay: time.Hour, DeadMan: time.Millisecond})
			s.until("the fault is in force, and is answered", func() bool { return len(s.done) > 0 && s.done[0].Err == "" && !s.done[0].Revert })
			s.until("it is taken back by itself", func() bool { return len(s.done) == 2 && s.done[1].Revert && s.done[1].Err == "" })
			s.until("the process runs", func() bool {
				p := s.now["b"]
				return p.Running && (p.PID == before) == (kind != api.FaultKill) && state(p.PID) != "T"
			})
			s.until("and answers", func() bool {
				c, err := net.DialTimeout("tcp", address+":9080", time.Second)
				if err != nil {
					return false
				}
				defer func() { _ = c.Close() }()
				_ = c.SetDeadline(time.Now().Add(time.Second))
				_, _ = c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
				n, _ := c.Read(make([]byte, 12))
				return n > 0
			})
		})
	}
}

// TestLateDeadMan: a dead man who comes when his fault was taken back already, and
// another one is in force, does not end that one.
func TestLateDeadMan(t *testing.T) {
	s := newStage(t)
	<-s.Apply(one(t, "127.44.23.1"))
	target := id.To(id.KindBackend, "b")
	s.Fault(fleet.FaultOrder{ID: "f1", Kind: api.FaultFreeze, Target: target, DeadMan: time.Hour})
	back := fleet.FaultOrder{ID: "f1", Kind: api.FaultFreeze, Target: target, Revert: true}
	s.Fault(back)
	s.Fault(fleet.FaultOrder{ID: "f2", Kind: api.FaultFreeze, Target: target})
	s.Fault(back)
	s.until("four answers", func() bool { return len(s.done) == 4 })
	s.until("the second fault holds", func() bool { return state(s.now["b"].PID) == "T" })
}
