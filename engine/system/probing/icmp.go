package probing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/cause"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// echo is one ping socket: what it is asked, and how its answers are told from
// other people's.
type echo struct {
	conn           net.PacketConn
	to             net.Addr
	request, reply icmp.Type
	protocol       int // of icmp.ParseMessage
}

// ping sends one ICMP echo (RFC 792, RFC 4443): over a datagram socket where
// the kernel allows it to this user, over a raw one otherwise.
func (r *Runner) ping(ctx context.Context, address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return unableError{err}
	}
	to := ap.Addr().Unmap()
	e, err := open(to)
	if err != nil {
		return unableError{err}
	}
	defer func() { _ = e.conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = e.conn.SetDeadline(time.Unix(1, 0)) })()
	// What comes back is compared whole, so that no other ping's answer is taken
	// for this one's: a raw socket hears those of everybody.
	nonce := fmt.Appendf(nil, "holdfast %d %d %d", os.Getpid(), time.Now().UnixNano(), r.serial.Add(1))
	m := icmp.Message{Type: e.request, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: 1, Data: nonce}}
	b, err := m.Marshal(nil)
	if err != nil {
		return unableError{err}
	}
	if _, err := e.conn.WriteTo(b, e.to); err != nil {
		if cause.Ours(err) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			return unableError{err}
		}
		return lacking("no answer", err)
	}
	buf := make([]byte, 1500)
	for {
		n, from, err := e.conn.ReadFrom(buf)
		if err != nil {
			return lacking("no answer", err)
		}
		if pong(buf[:n], e.protocol, e.reply, nonce) && addrOf(from) == to.WithZone("") {
			return nil
		}
	}
}

// pong reports whether a packet answers the echo that carried nonce.
func pong(b []byte, protocol int, reply icmp.Type, nonce []byte) bool {
	got, err := icmp.ParseMessage(protocol, b)
	if err != nil || got.Type != reply {
		return false
	}
	body, ok := got.Body.(*icmp.Echo)
	return ok && bytes.Equal(body.Data, nonce)
}

// open opens a socket for echoes to an address.
func open(to netip.Addr) (echo, error) {
	datagram, raw := "udp4", "ip4:icmp"
	e := echo{request: ipv4.ICMPTypeEcho, reply: ipv4.ICMPTypeEchoReply, protocol: 1}
	if to.Is6() {
		datagram, raw = "udp6", "ip6:ipv6-icmp"
		e.request, e.reply, e.protocol = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, 58
	}
	c, err := icmp.ListenPacket(datagram, "")
	if err == nil {
		e.conn, e.to = c, &net.UDPAddr{IP: to.AsSlice(), Zone: to.Zone()}
		return e, nil
	}
	c, second := icmp.ListenPacket(raw, "")
	if second == nil {
		e.conn, e.to = c, &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}
		return e, nil
	}
	if errors.Is(second, os.ErrPermission) {
		return e, errors.New("ICMP is not allowed; widen net.ipv4.ping_group_range or grant CAP_NET_RAW")
	}
	return e, second
}

func addrOf(a net.Addr) netip.Addr {
	var ip net.IP
	switch a := a.(type) {
	case *net.UDPAddr:
		ip = a.IP
	case *net.IPAddr:
		ip = a.IP
	}
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}
