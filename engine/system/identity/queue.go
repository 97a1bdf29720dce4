package identity

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
)

// Queue is a net.Listener of the connections of one protocol, for servers that
// want to accept by themselves, such as an HTTP server.
type Queue struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

// NewQueue returns a queue. addr is what its Addr says.
func NewQueue(addr net.Addr) *Queue {
	return &Queue{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// Serve is a Protocol's Serve: it hands the connection to who accepts, and
// returns when that has closed it.
func (q *Queue) Serve(ctx context.Context, conn *tls.Conn, _ Peer) {
	closed := make(chan struct{})
	c := &queued{Conn: conn, closed: closed}
	select {
	case q.conns <- c:
	case <-q.done:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-closed:
	case <-ctx.Done():
	}
}

// queued says when it is closed.
type queued struct {
	*tls.Conn
	once   sync.Once
	closed chan struct{}
}

// Close implements net.Conn.
func (c *queued) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.closed) })
	return err
}

// Accept implements net.Listener.
func (q *Queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *Queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr implements net.Listener.
func (q *Queue) Addr() net.Addr { return q.addr }
