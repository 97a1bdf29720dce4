package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/handover"
	"github.com/holdfast-edge/holdfast/engine/system/proxy"
)

// partVariable makes the test binary one of the processes of TestTakeover: its
// value is the fleet that it serves.
const partVariable = "HOLDFAST_TEST_PROXY"

func TestMain(m *testing.M) {
	if yaml, ok := os.LookupEnv(partVariable); ok {
		if err := servePart(yaml); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// servePart is one process with a data path. It takes over from the one before, if
// there is one, and hands over at a word.
func servePart(yaml string) error {
	before, err := handover.Take()
	if err != nil {
		return err
	}
	f, err := spec.Parse("fleet.yaml", []byte(yaml))
	if err != nil {
		return err
	}
	p := proxy.New(proxy.Options{Log: slog.New(slog.DiscardHandler), Now: func() instant.Instant { return 1 }, Report: func(balance.Outcomes) {}, Inherit: before.Socket})
	set := balance.SetSpec{Listeners: f.Listeners, Pools: f.Pools, Bind: map[string]string{}}
	for _, l := range f.Listeners {
		set.Bind[l.Name] = spec.AddrPort(l.Address, l.Port)
	}
	b := balance.New()
	var out balance.Effects
	b.Step(1, set, &out)
	for i := range f.Pools {
		for _, x := range f.Pools[i].Backends {
			b.Step(1, balance.SetHealth{Backend: x.Name, Health: api.Combine(api.Up, ""), Reason: "test"}, &out)
		}
	}
	for _, a := range p.Apply(out.Table) {
		if !a.OK {
			return errors.New(a.Reason)
		}
	}
	if err := before.Ready(); err != nil {
		return err
	}
	fmt.Println("serving")
	for {
		word, err := readLine(os.Stdin)
		if err != nil {
			return nil // the test is over
		}
		sockets, err := p.Sockets()
		if err != nil {
			return err
		}
		program := os.Args[0]
		if word == "bad" { // one that cannot take over
			program = "/bin/false"
		}
		next, err := handover.Start(program, nil, sockets, patience)
		if err != nil {
			fmt.Println("stays:", err)
			continue
		}
		p.Leave()
		for tick := time.NewTicker(10 * time.Millisecond); p.Active() > 0; {
			<-tick.C
		}
		fmt.Println("left")
		p.Close()
		return next.Release()
	}
}

// readLine reads a line and not a byte more: the next process reads on.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return string(line), nil
		}
		line = append(line, b[0])
	}
}

const handoverFleet = `
fleet: test
sites: [{name: here, hosts: [{name: h, address: 127.0.0.1}]}]
pools:
  - {name: web, site: here, backends: [{name: web-1, address: 127.0.0.1, port: %d}]}
  - {name: raw, site: here, backends: [{name: raw-1, address: 127.0.0.1, port: %d}]}
  - {name: dns, site: here, backends: [{name: dns-1, address: 127.0.0.1, port: %d}]}
listeners:
  - {name: web, site: here, protocol: http, address: 127.0.0.1, port: %d, pool: web}
  - {name: raw, site: here, protocol: tcp, address: 127.0.0.1, port: %d, pool: raw}
  - {name: dns, site: here, protocol: udp, address: 127.0.0.1, port: %d, pool: dns, established: 10s}
`

