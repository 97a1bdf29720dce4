package traffic_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/proxyproto"
	"github.com/holdfast-edge/holdfast/engine/system/service"
	"github.com/holdfast-edge/holdfast/engine/system/traffic"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// serve runs a service of a kind and returns its address.
func serve(t testing.TB, name string, kind spec.ServiceKind, control io.Reader) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- service.Run(ctx, service.Options{Name: name, Kind: kind, Address: "127.0.0.1:0", Control: control, Ready: func(a net.Addr) { ready <- a }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case a := <-ready:
		return a.String()
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return ""
}

// listen accepts connections and hands each to f on a goroutine of its own.
func listen(t testing.TB, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			all.Go(func() { f(c) })
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

// clients runs clients until what they saw is enough, and returns all of it. How
// much a second brings is this machine's business.
func clients(t *testing.T, p *poll.Poll, u traffic.Use, rate float64, enough func(fleet.ClientsRead) bool) []fleet.ClientsRead {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	var all []fleet.ClientsRead
	met := false
	began := time.Now()
	err := traffic.RunClients(ctx, traffic.ClientsOptions{Name: "users", Use: u, Rate: rate, Poll: p, Read: func(r fleet.ClientsRead) {
		if met {
			return
		}
		all = append(all, r)
		// An open loop may fall behind its rate, and is never ahead of it.
		if n := float64(r.Reading.Totals.Requests); n > rate*time.Since(began).Seconds()+1 {
			t.Errorf("%v requests %v after the beginning, at %v a second", n, time.Since(began), rate)
		}
		if met = enough(r); met {
			cancel()
		}
	}})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d seconds were read; %v", len(all), err)
	}
	if r := all[len(all)-1]; !met {
		t.Fatalf("after %d seconds they saw no more than %+v with %d open, last error %q", len(all), r.Reading.Totals, r.Reading.Active, r.LastError)
	}
	return all
}

// ways runs a test with clients on goroutines and with clients on a Poll: what
// they see does not depend on it.
func ways(t *testing.T, test func(*testing.T, *poll.Poll)) {
	onGoroutines(t, test)
	onPoll(t, test)
}

func onGoroutines(t *testing.T, test func(*testing.T, *poll.Poll)) {
	t.Run("goroutines", func(t *testing.T) { t.Parallel(); test(t, nil) })
}

func onPoll(t *testing.T, test func(*testing.T, *poll.Poll)) {
	t.Run("poll", func(t *testing.T) {
		t.Parallel()
		p, err := poll.New()
		if err != nil {
			t.Skip(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- p.Run() }()
		t.Cleanup(func() {
			p.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		test(t, p)
	})
}

// probes runs probes until there are n samples.
func probes(t *testing.T, u traffic.Use, every time.Duration, n int) []drill.Sample {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []drill.Sample
	err := traffic.RunProbes(ctx, traffic.ProbesOptions{Use: u, Every: every, Clock: loop.NewClock(), Deliver: func(s []drill.Sample) {
		if all = append(all, s...); len(all) >= n {
			cancel()
		}
	}})
	if err != nil || len(all) < n {
		t.Fatalf("%d samples, want %d; %v", len(all), n, err)
	}
	return all
}

func TestClientsUseEveryKindOfService(t *testing.T) {
	for _, row := range []struct {
		protocol spec.Protocol
		service  spec.ServiceKind
	}{{spec.HTTP, spec.ServiceHTTP}, {spec.TCP, spec.ServiceHTTP}, {spec.TCP, spec.ServiceTCP}, {spec.UDP, spec.ServiceUDP}} {
		t.Run(string(row.protocol+"-"+spec.Protocol(row.service)), func(t *testing.T) {
			t.Parallel()
			both := ways
			if row.service != spec.ServiceHTTP {
				both = onGoroutines
			}
			both(t, func(t *testing.T, p *poll.Poll) {
				a, b := serve(t, "a", row.service, nil), serve(t, "b", row.service, nil)
				// Connections are used again, and a tenth of the users are new ones.
				read := clients(t, p, traffic.Use{Protocol: row.protocol, Service: row.service, Addresses: []string{a, b}, Timeout: patience}, 200, func(r fleet.ClientsRead) bool {
					return r.Reading.Totals.Requests >= 100 && r.Reading.Totals.Flows < r.Reading.Totals.Requests && r.Reading.Active > 0
				})
				var latencies uint64
				for _, r := range read {
					latencies += r.Reading.Latency.Count
				}
				last := read[len(read)-1]
				r := last.Reading
				if r.Name != "users" || last.Name != "users" || r.Totals.Errors != 0 || last.LastError != "" && !strings.HasPrefix(last.LastError, "not sent, this host") {
					t.Fatalf("read %+v, last error %q", r.Totals, last.LastError)
				}
				if latencies != r.Totals.Requests {
					t.Errorf("%d latencies of %d requests", latencies, r.Totals.Requests)
				}
				if r.Totals.Flows < r.Totals.Requests/15 {
					t.Errorf("%d flows for %d requests, want a tenth at least", r.Totals.Flows, r.Totals.Requests)
				}
				if r.Totals.InBytes == 0 || r.Totals.OutBytes == 0 {
					t.Errorf("read %+v", r.Totals)
				}
			})
		})
	}
}

func TestClientsSayWhatFailed(t *testing.T) { ways(t, sayWhatFailed) }

func sayWhatFailed(t *testing.T, p *poll.Poll) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	read := clients(t, p, traffic.Use{Protocol: spec.HTTP, Addresses: []string{nobody}, Timeout: patience}, 50, func(r fleet.ClientsRead) bool {
		return r.Reading.Totals.Errors > 0 && r.LastError == nobody+": connection refused"
	})
	for _, r := range read {
		if r.Reading.Totals.Errors != r.Reading.Totals.Requests || r.Reading.Latency.Count != 0 {
			t.Errorf("read %+v, last error %q", r.Reading.Totals, r.LastError)
		}
	}
}

// TestClientsHideAStaleConnection: a server may close a kept connection at any
// time, and a client asks again on a new one. A new connection that fails is a
// failure.
func TestClientsHideAStaleConnection(t *testing.T) { ways(t, hideAStaleConnection) }

func hideAStaleConnection(t *testing.T, p *poll.Poll) {
	address := answering(t, func(c net.Conn, nth int) bool {
		if nth > 0 {
			return false // it promised to keep the connection, and does not
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		return true
	})
	read := clients(t, p, traffic.Use{Protocol: spec.HTTP, Addresses: []string{address}, Timeout: patience}, 100, func(r fleet.ClientsRead) bool {
		return r.Reading.Totals.Retries >= 20
	})
	if r := read[len(read)-1]; r.Reading.Totals.Errors != 0 {
		t.Errorf("read %+v, last error %q", r.Reading.Totals, r.LastError)
	}
}

// answering serves requests: answer is given the number of each on its
// connection, and says whether to keep that.
func answering(t *testing.T, answer func(c net.Conn, nth int) bool) string {
	return listen(t, func(c net.Conn) {
		defer func() { _ = c.Close() }()
		r := bufio.NewReader(c)
		for nth := 0; ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line != "\r\n" {
				continue
			}
			if !answer(c, nth) {
				return
			}
			nth++
		}
	})
}

// TestClientsTakeAnyAnswer: in pieces, in chunks, long or with interim answers,
// an answer is an answer, and its connection is kept.
func TestClientsTakeAnyAnswer(t *testing.T) {
	for name, pieces := range map[string][]string{
		"pieces": {"HT", "TP/1.1 200 OK\r\nContent-Le", "ngth: 4\r\n\r", "\nab", "cd"},
		"chunks": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nok\r\n0\r\n\r\n"},
		"long":   {"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", strings.Repeat("x", 100000)},
		"early":  {"HTTP/1.1 204 No Content\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onPoll(t, func(t *testing.T, p *poll.Poll) {
				address := answering(t, func(c net.Conn, _ int) bool {
					for _, piece := range pieces {
						if _, err := io.WriteString(c, piece); err != nil {
							return false
						}
						runtime.Gosched()
					}
					return true
				})
				read := clients(t, p, traffic.Use{Protocol: spec.HTTP, Addresses: []string{address}, Timeout: patience}, 100, func(r fleet.ClientsRead) bool {
					return r.Reading.Totals.Flows < r.Reading.Totals.Requests
				})
				if r := read[len(read)-1]; r.Reading.Totals.Errors != 0 {
					t.Errorf("read %+v, last error %q", r.Reading.Totals, r.LastError)
				}
			})
		})
	}
}

