package h1

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// lifeMax is how old a connection may become: a backend behind another balancer,
// or with a new certificate, is met anew now and then.
const lifeMax = 10 * time.Minute

// Options of New.
type Options struct {
	TLS     *tls.Config // nil without
	Connect time.Duration
	Idle    time.Duration // how long a connection may lie unused
	IdleMax int           // of one backend
}

// Pool keeps idle connections to backends, by address.
type Pool struct {
	options Options
	dialer  net.Dialer

	mu     sync.Mutex
	closed bool
	idle   map[string][]*conn // the newest is the last
	sweep  *time.Timer        // nil while nothing is idle
}

// New returns a Pool without connections.
func New(o Options) *Pool {
	return &Pool{options: o, dialer: net.Dialer{Timeout: o.Connect, KeepAlive: 30 * time.Second}, idle: map[string][]*conn{}}
}

// take returns the connection that has been idle for the shortest time; nil
// without one.
func (p *Pool) take(address string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.idle[address]
	if len(all) == 0 {
		return nil
	}
	c := all[len(all)-1]
	all[len(all)-1] = nil
	p.idle[address] = all[:len(all)-1]
	return c
}

// put keeps a connection for the next request.
func (p *Pool) put(c *conn) {
	c.since, c.used = time.Now(), true
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.idle[c.address]
	if p.closed || len(all) >= p.options.IdleMax || c.since.Sub(c.born) > lifeMax {
		c.end()
		return
	}
	p.idle[c.address] = append(all, c)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.options.Idle/2+time.Millisecond, p.swept)
	}
}

// swept closes what has been idle for too long, and goes on while anything is.
func (p *Pool) swept() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for address, all := range p.idle {
		old := 0
		for old < len(all) && now.Sub(all[old].since) >= p.options.Idle {
			all[old].end()
			old++
		}
		if old == len(all) {
			delete(p.idle, address)
		} else {
			p.idle[address] = append(all[:0:0], all[old:]...)
		}
	}
	if len(p.idle) == 0 {
		p.sweep = nil
		return
	}
	p.sweep.Reset(p.options.Idle/2 + time.Millisecond)
}

// Close closes what is idle, and what is in use as soon as it would be.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.sweep != nil {
		p.sweep.Stop()
	}
	for _, all := range p.idle {
		for _, c := range all {
			c.end()
		}
	}
	clear(p.idle)
}

// dial makes a new connection. first is said ahead of everything else, TLS too.
func (p *Pool) dial(ctx context.Context, address string, first []byte) (*conn, error) {
	d, err := p.dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = d.Close() })
	defer stop()
	tcp := d.(*net.TCPConn)
	if len(first) > 0 {
		if _, err := tcp.Write(first); err != nil {
			_ = tcp.Close()
			return nil, err
		}
	}
	if p.options.TLS != nil {
		config := p.options.TLS
		if config.ServerName == "" {
			config = config.Clone()
			config.ServerName, _, _ = net.SplitHostPort(address)
		}
		if d, err = dialTLS(tcp, config, p.options.Connect+time.Second); err != nil {
			_ = tcp.Close()
			return nil, err
		}
	}
	c, err := newConn(d, tcp, address)
	if err != nil {
		_ = tcp.Close()
	}
	return c, err
}

// Listens reports by a connection of its own whether anybody listens at an
// address; nil if so. Nothing is sent.
func (p *Pool) Listens(ctx context.Context, address string) error {
	c, err := p.dialer.DialContext(ctx, "tcp", address)
	if err == nil {
		_ = c.Close()
	}
	return err
}