// TestTakeover replaces a process twice under traffic, and once by one that fails: no connection is refused or cut, and those that were open go on.
func TestTakeover(t *testing.T) {
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })}
	wl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = web.Serve(wl) }()
	defer func() { _ = web.Close() }()
	echo := serveTCP(t, "raw-1", func(c *net.TCPConn) { _, _ = io.Copy(c, c) })
	dns, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dns.Close() }()
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := dns.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = dns.WriteTo(b[:n], from)
		}
	}()
	ports := []any{wl.Addr().(*net.TCPAddr).Port, echo.port, dns.LocalAddr().(*net.UDPAddr).Port, freePort(t), freePort(t), freePort(t)}
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[3+i]) }

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), partVariable+"="+fmt.Sprintf(handoverFleet, ports...))
	words, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 100)
	go func() {
		defer close(said)
		for in := bufio.NewScanner(out); in.Scan(); {
			said <- in.Text()
		}
	}()
	hear := func(want string) {
		t.Helper()
		select {
		case got := <-said:
			if !strings.HasPrefix(got, want) {
				t.Fatalf("a process says %q; want %q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("no process says %q", want)
		}
	}
	hear("serving")

	load := newLoad(t)
	load.each(4, func() error { return getOnce(at(0)) })
	kept := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	load.each(2, func() error { return get(kept, at(0)) })
	load.each(4, func() error { return echoOnce(at(1)) })
	load.each(2, func() error { return askOnce(at(2)) })
	long, err := net.Dial("tcp", at(1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = long.Close() }()
	for round := range 2 {
		load.more(200)
		if round == 1 {
			_, _ = io.WriteString(words, "bad\n")
			hear("stays: handover: /bin/false ended before it served")
			load.more(100)
		}
		_, _ = io.WriteString(words, "next\n")
		if round == 0 {
			hear("serving")
			// What was open goes on through the process that retires.
			for range 10 {
				if err := exchange(long); err != nil {
					t.Fatalf("a connection that was open: %v", err)
				}
			}
			load.more(200)
			_ = long.Close()
			kept.CloseIdleConnections()
		} else {
			hear("serving")
		}
		hear("left")
	}
	load.more(200)
	n, bad := load.end()
	_ = words.Close()
	for range said { // the last process ends with its input
	}
	_ = cmd.Wait()
	t.Logf("%d requests and connections in two handovers, %d failed", n, bad)
}

// loadEvery is the pace of each of those who ask.
const loadEvery = 5 * time.Millisecond

// load is traffic that must not fail.
type load struct {
	t    *testing.T
	stop chan struct{}
	all  sync.WaitGroup
	done atomic.Int64
	bad  atomic.Int64
}

func newLoad(t *testing.T) *load { return &load{t: t, stop: make(chan struct{})} }

func (l *load) each(n int, do func() error) {
	for range n {
		l.all.Go(func() {
			pace := time.NewTicker(loadEvery)
			defer pace.Stop()
			for {
				select {
				case <-l.stop:
					return
				case <-pace.C:
				}
				if err := do(); err != nil {
					if l.bad.Add(1) < 10 {
						l.t.Errorf("after %d that went well: %v", l.done.Load(), err)
					}
				}
				l.done.Add(1)
			}
		})
	}
}

// more waits until n more were served.
func (l *load) more(n int64) {
	l.t.Helper()
	to := l.done.Load() + n
	eventually(l.t, "more traffic", func() bool { return l.done.Load() >= to })
}

func (l *load) end() (all, bad int64) {
	close(l.stop)
	l.all.Wait()
	return l.done.Load(), l.bad.Load()
}

func getOnce(address string) error {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return get(c, address)
}

func get(c *http.Client, address string) error {
	r, err := c.Get("http://" + address + "/")
	if err != nil {
		return err
	}
	b, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err == nil && (r.StatusCode != http.StatusOK || string(b) != "hello") {
		err = fmt.Errorf("%s: %q", r.Status, b)
	}
	return err
}

func echoOnce(address string) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return exchange(c)
}

func exchange(c net.Conn) error {
	if _, err := io.WriteString(c, "ping"); err != nil {
		return err
	}
	b := make([]byte, 4)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "ping" {
		return fmt.Errorf("%q, %w", b, err)
	}
	return nil
}

// askOnce asks over UDP, from a port of its own, and waits for the one answer.
func askOnce(address string) error {
	c, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	return exchange(c)
}

// A socket that is handed over never blocks: whoever accepts could not be stopped.
func TestSocketsStayNonBlocking(t *testing.T) {
	back := serveTCP(t, "b1", func(c *net.TCPConn) { _ = c.Close() })
	s := setUp(t, pool("", "", back)+listener("tcp", freePort(t), "")+fmt.Sprintf("- {name: u, site: here, protocol: udp, port: %d, pool: p}\n", freePort(t)))
	all, err := s.proxy.Sockets()
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, x := range all {
		fd := x.File.Fd() // as os/exec asks
		if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("the socket of %s %s blocks: %v", x.Network, x.Address, err)
		}
		_ = x.File.Close()
	}
}
