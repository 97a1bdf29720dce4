//go:build linux

package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// inside runs do on a thread that stands in the host's namespace. What do opens
// stays there: a socket or a device belongs to the namespace of the thread that
// made it, wherever it is used later. So the lab itself can be a client or a
// server on a host, without a process for each.
func (h *Host) inside(do func() error) error {
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: %w", err)
	}
	defer own.Close()
	there, err := os.Open(filepath.Join("/run/netns", prefix+h.Name))
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: %s: %w", h.Name, err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: enter %s: %w", h.Name, err)
	}
	err = do()
	if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back != nil {
		// The thread is lost to this namespace; it stays locked, and ends with its
		// goroutine.
		return fmt.Errorf("lab: leave %s: %w", h.Name, back)
	}
	runtime.UnlockOSThread()
	return err
}

// Dial connects from the host to an address that is written in numbers: looking
// up a name would happen elsewhere.
func (h *Host) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = h.inside(func() error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen takes TCP connections on the host.
func (h *Host) Listen(address string) (l net.Listener, err error) {
	err = h.inside(func() error {
		l, err = net.Listen("tcp", address)
		return err
	})
	return l, err
}

// ListenPacket takes UDP packets on the host.
func (h *Host) ListenPacket(address string) (conn net.PacketConn, err error) {
	err = h.inside(func() error {
		conn, err = net.ListenPacket("udp4", address)
		return err
	})
	return conn, err
}
