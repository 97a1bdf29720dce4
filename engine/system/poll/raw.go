//go:build linux && (amd64 || arm64)

package poll

import (
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of this file cannot block: their descriptors do not, and what they
// do is over when they return. So they are made as raw calls, of which the
// scheduler is not told; see the package's comment for what that spares. Memory
// is handed to the system for the length of a call only.

func failure(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

func epollCtl(epoll, op, fd int, ev *unix.EpollEvent) error {
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
	return failure(e)
}

// epollWait returns what is ready and does not wait.
func epollWait(epoll int, events []unix.EpollEvent) int {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

func timerSet(timer int, after time.Duration) {
	it := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(after))}
	_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(timer), 0, uintptr(unsafe.Pointer(&it)), 0, 0, 0)
}

// Dial makes a TCP socket that does not block and begins to connect it. Within
// one host it is connected when Dial returns; Send says whether it is. Addresses
// with a zone are not for it.
func Dial(to netip.AddrPort) (socket int, err error) {
	return dial(to, unix.SOCK_STREAM, unix.IPPROTO_TCP)
}

// DialUDP makes a UDP socket that does not block and only hears its peer, and
// what the network says of it: a refusal is an error of the next Send or Receive.
func DialUDP(to netip.AddrPort) (socket int, err error) {
	return dial(to, unix.SOCK_DGRAM, unix.IPPROTO_UDP)
}

func dial(to netip.AddrPort, kind, protocol uintptr) (socket int, err error) {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	family := uintptr(unix.AF_INET)
	if !to.Addr().Is4() {
		family = unix.AF_INET6
	}
	fd, _, e := unix.RawSyscall(unix.SYS_SOCKET, family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if e != 0 {
		return -1, e
	}
	port := to.Port()<<8 | to.Port()>>8 // the network's order; both processors of this file have the other
	if family == unix.AF_INET {
		sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: to.Addr().As4()}
		_, _, e = unix.RawSyscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&sa)), unix.SizeofSockaddrInet4)
	} else {
		sa := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: to.Addr().As16()}
		_, _, e = unix.RawSyscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&sa)), unix.SizeofSockaddrInet6)
	}
	if e != 0 && e != unix.EINPROGRESS && e != unix.EINTR {
		Close(int(fd))
		return -1, e
	}
	return int(fd), nil
}

// Send sends what the socket has room for. EAGAIN says that there is none or
// that the socket is not connected yet; with nothing to send, only the latter.
// Over UDP it sends one datagram, an empty one too, whole or not at all.
func Send(socket int, b []byte) (int, error) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(socket), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// Receive reads what is there; 0 without an error is the end, EAGAIN says that
// nothing is there yet. b is not empty. Over UDP it reads one datagram, which may
// be empty, and forgets what of it has no room in b.
func Receive(socket int, b []byte) (int, error) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(socket), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// Reset makes Close end the connection with a reset, which leaves no TIME_WAIT.
func Reset(socket int) {
	l := unix.Linger{Onoff: 1}
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(socket), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&l)), unsafe.Sizeof(l), 0)
}

// Close closes a socket that does not block.
func Close(socket int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(socket), 0, 0) }
