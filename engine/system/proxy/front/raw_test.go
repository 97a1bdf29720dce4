package front_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"golang.org/x/sys/unix"
)

// TestRawConnections come as descriptors with their peers, up to the listener's
// limit, and until it is closed.
func TestRawConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	raw, err := front.NewRaw(l)
	if err != nil {
		t.Fatal(err)
	}
	f := front1(t, &spec.Listener{Name: "l", FlowsMax: 1})
	type taken struct {
		fd   int
		peer netip.AddrPort
	}
	served := make(chan taken, 4)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.AcceptRaw(context.Background(), raw, func(fd int, peer netip.AddrPort) {
			f.Meter.FlowOpen()
			served <- taken{fd, peer}
		})
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	one := dial()
	got := <-served
	if got.peer != front.AddrOf(one.LocalAddr()) {
		t.Errorf("its peer is %s, want %s", got.peer, one.LocalAddr())
	}
	if on, err := unix.GetsockoptInt(got.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on == 0 {
		t.Errorf("small pieces to it are held back: %d, %v", on, err)
	}
	if flags, err := unix.FcntlInt(uintptr(got.fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("it would block: flags %x, %v", flags, err)
	}
	if flags, err := unix.FcntlInt(uintptr(got.fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("children would inherit it: flags %x, %v", flags, err)
	}
	if _, err := dial().Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("one over the limit got %v", err)
	}
	_ = unix.Close(got.fd)
	f.Meter.FlowClose()
	// The listener's own descriptor does not end it: a successor may have the
	// socket. Its own does, while it waits.
	_ = l.Close()
	_ = raw.Close()
	<-ended
	if _, err := net.Dial("tcp", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the socket is open still: %v", err)
	}
	if _, _, err := raw.Accept(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("accepting goes on: %v", err)
	}
}

// TestDupOutlivesTheFirst: the connection stays when Go's descriptor is closed.
func TestDupOutlivesTheFirst(t *testing.T) {
	client, server := pair(t)
	fd, err := front.Dup(server.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Close()
	if n, err := unix.Write(fd, []byte("x")); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	_ = client.SetDeadline(time.Now().Add(10 * time.Second))
	var b [1]byte
	if _, err := io.ReadFull(client, b[:]); err != nil || b[0] != 'x' {
		t.Fatalf("%q, %v", b, err)
	}
	_ = unix.Close(fd)
	if _, err := client.Read(b[:]); !errors.Is(err, io.EOF) {
		t.Errorf("then %v", err)
	}
	if _, err := front.Dup(server.(*net.TCPConn)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("of a closed one: %v", err)
	}
}
