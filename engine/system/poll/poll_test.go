package poll_test

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/poll"
)

func start(t *testing.T) *poll.Poll {
	t.Helper()
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
	return p
}

// Alarms ring in the order of their times, none early, whatever order they were
// set in and from wherever; one that was taken back does not.
func TestAlarms(t *testing.T) {
	p := start(t)
	rang := make(chan int, 8)
	began := time.Now()
	at := func(i int) time.Time { return began.Add(time.Duration(i) * 20 * time.Millisecond) }
	ring := func(i int) func() {
		return func() {
			if time.Now().Before(at(i)) {
				t.Errorf("alarm %d rang early", i)
			}
			rang <- i
		}
	}
	for _, i := range []int{5, 2, 4} {
		p.NewAlarm(ring(i)).Set(at(i))
	}
	never := p.NewAlarm(func() { t.Error("an alarm that was taken back rang") })
	never.Set(at(3))
	never.Stop()
	never.Stop()
	moved := p.NewAlarm(ring(3))
	moved.Set(at(1000))
	moved.Set(at(3))
	// One that an alarm sets.
	p.NewAlarm(func() { p.NewAlarm(ring(6)).Set(at(6)); ring(1)() }).Set(at(1))
	for want := 1; want <= 6; want++ {
		if got := <-rang; got != want {
			t.Fatalf("alarm %d rang, want %d", got, want)
		}
	}
}

// An alarm for a time that is over rings at once.
func TestAlarmInThePast(t *testing.T) {
	rang := make(chan struct{})
	start(t).NewAlarm(func() { close(rang) }).Set(time.Now().Add(-time.Hour))
	<-rang
}

// A socket is dialled, sent to and read; each arrival calls its handler.
func TestSocket(t *testing.T) {
	for _, address := range []string{"127.34.6.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Log(err) // a system without IPv6
			continue
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }()
			buf := make([]byte, 16)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				_, _ = c.Write(buf[:n])
			}
		}()
		p := start(t)
		s, err := poll.Dial(netip.MustParseAddrPort(l.Addr().String()))
		if err != nil {
			t.Fatal(err)
		}
		ready := make(chan struct{}, 64)
		if err := p.Watch(s, true, func() { ready <- struct{}{} }); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"one", "two"} {
			for {
				n, err := poll.Send(s, []byte(text))
				if n == len(text) {
					break
				}
				if !errors.Is(err, syscall.EAGAIN) {
					t.Fatal(n, err)
				}
				<-ready
			}
			buf := make([]byte, 16)
			for {
				n, err := poll.Receive(s, buf)
				if err == nil {
					if string(buf[:n]) != text {
						t.Errorf("got %q, want %q", buf[:n], text)
					}
					break
				}
				if !errors.Is(err, syscall.EAGAIN) {
					t.Fatal(err)
				}
				<-ready
			}
		}
		p.Forget(s)
		poll.Reset(s)
		poll.Close(s)
		_ = l.Close()
	}
}

// A datagram is sent whole, empty or not, and read once, cut to its room; nobody
// there is an error as soon as it is known.
func TestDatagrams(t *testing.T) {
	for _, address := range []string{"127.34.6.3:0", "[::1]:0"} {
		c, err := net.ListenPacket("udp", address)
		if err != nil {
			t.Log(err) // a system without IPv6
			continue
		}
		p := start(t)
		s, err := poll.DialUDP(netip.MustParseAddrPort(c.LocalAddr().String()))
		if err != nil {
			t.Fatal(err)
		}
		ready := make(chan struct{}, 64)
		if err := p.Watch(s, false, func() { ready <- struct{}{} }); err != nil {
			t.Fatal(err)
		}
		receive := func(b []byte) (int, error) {
			for {
				n, err := poll.Receive(s, b)
				if !errors.Is(err, syscall.EAGAIN) {
					return n, err
				}
				<-ready
			}
		}
		buf := make([]byte, 16)
		for _, text := range []string{"one", "", "a datagram that has no room"} {
			if n, err := poll.Send(s, []byte(text)); n != len(text) || err != nil {
				t.Fatal(n, err)
			}
			whole := make([]byte, 64)
			n, from, err := c.ReadFrom(whole)
			if err != nil || string(whole[:n]) != text {
				t.Fatalf("%q arrived, want %q; %v", whole[:n], text, err)
			}
			if _, err := c.WriteTo(whole[:n], from); err != nil {
				t.Fatal(err)
			}
			if n, err = receive(buf); err != nil || string(buf[:n]) != text[:min(len(text), len(buf))] {
				t.Errorf("got %q, %v; want %q", buf[:n], err, text)
			}
		}
		_ = c.Close()
		if _, err := poll.Send(s, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := receive(buf); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody there is %v", err)
		}
		p.Forget(s)
		poll.Close(s)
	}
}

// Nobody there is an error of Dial or of Send, as soon as it is known.
func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.34.6.2:0")
	if err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddrPort(l.Addr().String())
	_ = l.Close()
	s, err := poll.Dial(address)
	if err == nil {
		_, err = poll.Send(s, nil)
		poll.Close(s)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		if _, none := poll.New(); none == nil {
			t.Errorf("got %v", err)
		}
	}
}

// A Poll that ends rings what is set, and is no use after that.
func TestEnd(t *testing.T) {
	p, err := poll.New()
	if err != nil {
		t.Skip(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Run() }()
	rang := make(chan struct{}, 2)
	a := p.NewAlarm(func() { rang <- struct{}{} })
	a.Set(time.Now().Add(time.Hour))
	p.Close()
	<-rang
	if err := <-ended; err != nil {
		t.Error(err)
	}
	a.Set(time.Now())
	if len(rang) > 0 {
		t.Error("an alarm of a Poll that ended rang again")
	}
	if err := p.Watch(0, false, func() {}); !errors.Is(err, poll.ErrEnded) {
		t.Errorf("it still watches: %v", err)
	}
}
