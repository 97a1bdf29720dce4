package quorum_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/identity/identitytest"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/quorum"
)

const group replica.GroupID = "site/tokyo"

// wait is how long anything may take that will happen, on a machine that does much
// else.
const wait = 30 * time.Second

// rig is hosts in one process, over real sockets.
type rig struct {
	t     *testing.T
	fleet *identitytest.Fleet

	mu    sync.Mutex
	hosts map[string]*host
	cut   map[[2]string]bool // from whom to whom nobody knows the address
	log   logged
}

// host is one of them: a process that comes and goes, and a directory that stays.
type host struct {
	r       *rig
	name    string
	dir     string
	holder  *identity.Holder
	address string

	*quorum.Quorum
	facts *quorum.Facts
	disk  func(replica.Write, func(replica.Write) replica.Event) replica.Event // nil: as it is
	kill  func()                                                               // as a power cut does
	stop  func()                                                               // in order
	links *listener
}

// logged is what the logs say.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newRig makes hosts, starts them, and founds the group on those that have a seat.
func newRig(t *testing.T, seats int, names ...string) *rig {
	t.Helper()
	r := &rig{t: t, fleet: identitytest.New(t, "demo"), hosts: map[string]*host{}, cut: map[[2]string]bool{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(r.log.String())
		}
	})
	for _, name := range names {
		r.hosts[name] = &host{r: r, name: name, dir: filepath.Join(memory(t), name), holder: r.fleet.Host(t, name)}
		r.start(name)
	}
	r.found(names[:seats]...)
	return r
}

// memory is a directory in memory where there is one. What a disk does to a journal
// is tested where the files are; here a disk that others keep busy only takes time,
// and makes a host step back as it should.
func memory(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "holdfast-quorum-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// found founds the group.
func (r *rig) found(names ...string) {
	r.t.Helper()
	var seats []replica.Seat
	for _, name := range names {
		seats = append(seats, replica.Seat{Host: name})
	}
	for _, name := range names {
		if err := r.host(name).Create(r.ctx(wait), group, seats); err != nil {
			r.t.Fatal(err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (r *rig) host(name string) *host {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hosts[name]
}

func (r *rig) ctx(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	r.t.Cleanup(cancel)
	return ctx
}

// start starts the process of a host, at the address that it had.
func (r *rig) start(name string) *host {
	r.t.Helper()
	h := r.host(name)
	log := slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})).With("self", name)
	q, err := quorum.Open(quorum.Options{
		Host: name, Dir: h.dir, Clock: loop.NewClock(), Log: log, Holder: h.holder, SegmentSize: 256 << 10,
		Address: func(to string) (string, bool) { return r.address(name, to) },
		Seats: func(replica.GroupID) (all []string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for name := range r.hosts {
				all = append(all, name)
			}
			return all
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if h.disk != nil {
		q.Disk(h.disk)
	}
	if h.address == "" {
		h.address = "127.0.0.1:0"
	}
	var l net.Listener
	r.until("the address is free", func() bool {
		l, err = net.Listen("tcp", h.address)
		return err == nil
	})
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	links := &listener{Listener: l}
	unserve := identitytest.Serve(r.t, h.holder, log, links, q.Protocol())
	var once sync.Once
	end := func(cause error) {
		once.Do(func() {
			if errors.Is(cause, loop.ErrPowerCut) {
				unserve()
			}
			cancel(cause)
			if err := <-ended; err != nil {
				r.t.Errorf("%s: Run: %v", name, err)
			}
			unserve()
		})
	}
	kill := func() { end(loop.ErrPowerCut) }
	r.t.Cleanup(kill)
	r.mu.Lock()
	defer r.mu.Unlock()
	h.address, h.Quorum, h.facts, h.links = l.Addr().String(), q, q.Facts(group), links
	h.kill, h.stop = kill, func() { end(nil) }
	return h
}

// address is where a host is, as another one knows it.
func (r *rig) address(from, to string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hosts[to]
	if h == nil || h.address == "" || r.cut[[2]string{from, to}] {
		return "", false
	}
	return h.address, true
}

// isolate takes a host's connections away and keeps new ones from being made, or
// lets them be made again.
func (r *rig) isolate(name string, yes bool) {
	r.mu.Lock()
	for other := range r.hosts {
		r.cut[[2]string{name, other}] = yes
		r.cut[[2]string{other, name}] = yes
	}
	var all []*host
	for _, h := range r.hosts {
		all = append(all, h)
	}
	r.mu.Unlock()
	if yes {
		for _, h := range all {
			h.links.breakAll()
		}
	}
}

// until polls until something is so.
func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(wait)
	for !is() {
		select {
		case <-tick.C:
		case <-end:
			r.t.Fatalf("%s after it is not so: %s", wait, what)
		}
	}
}

// leader waits for somebody among these to lead whom all of these follow, and
// returns who.
func (r *rig) leader(among ...string) *host {
	r.t.Helper()
	var leads *host
	r.until(fmt.Sprintf("one of %v leads", among), func() bool {
		leads = nil
		for _, name := range among {
			h := r.host(name)
			for _, g := range h.Status().Groups {
				if g.Group == group && g.Leads {
					leads = h
				}
			}
		}
		if leads == nil {
			return false
		}
		for _, name := range among {
			for _, g := range r.host(name).Status().Groups {
				if g.Group == group && g.Leader != leads.name {
					return false
				}
			}
		}
		return true
	})
	return leads
}

// put puts a key, and must succeed.
func (h *host) put(key, value string) uint64 {
	h.r.t.Helper()
	r, err := h.facts.Do(h.r.ctx(wait), facts.Txn{Ops: []facts.Op{{Key: key, Value: []byte(value)}}})
	if err != nil || r.Reason != facts.ReasonNone {
		h.r.t.Fatalf("%s: put %s: %+v, %v", h.name, key, r, err)
	}
	return r.Revision
}

// get gets a key's value, and must succeed.
func (h *host) get(key string) string {
	h.r.t.Helper()
	a, err := h.facts.Ask(h.r.ctx(wait), facts.Get{Key: key})
	if err != nil {
		h.r.t.Fatalf("%s: get %s: %v", h.name, key, err)
	}
	if len(a.Facts) == 0 {
		return ""
	}
	return string(a.Facts[0].Value)
}

// listener remembers the connections it accepted, to break them.
type listener struct {
	net.Listener
	mu  sync.Mutex
	all []net.Conn
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.all = append(l.all, c)
		l.mu.Unlock()
	}
	return c, err
}

func (l *listener) breakAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.all {
		_ = c.Close()
	}
	l.all = nil
}
