package probing

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/cause"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
)

// Bounds of a host's probing.
const (
	// slotsMax bounds the probes of a host that are under way: sockets, threads of
	// programs, memory. A host of a thousand backends whose probes all time out
	// needs this many.
	slotsMax = 1024
	// slotWait is how long a probe waits for a slot. It is well below the grace
	// that probe gives a late answer, so that a host without room says so before
	// the target is blamed.
	slotWait = 500 * time.Millisecond
)

// Runner carries out the probes of one host.
type Runner struct {
	poll   *poll.Poll // nil: every probe has a goroutine
	slots  chan struct{}
	serial atomic.Uint64 // of echo requests

	mu    sync.Mutex
	roots map[string]roots // by file; as many as the spec names
}

// New returns a Runner. Files that probes name have their whole names
// (spec.ParseIn). p may be nil.
func New(p *poll.Poll) *Runner { return withSlots(p, slotsMax) }

func withSlots(p *poll.Poll, slots int) *Runner {
	return &Runner{poll: p, slots: make(chan struct{}, slots), roots: map[string]roots{}}
}

// Start carries out one probe as Run does, and tells done. It does not wait. done
// is called once, on whichever goroutine; it may be this one.
func (r *Runner) Start(ctx context.Context, l probe.Launch, done func(probe.Outcome)) {
	if !r.ask(ctx, l, done) {
		go func() { done(r.Run(ctx, l)) }()
	}
}

// Run carries out one probe. It takes at most slotWait and the probe's time-out,
// and ends at once with ctx.
func (r *Runner) Run(ctx context.Context, l probe.Launch) probe.Outcome {
	if err := r.enter(ctx); err != nil {
		return probe.Outcome{Verdict: probe.Unable, Reason: cause.Printable(err.Error())}
	}
	defer func() { <-r.slots }()
	timeout := l.Probe.Timeout.D()
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	warning, err := r.check(within, l)
	return outcome(ctx, began, timeout, warning, err)
}

// outcome makes an outcome of what a probe that began then came to.
func outcome(ctx context.Context, began time.Time, timeout time.Duration, warning string, err error) probe.Outcome {
	out := probe.Outcome{Verdict: probe.Pass, Latency: time.Since(began), Warning: warning}
	var unable unableError
	switch {
	case err == nil:
		return out
	case ctx.Err() != nil: // its end was ours
		out.Verdict, out.Reason = probe.Unable, cause.Of(context.Canceled, 0)
	case errors.As(err, &unable):
		out.Verdict, out.Reason = probe.Unable, cause.Printable(unable.Error())
	default:
		out.Verdict, out.Reason = probe.Fail, words(err, timeout)
	}
	return out
}

// enter takes a slot.
func (r *Runner) enter(ctx context.Context) error {
	select {
	case r.slots <- struct{}{}:
		return nil
	default:
	}
	t := time.NewTimer(slotWait)
	defer t.Stop()
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errors.New(cause.Of(context.Canceled, 0))
	case <-t.C:
		return fmt.Errorf("%d probes are under way; fewer targets or longer intervals would make room", cap(r.slots))
	}
}

func (r *Runner) check(ctx context.Context, l probe.Launch) (warning string, err error) {
	switch l.Probe.Kind {
	case spec.ProbeTCP:
		c, end, err := dial(ctx, "tcp", l.Address)
		if err != nil {
			return "", err
		}
		reset(c)
		end()
		return "", nil
	case spec.ProbeHTTP, spec.ProbeHTTPS:
		return r.web(ctx, l)
	case spec.ProbeUDP:
		return "", udp(ctx, l)
	case spec.ProbeICMP:
		return "", r.ping(ctx, l.Address)
	case spec.ProbeExec:
		return "", r.program(ctx, l)
	}
	return "", unableError{fmt.Errorf("no way to carry out a %s probe", l.Probe.Kind)}
}

// unableError says that this host could not probe: it says nothing of the
// target.
type unableError struct{ error }

func (e unableError) Unwrap() error { return e.error }

// lateError is what a probe had not seen of its target yet when something ended
// it: "no connection", "no TLS handshake", "no answer", "no end of the body".
type lateError struct {
	lacks string
	error
}

func (e lateError) Unwrap() error { return e.error }

// lacking notes what was being waited for.
func lacking(what string, err error) error {
	if err == nil {
		return nil
	}
	return lateError{what, err}
}

// words says an error for people. A time-out says what did not come in time.
func words(err error, timeout time.Duration) string {
	var late lateError
	var net net.Error
	if errors.As(err, &late) && (errors.Is(err, context.DeadlineExceeded) || errors.As(err, &net) && net.Timeout()) {
		return fmt.Sprintf("%s within %s", late.lacks, timeout)
	}
	return cause.Of(err, timeout)
}

var dialer = net.Dialer{KeepAlive: -1}

// dial connects. All waits of the connection end with ctx; end closes it.
func dial(ctx context.Context, network, address string) (c net.Conn, end func(), err error) {
	c, err = dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, nil, unsent("no connection", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	return c, func() { stop(); _ = c.Close() }, nil
}

// unsent says whose fault it is that there is no connection, or that nothing can
// be sent over it.
func unsent(lacks string, err error) error {
	if cause.Ours(err) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) { // the last two are this host's own filter
		return unableError{err}
	}
	return lacking(lacks, err)
}

// reset makes Close send a reset instead of leaving the connection in
// TIME_WAIT: a probe every half second to hundreds of targets would fill the
// table of ports.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
}
