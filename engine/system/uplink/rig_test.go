package uplink_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/report"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/uplink"
)

// patience is how long what must happen may take.
const patience = time.Minute

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

const fleetName = "demo"

func named(host string) identity.Name {
	return identity.Name{Fleet: fleetName, Site: strings.Split(host, "-")[0], Host: host}
}

// credentials of a name, signed now.
func credentials(a *identity.Authority, n identity.Name) identity.Credentials {
	key, csr, err := identity.NewRequest()
	if err != nil {
		panic(err)
	}
	return identity.Credentials{Key: key, Chain: must(a.SignFor(time.Now(), csr, n, identity.HostLife)), Roots: a.Roots()}
}

// logged is what a log says, safe to read while it is written.
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

// stage is a fleet's hosts on loopback.
type stage struct {
	testing.TB
	authority *identity.Authority
	log       *logged
}

func newStage(t testing.TB) *stage {
	return &stage{TB: t, authority: must(identity.NewAuthority(fleetName, time.Now().Add(-time.Hour))), log: &logged{}}
}

func (s *stage) holder(n identity.Name) *identity.Holder {
	return must(identity.NewHolder(credentials(s.authority, n), nil))
}

func (s *stage) logger() *slog.Logger { return slog.New(slog.NewTextHandler(s.log, nil)) }

// agent is a host's end with its port, and all that it was asked for.
type agent struct {
	*uplink.Host
	name    string
	life    uint64
	address string
	stop    func()

	mu     sync.Mutex
	specs  []report.SetSpec
	orders []host.Order
	faults []fleet.FaultOrder
	shares map[string]string
	calls  []string // "called a 3", "hung a 3"
}

func (s *stage) host(name string, life uint64, address string) *agent {
	s.Helper()
	a := &agent{name: name, life: life, shares: map[string]string{}}
	holder := s.holder(named(name))
	with := func(do func()) {
		a.mu.Lock()
		defer a.mu.Unlock()
		do()
	}
	a.Host = uplink.NewHost(uplink.HostOptions{
		Life: life, Version: "1.2.3", Clock: loop.NewClock(), Log: s.logger(), Holder: holder,
		Spec:   func(x report.SetSpec) { with(func() { a.specs = append(a.specs, x) }) },
		Order:  func(o host.Order) { with(func() { a.orders = append(a.orders, o) }) },
		Fault:  func(o fleet.FaultOrder) { with(func() { a.faults = append(a.faults, o) }) },
		Share:  func(k string, v []byte) { with(func() { a.shares[k] = string(v) }) },
		Called: func(c report.Caller) { with(func() { a.calls = append(a.calls, "called "+c.Host) }) },
		Hung:   func(c report.Caller) { with(func() { a.calls = append(a.calls, "hung "+c.Host) }) },
	})
	if address == "" {
		address = "127.0.0.1:0"
	}
	l := must(net.Listen("tcp", address))
	a.address = l.Addr().String()
	port := identity.NewPort(holder, s.logger(), a.Protocol())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- port.Serve(ctx, l) }()
	a.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.Errorf("Serve: %v", err)
		}
	})
	s.Cleanup(a.stop)
	return a
}

func (a *agent) has(is func() bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return is()
}

// keeper is who keeps a picture: its lines and what it was told.
type keeper struct {
	*uplink.Lines
	mu      sync.Mutex
	told    []fleet.Event // all but reports
	reports map[string]fleet.Report
	ring    api.Ring
	ahead   map[string]time.Duration
	later   uint64
}

func (s *stage) keeper(name string, o uplink.LinesOptions) *keeper {
	k := &keeper{reports: map[string]fleet.Report{}, ahead: map[string]time.Duration{}}
	o.Clock, o.Log, o.Holder = loop.NewClock(), s.logger(), s.holder(named(name))
	o.Tell = k.tell
	o.Events = func(after api.Seq) []api.Event {
		k.mu.Lock()
		defer k.mu.Unlock()
		events, _ := k.ring.Since(after, k.ring.Last(), api.EventRing)
		return events
	}
	o.Disagree = func(host string, ahead, _ time.Duration) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.ahead[host] = ahead
	}
	o.Later = func(_ string, epoch uint64) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.later = epoch
	}
	k.Lines = uplink.NewLines(o)
	s.Cleanup(k.Close)
	return k
}

func (k *keeper) tell(ev fleet.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, ok := ev.(fleet.Report); ok {
		k.reports[r.Status.Host] = r
		return
	}
	k.told = append(k.told, ev)
}

// emit adds events to the ring and pushes them.
func (k *keeper) emit(texts ...string) {
	k.mu.Lock()
	var all []api.Event
	for _, text := range texts {
		e := api.Event{Seq: k.ring.Last() + 1, At: time.Unix(0, 12345).UTC(), Text: text, State: api.StateOK}
		k.ring.Add(e)
		all = append(all, e)
	}
	k.mu.Unlock()
	k.Push(all)
}

func (k *keeper) has(is func() bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return is()
}