// TestClientsTellWhatIsWrong: what a server says wrong, or too late, is the
// same to both kinds of clients.
func TestClientsTellWhatIsWrong(t *testing.T) {
	const short = 200 * time.Millisecond
	for name, row := range map[string]struct {
		answer, reason string
		timeout        time.Duration
	}{
		"status":  {"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "status 503", patience},
		"junk":    {"220 smtp.example.test\r\n", "malformed HTTP", patience},
		"silence": {"", "no answer within 200ms", short},
		"half":    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", "no answer within 200ms", short},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ways(t, func(t *testing.T, p *poll.Poll) {
				address := answering(t, func(c net.Conn, _ int) bool {
					_, _ = io.WriteString(c, row.answer)
					return true
				})
				read := clients(t, p, traffic.Use{Protocol: spec.HTTP, Addresses: []string{address}, Timeout: row.timeout}, 50, func(r fleet.ClientsRead) bool {
					return r.Reading.Totals.Errors > 0 && strings.Contains(r.LastError, row.reason)
				})
				if r := read[len(read)-1]; r.Reading.Totals.Errors != r.Reading.Totals.Requests {
					t.Errorf("read %+v, last error %q", r.Reading.Totals, r.LastError)
				}
			})
		})
	}
}

func TestStatusFrom500IsAFailure(t *testing.T) {
	t.Parallel()
	a := serve(t, "a", spec.ServiceHTTP, nil)
	for path, want := range map[string]bool{"/status?code=503": false, "/status?code=404": true, "/": true} {
		for _, s := range probes(t, traffic.Use{Protocol: spec.HTTP, Addresses: []string{a}, Path: path, Timeout: patience}, 5*time.Millisecond, 5) {
			if s.OK != want || s.Server != "a" {
				t.Fatalf("%s: %+v", path, s)
			}
			if !want && s.Reason != a+": status 503" {
				t.Fatalf("the reason is %q", s.Reason)
			}
		}
	}
}

