package probing_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
	"github.com/holdfast-edge/holdfast/engine/system/probing"
	"golang.org/x/net/icmp"
)

func TestTCP(t *testing.T) { ways(t, connects) }

func connects(t *testing.T, r *probing.Runner) {
	ended := make(chan error, 1)
	address := listen(t, func(c net.Conn) {
		_, err := c.Read(make([]byte, 1))
		ended <- err
	})
	expect(t, run(t, r, address, probeOf(spec.ProbeTCP, patience)), probe.Pass, "")
	// It ends with a reset, so that no port is spent on it for a minute.
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v", err)
	}
	expect(t, run(t, r, nobody(t), probeOf(spec.ProbeTCP, patience)), probe.Fail, "connection refused")
}

// answers is a UDP service that answers what it was asked with what f says;
// nothing for nil.
func answers(t testing.TB, f func(string) []byte) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.34.1.4:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if b := f(string(buf[:n])); b != nil {
				_, _ = c.WriteTo(b, from)
			}
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-ended })
	return c.LocalAddr().String()
}

func TestUDP(t *testing.T) { ways(t, asksOverUDP) }

func asksOverUDP(t *testing.T, r *probing.Runner) {
	echo := func(s string) []byte { return []byte("got " + s) }
	silent := func(string) []byte { return nil }
	for _, c := range []struct {
		name            string
		f               func(string) []byte
		request, expect string
		timeout         time.Duration
		verdict         probe.Verdict
		reason          string
	}{
		{"expected", echo, "ping", "got ping", patience, probe.Pass, ""},
		{"begins as expected", echo, "ping", "got", patience, probe.Pass, ""},
		{"not expected", echo, "ping", "pong", patience, probe.Fail, `the answer begins with "got ping", expected "pong"`},
		{"shorter than expected", echo, "", "got ping", patience, probe.Fail, `the answer begins with "got "`},
		{"any answer", echo, "ping", "", patience, probe.Pass, ""},
		{"no answer to a request", silent, "ping", "", soon, probe.Fail, "no answer within 1s"},
		{"no answer where one is expected", silent, "", "x", soon, probe.Fail, "no answer within 1s"},
		{"nothing is asked and nothing refused", silent, "", "", soon, probe.Pass, ""},
		{"a terminal's commands", func(string) []byte { return []byte("\x1b[2J\x00\xff") }, "x", "y", patience, probe.Fail, "the answer begins with"},
		{"an empty answer", func(string) []byte { return []byte{} }, "x", "y", patience, probe.Fail, `the answer begins with ""`},
		{"a long answer", func(string) []byte { return make([]byte, 9000) }, "x", "\x00\x00", patience, probe.Pass, ""},
		{"a request that no datagram holds", echo, strings.Repeat("x", 70000), "", patience, probe.Fail, "message too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := probeOf(spec.ProbeUDP, c.timeout)
			p.UDP.Request, p.UDP.Expect = c.request, c.expect
			o := run(t, r, answers(t, c.f), p)
			expect(t, o, c.verdict, c.reason)
			if c.timeout == soon && o.Latency < soon/10 {
				t.Errorf("it waited no longer than %v", o.Latency)
			}
		})
	}
	p := probeOf(spec.ProbeUDP, patience)
	expect(t, run(t, r, nobody(t), p), probe.Fail, "connection refused")
	p.UDP.Request = "x"
	expect(t, run(t, r, nobody(t), p), probe.Fail, "connection refused")
	expect(t, run(t, r, "[fe80::1]:9", p), probe.Fail, "invalid argument") // of which link?
}

// A probe hears only whom it asked, and what it sends is one datagram, the
// request and no more.
func TestUDPIsConnected(t *testing.T) { ways(t, hearsOnlyItsPeer) }

func hearsOnlyItsPeer(t *testing.T, r *probing.Runner) {
	stranger, err := net.ListenPacket("udp", "127.34.1.7:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	asked, err := net.ListenPacket("udp", "127.34.1.8:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = asked.Close() }()
	for _, request := range []string{"", "ping"} {
		p := probeOf(spec.ProbeUDP, patience)
		p.UDP.Request, p.UDP.Expect = request, "right"
		found := make(chan probe.Outcome, 1)
		r.Start(t.Context(), probe.Launch{Address: asked.LocalAddr().String(), Probe: &p}, func(o probe.Outcome) { found <- o })
		buf := make([]byte, 64)
		n, from, err := asked.ReadFrom(buf)
		if err != nil || string(buf[:n]) != request {
			t.Fatalf("%q arrived, want %q; %v", buf[:n], request, err)
		}
		if _, err := stranger.WriteTo([]byte("wrong"), from); err != nil {
			t.Fatal(err)
		}
		if _, err := asked.WriteTo([]byte("right"), from); err != nil {
			t.Fatal(err)
		}
		expect(t, <-found, probe.Pass, "")
	}
}

