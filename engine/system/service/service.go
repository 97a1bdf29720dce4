// Package service is the small program that a local fleet runs as a backend: an
// HTTP, TCP or UDP service that says who it is.
//
// It is a process of its own, so that SIGKILL and SIGSTOP are the real thing.
// Its standard input is its control pipe: a line "slow 200ms" delays each
// answer, and the end of the pipe means that the fleet is gone, whatever killed
// it, and ends the service.
package service

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/cause"
)

// Options of Run.
type Options struct {
	Name    string
	Kind    spec.ServiceKind
	Address string    // address:port
	Control io.Reader // nil: none
	// Ready is called with the address once it serves; nil: nobody asks.
	Ready func(net.Addr)
}

// server is what the kinds share.
type server struct {
	name  string
	ready func(net.Addr)
	delay atomic.Int64 // nanoseconds each answer is late
	count atomic.Uint64
}

// wait delays an answer.
func (s *server) wait(ctx context.Context) {
	d := time.Duration(s.delay.Load())
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Run serves until ctx ends or the control pipe does.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &server{name: o.Name, ready: o.Ready}
	if s.ready == nil {
		s.ready = func(net.Addr) {}
	}
	if o.Control != nil {
		go func() {
			s.control(o.Control)
			cancel()
		}()
	}
	var err error
	switch o.Kind {
	case spec.ServiceTCP:
		err = s.tcp(ctx, o.Address)
	case spec.ServiceUDP:
		err = s.udp(ctx, o.Address)
	case spec.ServiceHTTP:
		err = s.http(ctx, o.Address)
	default:
		err = fmt.Errorf("service: %q is no kind; use http, tcp or udp", o.Kind)
	}
	if ctx.Err() != nil && (err == nil || errors.Is(err, net.ErrClosed)) {
		return nil
	}
	return err
}

// control obeys the lines of the control pipe until it ends. What it does not
// understand it ignores: the pipe's other end is of the same version.
func (s *server) control(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		if word == "slow" {
			if d, err := time.ParseDuration(rest); err == nil {
				s.delay.Store(int64(d))
			}
		}
	}
}

// refused says an address that cannot be had in the words that the fleet shows.
func refused(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: another process has the port", address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("cannot listen on %s: this machine does not have the address", address)
	}
	return fmt.Errorf("cannot listen on %s: %s", address, cause.Of(err, 0))
}

func (s *server) listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, refused(address, err)
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	s.ready(l.Addr())
	return l, nil
}

// tcp greets with its name and echoes what comes.
func (s *server) tcp(ctx context.Context, address string) error {
	l, err := s.listen(ctx, address)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			defer stop()
			s.count.Add(1)
			s.wait(ctx)
			if _, err := io.WriteString(c, s.name+"\n"); err == nil {
				_, _ = io.Copy(c, c)
			}
		}()
	}
}

// udp answers each datagram with its name and what came.
func (s *server) udp(ctx context.Context, address string) error {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, "udp", address)
	if err != nil {
		return refused(address, err)
	}
	context.AfterFunc(ctx, func() { _ = pc.Close() })
	s.ready(pc.LocalAddr())
	buf := make([]byte, 64<<10)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return err
		}
		s.count.Add(1)
		answer := append([]byte(s.name+" "), buf[:n]...)
		if s.delay.Load() <= 0 {
			_, _ = pc.WriteTo(answer, from)
			continue
		}
		go func() {
			s.wait(ctx)
			_, _ = pc.WriteTo(answer, from)
		}()
	}
}
