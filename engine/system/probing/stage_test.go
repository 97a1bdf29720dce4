package probing_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
	"github.com/holdfast-edge/holdfast/engine/system/probing"
)

const (
	// patience is the time-out of probes that are not meant to reach it.
	patience = 20 * time.Second
	// soon is the time-out of those that are, with room for a loaded machine to
	// come as far as the test wants.
	soon = time.Second
)

// probeOf returns a probe as Parse would, with its defaults.
func probeOf(kind spec.ProbeKind, timeout time.Duration) spec.Probe {
	p := spec.Probe{Kind: kind, Timeout: spec.Duration(timeout)}
	switch kind {
	case spec.ProbeHTTPS:
		p.TLS = &spec.TLSCheck{ExpiryWarn: spec.Duration(7 * 24 * time.Hour)}
		fallthrough
	case spec.ProbeHTTP:
		p.HTTP = &spec.HTTPCheck{Method: "GET", Path: "/", Status: []string{"200-299"}}
	case spec.ProbeUDP:
		p.UDP = &spec.UDPCheck{}
	case spec.ProbeExec:
		p.Exec = &spec.ExecCheck{}
	case spec.ProbeTCP, spec.ProbeICMP:
	}
	return p
}

// run carries out one probe. Whatever it finds, its words are fit to be shown.
func run(t testing.TB, r *probing.Runner, address string, p spec.Probe) probe.Outcome {
	t.Helper()
	found := make(chan probe.Outcome, 2)
	r.Start(t.Context(), probe.Launch{Target: "t", Attempt: 1, Address: address, Probe: &p}, func(o probe.Outcome) { found <- o })
	o := <-found
	fit(t, o)
	return o
}

// ways runs a test with both ways to carry out a probe: on a goroutine of its
// own, and on a Poll. What is found does not depend on it.
func ways(t *testing.T, test func(*testing.T, *probing.Runner)) {
	t.Helper()
	t.Run("goroutine", func(t *testing.T) { test(t, probing.New(nil)) })
	t.Run("poll", func(t *testing.T) { test(t, probing.New(polling(t))) })
}

// polling returns a Poll that runs until the test's end.
func polling(t *testing.T) *poll.Poll {
	t.Helper()
	p, err := poll.New()
	if err != nil {
		t.Skip(err)
	}
	ended := make(chan error)
	go func() { ended <- p.Run() }()
	t.Cleanup(func() {
		p.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p
}

func fit(t testing.TB, o probe.Outcome) {
	t.Helper()
	for _, words := range []string{o.Reason, o.Warning} {
		if strings.ContainsFunc(words, func(r rune) bool { return !unicode.IsPrint(r) }) || len(words) > 300 {
			t.Errorf("not fit to be shown: %.400q", words)
		}
	}
	if (o.Verdict == probe.Pass) != (o.Reason == "") {
		t.Errorf("verdict %d with the reason %q", o.Verdict, o.Reason)
	}
}

// expect compares a verdict and its words.
func expect(t testing.TB, o probe.Outcome, v probe.Verdict, reason string) {
	t.Helper()
	if o.Verdict != v || !strings.Contains(o.Reason, reason) {
		t.Errorf("got %+v, want verdict %d with %q", o, v, reason)
	}
}

// listen accepts connections at an address of this test and hands each to f on
// a goroutine of its own. They are closed at the end of the test.
func listen(t testing.TB, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.34.1.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			all.Go(func() { defer func() { _ = c.Close() }(); f(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().String()
}

// head reads a request's head and returns its lines.
func head(c net.Conn) []string {
	var all []string
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == "\r\n" {
			return all
		}
		all = append(all, strings.TrimSuffix(line, "\r\n"))
	}
}

// says answers each request with a text and closes.
func says(t testing.TB, answer string) string {
	return listen(t, func(c net.Conn) {
		head(c)
		_, _ = io.WriteString(c, answer)
		_ = c.Close()
	})
}

// hangs says a text and then nothing more.
func hangs(t testing.TB, answer string) string {
	return listen(t, func(c net.Conn) {
		_, _ = io.WriteString(c, answer)
		_, _ = io.Copy(io.Discard, c)
	})
}

// nobody returns an address where nobody listens.
func nobody(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.34.1.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// full returns an address whose queue of connections is full, so that the kernel
// drops what comes: a connection is not refused and not accepted.
func full(t testing.TB) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.34.1.3:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	shrink(t, l.(*net.TCPListener))
	for range 64 {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		c, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		cancel()
		if err != nil {
			return l.Addr().String()
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Skip("the queue of connections cannot be filled on this system")
	return ""
}

// shrink makes the queue of a listener as short as it can be.
func shrink(t testing.TB, l *net.TCPListener) {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
