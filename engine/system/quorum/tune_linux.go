package quorum

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unheardMax is how long the kernel sends again what nobody acknowledges. The
// kernel's own patience grows: after a cut of ten seconds it would wait for as long
// again before it tries, and a new connection is made at once.
const unheardMax = 2 * time.Second

// tune sets a connection's options. What cannot be set costs time later and nothing
// else.
func tune(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	_ = t.SetKeepAliveConfig(keepAlive)
	if raw, err := t.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unheardMax.Milliseconds()))
		})
	}
}
