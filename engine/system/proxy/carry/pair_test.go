package carry

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// owner is a flow that a test looks at.
type owner struct {
	moved [2]int // down, up
	ended chan [2]*Failure
}

func (o *owner) Moved(up bool, n int) {
	if up {
		o.moved[1] += n
	} else {
		o.moved[0] += n
	}
}
func (o *owner) Ended(down, up *Failure) { o.ended <- [2]*Failure{down, up} }

func aLoop(t *testing.T) *Loop {
	t.Helper()
	all, err := Shared()
	if err != nil {
		t.Fatal(err)
	}
	return all.Next()
}

// on calls f on the loop's goroutine, and waits.
func on(l *Loop, f func()) {
	done := make(chan struct{})
	l.Do(func() { defer close(done); f() })
	<-done
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

// socket is a connected descriptor, and its peer.
func socket(t *testing.T) (fd int, peer *net.TCPConn) {
	t.Helper()
	l := listen(t)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	if fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return fd, c.(*net.TCPConn)
}

// joined is a pair with both of its peers.
func joined(t *testing.T, first []byte) (l *Loop, p *Pair, o *owner, client, back *net.TCPConn) {
	t.Helper()
	l, o = aLoop(t), &owner{ended: make(chan [2]*Failure, 1)}
	fd, client := socket(t)
	server := listen(t)
	answer := make(chan error, 1)
	on(l, func() {
		p = l.New(fd, o)
		if err := p.Connect(server.Addr().(*net.TCPAddr).AddrPort(), 10*time.Second, func(err error) {
			answer <- errors.Join(err, p.Begin(first))
		}); err != nil {
			answer <- err
		}
	})
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
	c, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return l, p, o, client, c.(*net.TCPConn)
}

func TestAPairFromBeginningToEnd(t *testing.T) {
	_, _, o, client, back := joined(t, []byte("a header, "))
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	go func() {
		_, _ = client.Write(sent)
		_ = client.CloseWrite()
	}()
	got, err := io.ReadAll(back)
	if want := append([]byte("a header, "), sent...); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes came, %v", len(got), err)
	}
	_, _ = io.WriteString(back, "an answer")
	_ = back.Close()
	if got, err := io.ReadAll(client); err != nil || string(got) != "an answer" {
		t.Fatalf("%q, %v", got, err)
	}
	if how := <-o.ended; how[0] != nil || how[1] != nil {
		t.Errorf("it ended with %v, %v", how[0], how[1])
	}
	if o.moved != [2]int{len("an answer"), len(sent) + len("a header, ")} {
		t.Errorf("moved %v", o.moved)
	}
}

// TestWhoeverBreaks breaks the other end, with the blame where it belongs.
func TestWhoeverBreaks(t *testing.T) {
	for _, name := range []string{"client", "backend"} {
		t.Run(name, func(t *testing.T) {
			_, _, o, broken, other := joined(t, nil)
			if name == "backend" {
				broken, other = other, broken
			}
			_ = broken.SetLinger(0)
			_ = broken.Close()
			if _, err := other.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the other end read %v", err)
			}
			how := <-o.ended
			if blamed := Judge(how[0], how[1], true); (blamed != nil) != (name == "backend") {
				t.Errorf("blamed: %v", blamed)
			}
		})
	}
}

// TestABrokenBackendIsNoEnd: the write to it is told of the break, and its
// reads then end as if all had been said.
func TestABrokenBackendIsNoEnd(t *testing.T) {
	l, p, o, client, back := joined(t, nil)
	on(l, func() {
		_ = back.SetLinger(0)
		_ = back.Close() // a reset, which the loop has not heard of
		up := &p.way[0]
		up.data, up.held = []byte("x"), 1
		p.write(0)
		if up.bad != badReceiver || !p.way[1].cut {
			t.Errorf("a write to it: %+v", up.half)
		}
	})
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client read %v, want a reset", err)
	}
	if how := <-o.ended; Judge(how[0], how[1], true) == nil {
		t.Error("nobody is blamed")
	}
}

