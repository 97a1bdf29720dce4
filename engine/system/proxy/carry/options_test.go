package carry

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOptionsAreSetWhenTheyMatter: a short flow asks for none; the second piece
// to the backend, or a long one, is not held back, and a flow that lasts has the
// kernel ask after its backend, also when that came later.
func TestOptionsAreSetWhenTheyMatter(t *testing.T) {
	option := func(l *Loop, p *Pair, level, name int) (on1 bool) {
		on(l, func() {
			v, err := unix.GetsockoptInt(p.fd[backend], level, name)
			if err != nil {
				t.Error(err)
			}
			on1 = v != 0
		})
		return on1
	}
	prompt := func(l *Loop, p *Pair) bool { return option(l, p, unix.IPPROTO_TCP, unix.TCP_NODELAY) }
	pass := func(from, to net.Conn, n int) {
		t.Helper()
		if _, err := from.Write(bytes.Repeat([]byte("x"), n)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(to, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	l, p, _, client, back := joined(t, nil)
	pass(client, back, oneSegment)
	if prompt(l, p) {
		t.Error("one short piece cost a call")
	}
	pass(client, back, 1)
	if !prompt(l, p) {
		t.Error("a second piece may be held back")
	}
	if option(l, p, unix.SOL_SOCKET, unix.SO_KEEPALIVE) {
		t.Error("the kernel asks after a backend of a flow that has just begun")
	}
	on(l, p.KeepAlive)
	if !option(l, p, unix.SOL_SOCKET, unix.SO_KEEPALIVE) {
		t.Error("the kernel does not ask after the backend")
	}

	l, p, _, client, back = joined(t, nil)
	pass(client, back, oneSegment+1)
	if !prompt(l, p) {
		t.Error("the end of a long piece may be held back")
	}

	// Of a flow that waits for its backend.
	fd, _ := socket(t)
	server := listen(t)
	answer := make(chan error, 1)
	on(l, func() {
		p = l.New(fd, &owner{ended: make(chan [2]*Failure, 1)})
		p.KeepAlive()
		if err := p.Connect(server.Addr().(*net.TCPAddr).AddrPort(), time.Minute, func(err error) { answer <- errors.Join(err, p.Begin(nil)) }); err != nil {
			answer <- err
		}
	})
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
	if !option(l, p, unix.SOL_SOCKET, unix.SO_KEEPALIVE) {
		t.Error("the kernel does not ask after a backend that came later")
	}
	on(l, func() { p.End(false) })
}
