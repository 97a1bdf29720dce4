//go:build lab

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

// ground builds a fleet of namespaces for one test.
func ground(t *testing.T, sites, hosts int) *lab.Fleet {
	t.Helper()
	dir, err := lab.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	f, err := lab.NewFleet(dir, sites, hosts)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d sites of %d hosts: namespaces after %v", sites, hosts, time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := errors.Join(f.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return f
}

// ears hear UDP packets on a host.
type ears struct {
	conn net.PacketConn
	mu   sync.Mutex
	last map[string]time.Time
}

func listen(t *testing.T, h *lab.Host) *ears {
	t.Helper()
	conn, err := h.ListenPacket(h.Address.String() + ":9000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	e := &ears{conn: conn, last: map[string]time.Time{}}
	go func() {
		buf := make([]byte, 2048)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			e.mu.Lock()
			e.last[string(buf[:n])] = time.Now()
			e.mu.Unlock()
		}
	}()
	return e
}

// packets sends n packets and returns which of them are heard, and how late, at the
// latest after a while.
func packets(t *testing.T, from, to *ears, n int, patience time.Duration) (heard int, slowest time.Duration) {
	t.Helper()
	sent := map[string]time.Time{}
	for i := range n {
		name := fmt.Sprintf("%p %d %d", from, i, time.Now().UnixNano())
		sent[name] = time.Now()
		if _, err := from.conn.WriteTo([]byte(name), to.conn.LocalAddr()); err != nil {
			t.Fatalf("who sends must not notice a fault: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_ = lab.Until(ctx, func() error {
		to.mu.Lock()
		defer to.mu.Unlock()
		heard, slowest = 0, 0
		for name, at := range sent {
			if got, ok := to.last[name]; ok {
				heard++
				slowest = max(slowest, got.Sub(at))
			}
		}
		if heard < n {
			return errors.New("not all")
		}
		return nil
	})
	return heard, slowest
}

// TestLinksBreakAsTold: cuts, one-way cuts, losses and delays hit the packets that
// they name and no others, within a site, between sites and of a single host, and
// are gone when they are healed.
func TestLinksBreakAsTold(t *testing.T) {
	f := ground(t, 3, 2)
	hosts := f.All()
	at := map[*lab.Host]*ears{}
	for _, h := range hosts {
		at[h] = listen(t, h)
	}
	// passes checks every pair of hosts against what is said of it.
	passes := func(what string, is func(a, b *lab.Host) bool) {
		t.Helper()
		var all sync.WaitGroup
		for _, a := range hosts {
			for _, b := range hosts {
				if a == b {
					continue
				}
				all.Go(func() {
					want, patience := is(a, b), 5*time.Second
					if !want {
						patience = 300 * time.Millisecond
					}
					if heard, _ := packets(t, at[a], at[b], 3, patience); (heard == 3) != want || !want && heard > 0 {
						t.Errorf("%s: of 3 packets %s -> %s came %d, want all: %v", what, a, b, heard, want)
					}
				})
			}
		}
		all.Wait()
	}
	broken := func(is func(a, b *lab.Host) bool, faults ...lab.LinkFault) {
		t.Helper()
		heal, err := f.Break(faults...)
		if err != nil {
			t.Fatal(err)
		}
		passes(fmt.Sprint(faults), is)
		if err := heal(); err != nil {
			t.Fatal(err)
		}
	}
	s1, s2, s3 := f.Sites[0], f.Sites[1], f.Sites[2]
	one := s1.Hosts[0]
	all := func(a, b *lab.Host) bool { return true }
	passes("at first", all)
	broken(func(a, b *lab.Host) bool { return (a.Site() == s1) == (b.Site() == s1) }, lab.Cut(s1, s2), lab.Cut(s1, s3))
	broken(func(a, b *lab.Host) bool { return !(a.Site() == s1 && b.Site() == s2) }, lab.CutOneWay(s1, s2))
	broken(func(a, b *lab.Host) bool { return a != one && b != one }, lab.Cut(one, lab.Everywhere))
	broken(func(a, b *lab.Host) bool { return b != one }, lab.CutOneWay(lab.Everywhere, one))
	broken(func(a, b *lab.Host) bool { return !(a == one && b == s1.Hosts[1]) }, lab.CutOneWay(one, s1.Hosts[1]))
	passes("healed", all)

	// Two faults of one link; one is healed.
	heal, err := f.Break(lab.Cut(s1, s2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Break(lab.Cut(s1, s2), lab.Cut(s2, s3)); err != nil {
		t.Fatal(err)
	}
	if err := heal(); err != nil {
		t.Fatal(err)
	}
	passes("one of two cuts healed", func(a, b *lab.Host) bool { return a.Site() == b.Site() || a.Site() != s2 && b.Site() != s2 })
	if err := f.Heal(); err != nil {
		t.Fatal(err)
	}
	passes("all healed", all)

	if _, err := f.Break(lab.LinkFault{From: s1, To: s2, OneWay: true, Drop: 0.3}); err != nil {
		t.Fatal(err)
	}
	heard, back := 0, 0
	for range 10 { // few at once: a socket's buffer loses packets too
		n, _ := packets(t, at[one], at[s2.Hosts[0]], 100, 200*time.Millisecond)
		heard += n
		n, _ = packets(t, at[s2.Hosts[0]], at[one], 100, 5*time.Second)
		back += n
	}
	t.Logf("30 %% loss: %d of 1000 packets came, %d the other way", heard, back)
	if heard < 600 || heard > 800 || back != 1000 {
		t.Errorf("with 30 %% loss one way %d of 1000 packets came, %d the other way", heard, back)
	}
	if err := f.Heal(); err != nil {
		t.Fatal(err)
	}

	// Delays, to another site and within one; everything else is fast.
	if _, err := f.Break(lab.LinkFault{From: s1, To: s2, Delay: 80 * time.Millisecond, Jitter: 20 * time.Millisecond},
		lab.LinkFault{From: one, To: s1.Hosts[1], OneWay: true, Delay: 40 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		a, b *lab.Host
		min  time.Duration
	}{{one, s2.Hosts[0], 80 * time.Millisecond}, {s2.Hosts[1], one, 80 * time.Millisecond}, {one, s1.Hosts[1], 40 * time.Millisecond}, {s1.Hosts[1], one, 0}, {one, s3.Hosts[0], 0}} {
		best := time.Hour
		for range 5 {
			heard, took := packets(t, at[row.a], at[row.b], 1, 5*time.Second)
			if heard == 0 {
				t.Errorf("a packet %s -> %s is lost by a delay", row.a, row.b)
			}
			best = min(best, took)
		}
		t.Logf("%s -> %s takes %v", row.a, row.b, best.Round(100*time.Microsecond))
		if best < row.min || row.min == 0 && best > 30*time.Millisecond {
			t.Errorf("%s -> %s takes %v, want %v", row.a, row.b, best, row.min)
		}
	}
	if heard, _ := packets(t, at[one], at[s2.Hosts[0]], 100, 5*time.Second); heard != 100 {
		t.Errorf("of 100 slow packets came %d", heard)
	}
	if err := f.Heal(); err != nil {
		t.Fatal(err)
	}
	passes("after delays", all)
	if _, took := packets(t, at[one], at[s2.Hosts[0]], 1, 5*time.Second); took > 30*time.Millisecond {
		t.Errorf("after a delay was healed a packet takes %v", took)
	}
}

// TestThrottledAndUnplugged: a slow link carries so many bytes a second, and a host
// whose cable is out is back when the cable is.
func TestThrottledAndUnplugged(t *testing.T) {
	f := ground(t, 2, 1)
	a, b := f.Sites[0].Hosts[0], f.Sites[1].Hosts[0]
	l, err := b.Listen(b.Address.String() + ":9001")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				n, _ := io.Copy(io.Discard, c)
				_, _ = fmt.Fprintln(c, n)
				_ = c.Close()
			}()
		}
	}()
	carry := func(size int) time.Duration {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		c, err := a.Dial(ctx, "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		began := time.Now()
		if _, err := c.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		_ = c.(*net.TCPConn).CloseWrite()
		said, err := io.ReadAll(c)
		if err != nil || strings.TrimSpace(string(said)) != strconv.Itoa(size) {
			t.Fatalf("%q of %d bytes came, %v", said, size, err)
		}
		return time.Since(began)
	}
	free := carry(1 << 20)
	heal, err := f.Throttle(f.Sites[0], 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	slow := carry(1 << 20)
	if err := heal(); err != nil {
		t.Fatal(err)
	}
	t.Logf("1 MiB takes %v, with 1 MiB/s %v, and then %v", free, slow, carry(1<<20))
	if slow < 700*time.Millisecond {
		t.Errorf("1 MiB over 1 MiB/s took %v", slow)
	}
	plug, err := f.Unplug(a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if c, err := a.Dial(ctx, "tcp", l.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("it connects without a cable")
	}
	if err := plug(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it connects with the cable in", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c, err := a.Dial(ctx, "tcp", l.Addr().String())
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

// clocks prints its wall clock and how long it runs by the monotonic one, each time
// a line comes.
func clocks() error {
	began := time.Now()
	for {
		var line string
		if _, err := fmt.Scanln(&line); err != nil {
			return nil
		}
		fmt.Println(time.Now().Unix(), time.Since(began).Seconds())
	}
}

// TestSteppedClock: one process's wall clock is stepped, forth, back and home; its
// monotonic clock and the machine's clock do not notice.
func TestSteppedClock(t *testing.T) {
	f := ground(t, 1, 1)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := f.Sites[0].Hosts[0]
	in, out, p, err := h.Talk("clocks", []string{"HOLDFAST_LAB_ROLE=clocks"}, self)
	if err != nil {
		t.Fatal(err)
	}
	last := 0.0
	for _, by := range []time.Duration{0, time.Hour, -2 * time.Hour, 90 * time.Second, 0} {
		if by != 0 || last > 0 {
			if err := p.StepClock(by); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 {
			if _, err := fmt.Fprintln(in, "now"); err != nil {
				t.Fatal(err)
			}
			var wall int64
			var since float64
			if _, err := fmt.Fscan(out, &wall, &since); err != nil {
				t.Fatalf("%v: %s", err, p.Log())
			}
			if off := time.Unix(wall, 0).Sub(time.Now()) - by; off > time.Second || off < -2*time.Second {
				t.Fatalf("stepped by %v its clock is %v from there", by, off)
			}
			if since < last || since > last+20 {
				t.Errorf("its monotonic clock went from %v to %v", last, since)
			}
			last = since
		}
	}
}

// TestFullDisk: a disk is full to the last byte, and has room again; what wrote to
// it got ENOSPC and nothing else.
func TestFullDisk(t *testing.T) {
	f := ground(t, 1, 1)
	d, err := f.Disk("small", 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	write := func() error { return os.WriteFile(d.Dir+"/x", make([]byte, 4096), 0o600) }
	if err := write(); err != nil {
		t.Fatal(err)
	}
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.Dir+"/y", make([]byte, 4096), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing to a full disk says %v", err)
	}
	if err := d.Free(); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
