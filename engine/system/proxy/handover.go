package proxy

import (
	"fmt"
	"net"
	"os"
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
			s.File, err = b.datagram.File()
		} else if t, ok := b.listener.(*net.TCPListener); ok {
			s.File, err = t.File()
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

// Leave takes no new connections any more: somebody else has the sockets. Flows of
// TCP go on to their end. Those of UDP end here, as their datagrams come to the
// other one from now on.
func (p *Proxy) Leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, b := range p.bound {
		p.left = append(p.left, b.front.Meter)
		p.release(name, b)
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