// TestAStalledBackendHoldsNoDeadClient: it takes nothing, and the client left.
func TestAStalledBackendHoldsNoDeadClient(t *testing.T) {
	l, p, o, client, _ := joined(t, nil)
	_ = client.SetWriteDeadline(time.Now().Add(time.Hour))
	go func() {
		for {
			if _, err := client.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}()
	for full := false; !full; {
		on(l, func() { full = p.way[0].held > 0 && !p.way[0].writable })
	}
	_ = client.SetLinger(0)
	_ = client.Close()
	if how := <-o.ended; how[1] == nil || how[1].Backend {
		t.Errorf("it ended with %v, %v", how[0], how[1])
	}
}

// TestAGreedyPairGivesWay after a few pieces, whatever waits for it.
func TestAGreedyPairGivesWay(t *testing.T) {
	l, p, o, client, back := joined(t, nil)
	go func() {
		_, _ = io.Copy(io.Discard, back)
		_ = back.Close()
	}()
	on(l, func() {
		for p.way[0].readable = false; ; {
			n, err := unix.IoctlGetInt(p.fd[0], unix.TIOCINQ)
			if err != nil || n > turnMax<<10 {
				break
			}
			if _, err := client.Write(make([]byte, 1<<10)); err != nil {
				t.Error(err)
				break
			}
		}
		before := o.moved[1]
		p.way[0].readable, p.way[0].more = true, true // a short read is not the last
		again := p.settle(make([]byte, 1<<10))        // small pieces
		if n := o.moved[1] - before; !again || n != turnMax/2<<10 {
			t.Errorf("it moved %d bytes in one turn, and wants another: %v", n, again)
		}
		p.loop.queue(p)
	})
	_ = client.Close()
	<-o.ended
}

// TestLateEventsReachNobody: a place in the table is another pair's by then.
func TestLateEventsReachNobody(t *testing.T) {
	l, p, _, client, _ := joined(t, nil)
	on(l, func() {
		old := p.slot
		was := l.slots[old].generation
		if !p.End(true) || p.End(true) {
			t.Error("it ended not once")
		}
		if l.slots[old].generation == was || l.slots[old].pair != nil {
			t.Errorf("its place: %+v", l.slots[old])
		}
		p.note(0, unix.EPOLLIN)
		if p.queued {
			t.Error("a pair that is gone has something to do")
		}
	})
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client read %v", err)
	}
}

// TestConnecting: nobody listens, nobody answers, and one who does after both.
func TestConnecting(t *testing.T) {
	closed := listen(t)
	_ = closed.Close()
	refusing := closed.Addr().(*net.TCPAddr).AddrPort()
	l, o := aLoop(t), &owner{ended: make(chan [2]*Failure, 1)}
	fd, client := socket(t)
	answers := make(chan error, 1)
	var p *Pair
	connect := func(to netip.AddrPort, most time.Duration) error {
		on(l, func() {
			if err := p.Connect(to, most, func(err error) { answers <- err }); err != nil {
				answers <- err
			}
		})
		return <-answers
	}
	on(l, func() { p = l.New(fd, o) })
	var op *net.OpError
	if err := connect(refusing, 10*time.Second); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("nobody listens: %v", err)
	}
	if err := connect(silent(t), 20*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || !op.Timeout() {
		t.Errorf("nobody answers: %v", err)
	}
	server := listen(t)
	if err := connect(server.Addr().(*net.TCPAddr).AddrPort(), 10*time.Second); err != nil {
		t.Errorf("one listens: %v", err)
	}
	on(l, func() { p.End(false) })
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the client read %v", err)
	}
}

// silent is the address of a listener whose queue is full: the kernel drops what
// comes.
func silent(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	at := Local(fd)
	for range 8 {
		c, err := net.DialTimeout("tcp", at.String(), 50*time.Millisecond)
		if err != nil {
			return at
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("its queue is never full")
	return at
}

// TestASocketIsNotItsOwnBackend: the kernel may connect one to itself where
// nobody listens.
func TestASocketIsNotItsOwnBackend(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	self := Local(fd)
	_, sa := address(self)
	if err := unix.Connect(fd, sa); err != nil {
		t.Fatal(err)
	}
	l := aLoop(t)
	on(l, func() {
		if !l.itself(fd, self) {
			t.Error("a socket that is connected to itself is not found")
		}
		// Another one to the same address is no reason to look away.
		other, peer := socket(t)
		defer func() { _ = unix.Close(other) }()
		if l.itself(other, peer.LocalAddr().(*net.TCPAddr).AddrPort()) || !l.itself(fd, self) {
			t.Error("of two connections on this host, the wrong one is connected to itself")
		}
	})
}
