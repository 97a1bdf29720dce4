// Package probing carries out single probes: it connects, asks, and says what it
// found in words. What follows from that is probe's business.
//
// Every probe uses a connection of its own, because that is what a new user
// meets.
package probing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Run carries out one probe. It takes at most the probe's time-out.
func Run(ctx context.Context, l probe.Launch) probe.Outcome {
	ctx, cancel := context.WithTimeout(ctx, l.Probe.Timeout.D())
	defer cancel()
	began := time.Now()
	warning, err := check(ctx, l)
	took := time.Since(began)
	switch {
	case err == nil:
		return probe.Outcome{Verdict: probe.Pass, Latency: took, Warning: warning}
	case errors.As(err, new(unableError)):
		return probe.Outcome{Verdict: probe.Unable, Latency: took, Reason: err.Error()}
	}
	return probe.Outcome{Verdict: probe.Fail, Latency: took, Reason: words(ctx, err, l.Probe.Timeout.D())}
}

func check(ctx context.Context, l probe.Launch) (warning string, err error) {
	switch l.Probe.Kind {
	case spec.ProbeTCP:
		c, err := dial(ctx, "tcp", l.Address)
		if err != nil {
			return "", err
		}
		reset(c)
		return "", c.Close()
	case spec.ProbeHTTP, spec.ProbeHTTPS:
		return web(ctx, l)
	case spec.ProbeUDP:
		return "", udp(ctx, l)
	case spec.ProbeICMP:
		return "", ping(ctx, l.Address)
	case spec.ProbeExec:
		return "", run(ctx, l)
	}
	return "", unableError{fmt.Errorf("no way to carry out a %s probe", l.Probe.Kind)}
}

// unableError says that this host could not probe: it says nothing of the
// target.
type unableError struct{ error }

func (e unableError) Unwrap() error { return e.error }

var dialer = net.Dialer{KeepAlive: -1}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		for _, mine := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
			if errors.Is(err, mine) {
				return nil, unableError{err}
			}
		}
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	return c, nil
}

// reset makes Close send a reset instead of leaving the connection in
// TIME_WAIT: a probe every half second to hundreds of targets would fill the
// table of ports.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
}

// words says an error for people.
func words(ctx context.Context, err error, timeout time.Duration) string {
	var ne net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout(), ctx.Err() != nil:
		return fmt.Sprintf("no answer within %s", timeout)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH):
		return "host unreachable"
	case errors.Is(err, syscall.ENETUNREACH):
		return "network unreachable"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without an answer"
	case errors.Is(err, os.ErrPermission):
		return "not permitted"
	}
	s := err.Error()
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.ToValidUTF8(s, "?")
}
