package front

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/carry"
)

// Raw accepts the connections of a TCP listener as descriptors: what would be
// told to Go's poller of each of them is never needed. It has the listening
// socket open once more, so both have to be closed.
type Raw struct {
	file   *os.File
	conn   syscall.RawConn
	closed atomic.Bool
}

// NewRaw returns a Raw for a bound TCP listener.
func NewRaw(l net.Listener) (*Raw, error) {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("front: a %T is no TCP socket", l)
	}
	fd, err := Dup(t)
	if err != nil {
		return nil, err
	}
	// What is accepted has it from here.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	r := &Raw{file: os.NewFile(uintptr(fd), "listener")} // non-blocking as the other: Go's poller watches it
	if r.conn, err = r.file.SyscallConn(); err != nil {
		_ = r.file.Close()
		return nil, err
	}
	return r, nil
}

// Accept waits for a connection. The descriptor is the caller's.
func (r *Raw) Accept() (fd int, peer netip.AddrPort, err error) {
	var failed error
	err = r.conn.Read(func(l uintptr) bool {
		var sa syscall.Sockaddr
		for {
			// Not that of x/sys, which asks for each one's protocol, too.
			fd, sa, failed = syscall.Accept4(int(l), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			switch {
			case errors.Is(failed, unix.EINTR), errors.Is(failed, unix.ECONNABORTED):
				continue // the latter is of a client that left before we came
			case errors.Is(failed, unix.EAGAIN):
				return false
			}
			break
		}
		peer = carry.AddrOf(sa)
		return true
	})
	switch {
	case err != nil && r.closed.Load():
		err = os.ErrClosed // the poller's own word for it is known to nobody
	case err == nil && failed != nil:
		err = os.NewSyscallError("accept4", failed)
	}
	return fd, peer, err
}

// Close ends the accepting.
func (r *Raw) Close() error {
	r.closed.Store(true)
	return r.file.Close()
}

// Dup opens a connection once more, as a descriptor that is the caller's. To Go
// the other one can be closed then; the connection stays.
func Dup(c syscall.Conn) (fd int, err error) {
	below, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var failed error
	if err := below.Control(func(s uintptr) { fd, failed = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return -1, err
	}
	if failed != nil {
		return -1, os.NewSyscallError("fcntl", failed)
	}
	return fd, nil
}
