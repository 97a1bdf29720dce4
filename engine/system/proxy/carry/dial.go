package carry

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errTimeout is a net.Error that says so.
var errTimeout = os.ErrDeadlineExceeded

// dialError dresses an error as the net package does: those who read it know
// from it that nothing was sent.
func dialError(to netip.AddrPort, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
}

// keepIdle and keepEvery find a backend that went away in silence, on flows
// that are silent too: after about three minutes.
const (
	keepIdle  = 30
	keepEvery = 15
)

// keepAlive has the kernel ask now and then whether a backend is still there.
func keepAlive(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepIdle)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepEvery)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
}

// oneSegment is how much surely goes in one segment: by IPv6's least MTU, and
// nobody's is smaller today.
const oneSegment = 1180

// dial begins to connect.
func dial(to netip.AddrPort) (fd int, err error) {
	family, sa := address(to)
	if fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	for {
		switch err = unix.Connect(fd, sa); err {
		case nil, unix.EINPROGRESS, unix.EALREADY:
			return fd, nil
		case unix.EINTR:
			return fd, nil // it goes on by itself
		default:
			_ = unix.Close(fd)
			return -1, os.NewSyscallError("connect", err)
		}
	}
}

// dialed says how the connecting ended of which the kernel reported an error.
func dialed(fd int) error {
	e, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return os.NewSyscallError("getsockopt", err)
	case e != 0:
		return os.NewSyscallError("connect", unix.Errno(e))
	}
	return nil
}

// errSelf means that a socket was connected to itself: the backend's port is
// among those that the kernel gives to clients, and nobody listens there.
var errSelf = os.NewSyscallError("connect", unix.ECONNREFUSED)

// itself reports whether a socket was connected to itself. That can only be where
// the backend's address is this host's: of one that was found to be another's,
// it is not asked again for a while.
func (l *Loop) itself(fd int, to netip.AddrPort) bool {
	if to.Port() < firstOfClients() {
		return false
	}
	if until, ok := l.foreign[to.Addr()]; ok && l.Now() < until {
		return false
	}
	local := Local(fd)
	if local.IsValid() && local.Addr() != to.Addr().Unmap() {
		if len(l.foreign) >= foreignMost {
			clear(l.foreign)
		}
		l.foreign[to.Addr()] = l.Now() + foreignFor
	}
	return local == to
}

const (
	// foreignFor is how long an address counts as another host's: one may move
	// here, and then it takes the kernel's choice of that very port besides.
	foreignFor = 10 * time.Second
	// foreignMost bounds how many are remembered; more backends than that on one
	// loop only cost a call each.
	foreignMost = 1024
)

// firstOfClients is the least port that the kernel gives to clients; 0 where
// that is not known.
var firstOfClients = sync.OnceValue(func() uint16 {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0
	}
	first, _, _ := bytes.Cut(b, []byte("\t"))
	n, err := strconv.ParseUint(string(bytes.TrimSpace(first)), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
})

// address is an address as the kernel takes it.
func address(a netip.AddrPort) (family int, sa unix.Sockaddr) {
	ip := a.Addr().Unmap()
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}
	}
	s := &unix.SockaddrInet6{Port: int(a.Port()), Addr: ip.As16()}
	if zone, err := net.InterfaceByName(ip.Zone()); ip.Zone() != "" && err == nil {
		s.ZoneId = uint32(zone.Index)
	}
	return unix.AF_INET6, s
}

// Local is a socket's own address.
func Local(fd int) netip.AddrPort {
	sa, err := syscall.Getsockname(fd) // that of x/sys asks for the protocol, too
	if err != nil {
		return netip.AddrPort{}
	}
	return AddrOf(sa)
}

// AddrOf is an address as the kernel gives it.
func AddrOf(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
