//go:build lab

package lab_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/quorum"
	"github.com/holdfast-edge/holdfast/sim/lab"
)

// factsRun is what the facts role is told. A process of it stands in a site's
// client, and each of its clients has a preferred host.
type factsRun struct {
	Identity string            // directory of its credentials
	Dir      string            // for its own files
	Hosts    map[string]string // addresses of agents
	Order    []string          // hosts, the preferred one first; each client begins one later
	Group    replica.GroupID
	Name     string
	Clients  int
	Seed     uint64
	Prefix   string
	Keys     int
	Think    time.Duration
	Patience time.Duration
}

// monotonic is a clock that all processes of the machine share.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// factsClients prints the operations of its clients, one a line, until a line comes
// on standard input, and ends when all that is under way has.
func factsClients(config string) error {
	var run factsRun
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
	out := bufio.NewWriter(os.Stdout)
	print := json.NewEncoder(out)
	w := &lab.Workload{Prefix: run.Prefix, Keys: run.Keys, Think: run.Think, Patience: run.Patience, Clock: monotonic, Done: func(o *lab.Operation) {
		_ = print.Encode(o)
		_ = out.Flush() // also what was heard just before a kill counts
	}}
	asking, stopAsking := context.WithCancel(context.Background())
	defer stopAsking()
	connected, disconnect := context.WithCancel(context.Background())
	defer disconnect()
	var quorums, clients sync.WaitGroup
	for i := range run.Clients {
		order := append(slices.Clone(run.Order[i%len(run.Order):]), run.Order[:i%len(run.Order)]...)
		q, err := quorum.Open(quorum.Options{
			Host: holder.Self().Host, Dir: fmt.Sprintf("%s/%d", run.Dir, i), Clock: loop.NewClock(), Log: slog.New(slog.DiscardHandler), Holder: holder,
			Address:     func(host string) (string, bool) { a, ok := run.Hosts[host]; return a, ok },
			Seats:       func(replica.GroupID) []string { return order },
			SegmentSize: 64 << 10,
		})
		if err != nil {
			return err
		}
		quorums.Go(func() { _ = q.Run(connected) })
		clients.Go(func() {
			w.Run(asking, fmt.Sprintf("%s.%d", run.Name, i), factsOf{q.Facts(run.Group)}, rand.New(rand.NewPCG(run.Seed, uint64(i))))
		})
	}
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil && err != io.EOF {
		return err
	}
	stopAsking()
	clients.Wait() // what is under way is heard to its end
	disconnect()
	quorums.Wait()
	return nil
}

// factsOf is a quorum's facts as the workload wants them.
type factsOf struct{ f *quorum.Facts }

func (x factsOf) Do(ctx context.Context, txn facts.Txn) (facts.Result, error) {
	r, err := x.f.Do(ctx, txn)
	if quorum.ReasonOf(err) == replica.ReasonUnknown {
		err = &lab.UnknownError{Err: err}
	}
	return r, err
}

func (x factsOf) Ask(ctx context.Context, query facts.Get) (facts.Answer, error) {
	return x.f.Ask(ctx, query)
}

// factsLoad is the facts workload, from every site's client.
type factsLoad struct {
	ends []io.Writer
	done sync.WaitGroup

	mu   sync.Mutex
	all  []*lab.Operation
	errs []error
}

// factsLoads counts them: each has keys of its own.
var factsLoads atomic.Int64

// loadFacts begins the workload. own makes the credentials of a host that has no
// agent, for each site; near says which hosts a site's clients ask first.
func loadFacts(t *testing.T, f *lab.Fleet, group replica.GroupID, seed uint64, own func(name, site, dir string)) *factsLoad {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l := &factsLoad{}
	number := factsLoads.Add(1)
	hosts := map[string]string{}
	for _, h := range f.All() {
		hosts[h.Name] = agentAddress(h)
	}
	for _, s := range f.Sites {
		dir := filepath.Join(f.Dir, fmt.Sprintf("facts-%s-%d", s.Name, number))
		run := factsRun{
			Identity: filepath.Join(dir, "identity"), Dir: dir, Hosts: hosts, Group: group, Name: s.Name, Clients: 3, Seed: seed,
			Prefix: fmt.Sprintf("lab/%d/", number), Keys: 4, Think: 30 * time.Millisecond, Patience: 3 * time.Second,
		}
		for _, h := range s.Hosts {
			run.Order = append(run.Order, h.Name)
		}
		for _, h := range f.All() {
			if h.Site() != s {
				run.Order = append(run.Order, h.Name)
			}
		}
		if err := os.MkdirAll(run.Identity, 0o700); err != nil {
			t.Fatal(err)
		}
		own("lab-"+s.Name, s.Name, run.Identity)
		config, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		in, out, p, err := s.Client.Talk("facts", []string{"HOLDFAST_LAB_ROLE=facts", "HOLDFAST_LAB_CONFIG=" + string(config)}, self)
		if err != nil {
			t.Fatal(err)
		}
		l.ends = append(l.ends, in)
		l.done.Go(func() {
			err := lab.ReadOperations(out, func(o *lab.Operation) {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.all = append(l.all, o)
			})
			if err != nil || strings.TrimSpace(p.Log()) != "" {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.errs = append(l.errs, fmt.Errorf("the clients of %s: %w: %s", s.Name, err, p.Log()))
			}
		})
	}
	t.Cleanup(func() {
		if t.Failed() {
			l.tell(t)
		}
	})
	return l
}

// written reports whether a write was carried out, as its client was told.
func written(o *lab.Operation) bool {
	return o.Kind != "get" && !o.Unknown && !o.Void && !o.Refused
}

// acknowledged returns how many writes were so far, from a site.
func (l *factsLoad) acknowledged(site string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.all {
		if written(o) && strings.HasPrefix(o.Client, site+".") {
			n++
		}
	}
	return n
}

// acknowledgedAfter returns when the first write was acknowledged that was called
// after a moment.
func (l *factsLoad) acknowledgedAfter(moment time.Duration) (first time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.all {
		if written(o) && o.Called > moment && (!ok || o.Returned < first) {
			first, ok = o.Returned, true
		}
	}
	return first, ok
}

// stop ends the workload and checks what it heard.
func (l *factsLoad) stop(t *testing.T) {
	t.Helper()
	for _, in := range l.ends {
		_, _ = fmt.Fprintln(in, "stop")
	}
	l.done.Wait()
	for _, err := range l.errs {
		t.Error(err)
	}
	writes, unknown, void := 0, 0, 0
	for _, o := range l.all {
		switch {
		case o.Unknown:
			unknown++
		case o.Void:
			void++
		case written(o):
			writes++
		}
	}
	t.Logf("%d operations on facts: %d writes done, %d left open, %d void", len(l.all), writes, unknown, void)
	if err := lab.CheckFacts(l.all, 30*time.Second); err != nil {
		t.Error(err)
	}
}

// tell says in a failed test what the clients heard last.
func (l *factsLoad) tell(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.all[max(0, len(l.all)-40):] {
		t.Log(o)
	}
	for _, err := range l.errs {
		t.Log(err)
	}
}

// agentAddress is where a host's agent listens.
func agentAddress(h *lab.Host) string { return net.JoinHostPort(h.Address.String(), "7420") }
