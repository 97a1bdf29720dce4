//go:build linux

package lab

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// captureWait is how long Capture waits for each packet.
const captureWait = 5 * time.Second

// Capture returns what is in the next n UDP packets that come to a port of the host,
// as somebody on its network would see them: packet(7).
func (h *Host) Capture(port uint16, n int) (payloads [][]byte, err error) {
	var fd int
	if err := h.inside(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(binary.NativeEndian.Uint16([]byte{unix.ETH_P_IP >> 8, unix.ETH_P_IP & 0xff})))
		return err
	}); err != nil {
		return nil, fmt.Errorf("lab: capture on %s: %w", h, err)
	}
	defer unix.Close(fd)
	wait := unix.NsecToTimeval(captureWait.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return nil, fmt.Errorf("lab: capture on %s: %w", h, err)
	}
	b := make([]byte, 64<<10)
	for len(payloads) < n {
		size, from, err := unix.Recvfrom(fd, b, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("lab: capture on %s: %d of %d packets: %w", h, len(payloads), n, err)
		}
		if l, ok := from.(*unix.SockaddrLinklayer); !ok || l.Pkttype != unix.PACKET_HOST {
			continue // one that it sent
		}
		if p := udpTo(b[:size], port); p != nil {
			payloads = append(payloads, append([]byte(nil), p...))
		}
	}
	return payloads, nil
}

// udpTo is the payload of an IPv4 packet (RFC 791) with a UDP datagram (RFC 768) to a
// port; nil if it is none.
func udpTo(ip []byte, port uint16) []byte {
	if len(ip) < 20 || ip[0]>>4 != 4 || ip[9] != unix.IPPROTO_UDP {
		return nil
	}
	head := int(ip[0]&0xf) * 4
	if len(ip) < head+8 || binary.BigEndian.Uint16(ip[head+2:]) != port {
		return nil
	}
	return ip[head+8:]
}