// A Poll that ends under its probes says nothing of their targets.
func TestPollEndsUnderProbes(t *testing.T) {
	p, err := poll.New()
	if err != nil {
		t.Skip(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Run() }()
	r := probing.New(p)
	quiet := answers(t, func(string) []byte { return nil })
	asking := probeOf(spec.ProbeUDP, patience)
	asking.UDP.Request = "x"
	silent := probeOf(spec.ProbeUDP, patience)
	web := probeOf(spec.ProbeHTTP, patience)
	found := make(chan probe.Outcome)
	start := func(address string, p *spec.Probe) {
		r.Start(t.Context(), probe.Launch{Address: address, Probe: p}, func(o probe.Outcome) { found <- o })
	}
	start(quiet, &asking)
	start(quiet, &silent)
	start(hangs(t, ""), &web)
	p.Close()
	for range 3 {
		o := <-found
		fit(t, o)
		expect(t, o, probe.Unable, "poll: ended")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// pingable reports whether this user may ping at all.
func pingable(network string) bool {
	raw := map[string]string{"udp4": "ip4:icmp", "udp6": "ip6:ipv6-icmp"}[network]
	for _, n := range []string{network, raw} {
		if c, err := icmp.ListenPacket(n, ""); err == nil {
			_ = c.Close()
			return true
		}
	}
	return false
}

func TestICMP(t *testing.T) {
	p := probeOf(spec.ProbeICMP, patience)
	for network, address := range map[string]string{"udp4": "127.34.1.5:1", "udp6": "[::1]:1"} {
		o := run(t, probing.New(nil), address, p)
		switch {
		case !pingable(network):
			expect(t, o, probe.Unable, "")
		case network == "udp6" && o.Verdict == probe.Fail:
			t.Logf("no IPv6 here: %s", o.Reason)
		default:
			expect(t, o, probe.Pass, "")
		}
	}
	// Many at once hear each other's answers on raw sockets, and take none for
	// their own.
	if pingable("udp4") {
		r, all := probing.New(nil), make(chan probe.Outcome)
		for i := range 40 {
			go func() {
				p, address := probeOf(spec.ProbeICMP, patience), "127.34.1.6:1"
				if i%2 == 1 {
					p, address = probeOf(spec.ProbeICMP, soon), "240.0.0.1:1" // nobody is there
				}
				o := r.Run(t.Context(), probe.Launch{Address: address, Probe: &p})
				if (o.Verdict == probe.Pass) != (i%2 == 0) {
					t.Errorf("%s: %+v", address, o)
				}
				all <- o
			}()
		}
		for range 40 {
			fit(t, <-all)
		}
	}
}

// A host that stops ends its probes at once, and blames no target.
func TestEndsWithItsHost(t *testing.T) { ways(t, endsWithItsHost) }

func endsWithItsHost(t *testing.T, r *probing.Runner) {
	program := probeOf(spec.ProbeExec, patience)
	program.Exec.Command = []string{"sleep", "1000"}
	udp := probeOf(spec.ProbeUDP, patience)
	udp.UDP.Request = "x"
	for _, c := range []struct {
		probe   spec.Probe
		address string
	}{
		{probeOf(spec.ProbeTCP, patience), full(t)},
		{probeOf(spec.ProbeHTTP, patience), hangs(t, "")},
		{probeOf(spec.ProbeHTTPS, patience), hangs(t, "")},
		{udp, answers(t, func(string) []byte { return nil })},
		{program, "127.34.1.1:1"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		began := time.Now()
		found := make(chan probe.Outcome, 1)
		r.Start(ctx, probe.Launch{Address: c.address, Probe: &c.probe}, func(o probe.Outcome) { found <- o })
		o := <-found
		expect(t, o, probe.Unable, "this host is stopping")
		if took := time.Since(began); took > patience/2 {
			t.Errorf("%s: it took %v to end", c.probe.Kind, took)
		}
	}
}

// Thousands of probes of every kind and every end leave no socket, no process
// and no goroutine.
func TestNothingIsLeftBehind(t *testing.T) { ways(t, leavesNothing) }

func leavesNothing(t *testing.T, r *probing.Runner) {
	good, bad := says(t, ok), says(t, "junk\r\n\r\n")
	none, slow := nobody(t), hangs(t, "HTTP/1.1 200")
	echo := answers(t, func(s string) []byte { return []byte(s) })
	short := 30 * time.Millisecond
	program := probeOf(spec.ProbeExec, short)
	program.Exec.Command = []string{"sh", "-c", "sleep 1000 & sleep 1000"}
	udp, silent := probeOf(spec.ProbeUDP, short), probeOf(spec.ProbeUDP, short)
	udp.UDP.Request = "x"
	mute := answers(t, func(string) []byte { return nil })
	round := func(n int) {
		done := make(chan struct{}, 1000)
		total := 0
		launch := func(address string, p spec.Probe) {
			total++
			go func() {
				r.Start(t.Context(), probe.Launch{Address: address, Probe: &p}, func(probe.Outcome) { done <- struct{}{} })
			}()
		}
		for i := range n {
			for _, kind := range []spec.ProbeKind{spec.ProbeTCP, spec.ProbeHTTP, spec.ProbeHTTPS} {
				for _, address := range []string{good, bad, none, slow} {
					launch(address, probeOf(kind, short))
				}
			}
			launch(echo, udp)
			launch(none, udp)
			launch(mute, udp)
			launch(mute, silent)
			launch("127.34.1.1:1", probeOf(spec.ProbeICMP, short))
			if i%5 == 0 {
				launch(none, program)
			}
		}
		for range total {
			<-done
		}
	}
	round(1)
	settled := func() (int, int) { return descriptors(t), runtime.NumGoroutine() }
	files, routines := settled()
	round(20)
	deadline := time.Now().Add(patience)
	for {
		f, g := settled()
		if f <= files+2 && g <= routines+2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors and %d goroutines before, %d and %d after", files, routines, f, g)
		}
		runtime.Gosched()
	}
}

func descriptors(t testing.TB) int {
	t.Helper()
	d, err := os.Open("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list descriptors")
	}
	defer func() { _ = d.Close() }()
	names, err := d.Readdirnames(-1)
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(names, func(s string) bool { return s == "" }))
}
