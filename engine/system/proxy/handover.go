package proxy

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
)

// Socket is a bound listening socket, for the process that comes after this one.
type Socket struct {
	Network string // tcp or udp
	Address string // address:port, as the table says it
	File    *os.File
}

// Sockets returns the listening sockets once more: whoever has them goes on with the
// connections that wait in them. They are the caller's to close.
func (p *Proxy) Sockets() ([]Socket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Socket
	for _, b := range p.bound {
		var err error
		s := Socket{Network: "tcp", Address: b.address}
		if b.datagram != nil {
			s.Network = "udp"
			s.File, err = fileOf(b.datagram, b.address)
		} else if t, ok := b.listener.(*net.TCPListener); ok {
			s.File, err = fileOf(t, b.address)
		} else {
			err = fmt.Errorf("a %T is no TCP socket", b.listener)
		}
		if err != nil {
			for _, x := range all {
				_ = x.File.Close()
			}
			return nil, fmt.Errorf("proxy: hand over %s: %w", b.address, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// fileOf opens a socket once more. It is not the connection's own File: whoever
// asks that for its descriptor, as os/exec does, makes the socket block for every
// process that has it, and an accept that blocks cannot be ended.
func fileOf(c syscall.Conn, name string) (*os.File, error) {
	fd, err := front.Dup(c)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Leave takes no new connections any more: somebody else has the sockets. Flows
// that are open go on to their end: HTTP closes each connection behind its next
// answer, and of UDP the answers that are under way still come.
func (p *Proxy) Leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, b := range p.bound {
		p.left = append(p.left, b.front.Meter)
		b.leave()
		p.ends = append(p.ends, b.end)
		delete(p.bound, name)
	}
}

// Active is how many connections and flows are open that Leave left.
func (p *Proxy) Active() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var n int64
	for _, m := range p.left {
		n += m.Active()
	}
	return n
}

// inherit returns the socket of the process before this one; nil if there is none.
func (p *Proxy) inherit(network, address string) *os.File {
	if p.options.Inherit == nil {
		return nil
	}
	return p.options.Inherit(network, address)
}

// listenUDP returns a socket for datagrams.
func (p *Proxy) listenUDP(address string) (*net.UDPConn, error) {
	if f := p.inherit("udp", address); f != nil {
		defer func() { _ = f.Close() }()
		c, err := net.FilePacketConn(f)
		if err != nil {
			return nil, err
		}
		if u, ok := c.(*net.UDPConn); ok {
			return u, nil
		}
		return nil, fmt.Errorf("proxy: the socket handed over for %s is a %T", address, c)
	}
	c, err := listenConfig.ListenPacket(p.ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}