func TestProbesNameTheServer(t *testing.T) {
	for _, row := range []struct {
		protocol spec.Protocol
		service  spec.ServiceKind
	}{{spec.HTTP, spec.ServiceHTTP}, {spec.TCP, spec.ServiceTCP}, {spec.UDP, spec.ServiceUDP}} {
		t.Run(string(row.protocol), func(t *testing.T) {
			t.Parallel()
			a, b := serve(t, "a", row.service, nil), serve(t, "b", row.service, nil)
			by := map[string]int{}
			var last drill.Sample
			for _, s := range probes(t, traffic.Use{Protocol: row.protocol, Service: row.service, Addresses: []string{a, b}, Timeout: patience}, time.Millisecond, 200) {
				if !s.OK || s.Took <= 0 {
					t.Fatalf("sample %+v", s)
				}
				by[s.Server]++
				last = s
			}
			if by["a"] == 0 || by["b"] == 0 || len(by) != 2 {
				t.Errorf("answers came from %v; the newest is %+v", by, last)
			}
		})
	}
}

func TestProbesOfAnUnknownService(t *testing.T) {
	t.Parallel()
	stays := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	closes := listen(t, func(c net.Conn) { _ = c.Close() })
	for address, want := range map[string]bool{stays: true, closes: false} {
		for _, s := range probes(t, traffic.Use{Protocol: spec.TCP, Addresses: []string{address}}, 5*time.Millisecond, 5) {
			if s.OK != want && !s.Late {
				t.Fatalf("closes %v: %+v", !want, s)
			}
		}
	}
}

func TestProxyHeaderComesFirst(t *testing.T) {
	t.Parallel()
	for _, version := range []spec.ProxyProtocol{spec.ProxyV1, spec.ProxyV2, spec.ProxyAny} {
		address := listen(t, func(c net.Conn) {
			r := bufio.NewReader(c)
			h, err := proxyproto.Read(r, version == spec.ProxyV1, version != spec.ProxyV1)
			if err == nil && h.Source.String() == c.RemoteAddr().String() {
				_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
			}
			_, _ = io.Copy(io.Discard, r)
		})
		for _, s := range probes(t, traffic.Use{Protocol: spec.HTTP, Addresses: []string{address}, Proxy: version, Timeout: patience}, 5*time.Millisecond, 3) {
			if !s.OK {
				t.Fatalf("%s: %+v", version, s)
			}
		}
	}
}

func TestEndlessAnswersAreBounded(t *testing.T) {
	t.Parallel()
	address := listen(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for {
			if _, err := io.WriteString(c, "X: "+strings.Repeat("y", 1000)); err != nil {
				return
			}
		}
	})
	s := probes(t, traffic.Use{Protocol: spec.HTTP, Addresses: []string{address}, Timeout: 5 * time.Second}, 50*time.Millisecond, 1)[0]
	if s.OK || !strings.Contains(s.Reason, "longer than 64 KiB") {
		t.Errorf("sample %+v", s)
	}
}

func TestRefusesNonsense(t *testing.T) {
	for _, o := range []traffic.ClientsOptions{
		{Use: traffic.Use{}, Rate: 1},
		{Use: traffic.Use{Addresses: []string{"x"}}, Rate: 0},
		{Use: traffic.Use{Addresses: []string{"x"}}, Rate: -1},
	} {
		if err := traffic.RunClients(t.Context(), o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	if err := traffic.RunProbes(t.Context(), traffic.ProbesOptions{Use: traffic.Use{Addresses: []string{"x"}}}); err == nil {
		t.Error("probes every 0s were accepted")
	}
}
