package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/quorum"
	"github.com/holdfast-edge/holdfast/sim/lab/bench/load"
)

// group is the one that is measured.
const group replica.GroupID = "site/bench"

// nobody was removed from the fleet.
type nobody struct{}

func (nobody) RemovedAt(string) (time.Time, bool) { return time.Time{}, false }

func holderOf(certs, name string) (*identity.Holder, error) {
	files, err := identity.OpenFiles(filepath.Join(certs, name))
	if err != nil {
		return nil, err
	}
	c, err := files.LoadHost()
	if err != nil {
		return nil, err
	}
	return identity.NewHolder(c, nobody{})
}

func addressOf(at map[string]string) func(string) (string, bool) {
	return func(host string) (string, bool) {
		ip, ok := at[host]
		return net.JoinHostPort(ip, strconv.Itoa(load.PortClients)), ok
	}
}

// member is a host with a replica, until it is told to end.
func member(args []string) error {
	m, err := load.ParseMember(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	holder, err := holderOf(m.Certs, m.Name)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	q, err := quorum.Open(quorum.Options{
		Host: m.Name, Dir: m.Dir, Clock: loop.NewClock(), Log: log, Holder: holder, Address: addressOf(m.At),
		Seats: func(replica.GroupID) []string { return slices.Sorted(maps.Keys(m.At)) },
		Timing: func(replica.GroupID) replica.Timing {
			if m.Heartbeat == 0 {
				return replica.Near
			}
			return replica.Timing{Heartbeat: m.Heartbeat, Election: m.Election}
		},
	})
	if err != nil {
		return err
	}
	address, _ := addressOf(m.At)(m.Name)
	l, err := net.Listen("tcp", address)
	if err != nil {
		q.Close()
		return err
	}
	served := make(chan error, 1)
	go func() { served <- identity.NewPort(holder, log, q.Protocol()).Serve(ctx, l) }()
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	if len(q.Status().Groups) == 0 {
		var seats []replica.Seat
		for _, host := range slices.Sorted(maps.Keys(m.At)) {
			seats = append(seats, replica.Seat{Host: host})
		}
		if err := q.Create(ctx, group, seats); err != nil {
			return err
		}
	}
	for led := false; ; {
		changed := q.Changed()
		for _, g := range q.Status().Groups {
			if g.Leads && !led {
				fmt.Println(load.Leads)
			}
			led = g.Leads
		}
		select {
		case <-changed:
		case err := <-ended:
			return err
		case err := <-served:
			return err
		}
	}
}

// store is a host of the fleet without a replica, which asks those that have one.
type store struct {
	name  string
	certs string
	at    map[string]string
	q     *quorum.Quorum
	stop  func()
}

func client(args []string) error {
	m, err := load.ParseMember(args)
	if err != nil {
		return err
	}
	s := &store{name: m.Name, certs: m.Certs, at: m.At, stop: func() {}}
	defer func() { s.stop() }()
	return load.Serve(os.Stdin, os.Stdout, s)
}

// Connect implements load.Store.
func (s *store) Connect(hosts []string) error {
	s.stop()
	holder, err := holderOf(s.certs, s.name)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "holdfast-bench-")
	if err != nil {
		return err
	}
	q, err := quorum.Open(quorum.Options{
		Host: s.name, Dir: dir, Clock: loop.NewClock(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Holder: holder,
		Address: addressOf(s.at), Seats: func(replica.GroupID) []string { return hosts },
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = q.Run(ctx)
	}()
	s.q = q
	s.stop = func() {
		cancel()
		<-ended
		_ = os.RemoveAll(dir)
	}
	return nil
}

// Put implements load.Store.
func (s *store) Put(ctx context.Context, key string, value []byte) error {
	r, err := s.q.Facts(group).Do(ctx, facts.Txn{Ops: []facts.Op{{Key: key, Value: value}}})
	if err == nil && r.Reason != facts.ReasonNone {
		err = fmt.Errorf("refused: %d", r.Reason)
	}
	return err
}

// Get implements load.Store.
func (s *store) Get(ctx context.Context, key string) ([]byte, error) {
	a, err := s.q.Facts(group).Ask(ctx, facts.Get{Key: key})
	if err != nil || len(a.Facts) == 0 {
		return nil, err
	}
	return a.Facts[0].Value, nil
}
