package sshd

import (
	"context"
	"sync"
	"time"

	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"
)

const (
	// channelsMax is how many sessions one connection may have.
	channelsMax = 10
	// beginWithin is how long a channel may stand open without asking for
	// anything.
	beginWithin = 15 * time.Second
)

// channelContext is the context of one channel: it ends when the channel does.
// The library's own one ends with the connection, which may live on for hours
// when a client shares it.
type channelContext struct {
	ssh.Context
	inner context.Context

	mu     sync.Mutex
	values map[any]any
}

// Deadline, Done and Err implement context.Context.
func (c *channelContext) Deadline() (time.Time, bool) { return c.inner.Deadline() }

// Done implements context.Context.
func (c *channelContext) Done() <-chan struct{} { return c.inner.Done() }

// Err implements context.Context.
func (c *channelContext) Err() error { return c.inner.Err() }

// Value implements context.Context.
func (c *channelContext) Value(key any) any {
	c.mu.Lock()
	v, ok := c.values[key]
	c.mu.Unlock()
	if ok {
		return v
	}
	return c.inner.Value(key)
}

// SetValue implements ssh.Context: what is said of one channel does not hold for
// its neighbours.
func (c *channelContext) SetValue(key, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[key] = value
}

// channel serves one channel until it is closed.
func (s *Server) channel(srv *ssh.Server, sc *gossh.ServerConn, ch gossh.NewChannel, ctx ssh.Context) {
	c := connOf(ctx)
	if c == nil || !c.addChannel() {
		_ = ch.Reject(gossh.ResourceShortage, "too many sessions on this connection")
		return
	}
	defer c.removeChannel()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	ssh.DefaultSessionHandler(srv, sc, &filteredChannel{NewChannel: ch, ended: inner.Done()}, &channelContext{Context: ctx, inner: inner, values: map[any]any{}})
}

// filteredChannel is a channel whose requests go through a filter.
type filteredChannel struct {
	gossh.NewChannel
	ended <-chan struct{}
}

// Accept implements gossh.NewChannel.
func (f *filteredChannel) Accept() (gossh.Channel, <-chan *gossh.Request, error) {
	ch, in, err := f.NewChannel.Accept()
	if err != nil {
		return ch, in, err
	}
	out := make(chan *gossh.Request)
	go func() {
		defer close(out)
		rules := &filter{}
		late := time.AfterFunc(beginWithin, func() {
			if !rules.begun() {
				_ = ch.Close()
			}
		})
		defer late.Stop()
		for r := range in {
			if !rules.passes(r.Type, r.Payload) {
				if r.WantReply {
					_ = r.Reply(false, nil)
				}
				continue
			}
			select {
			case out <- r:
			case <-f.ended:
			}
		}
	}()
	return ch, out, nil
}
