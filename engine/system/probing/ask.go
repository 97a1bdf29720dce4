package probing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/plain"
	"github.com/holdfast-edge/holdfast/engine/system/poll"
)

// ask is a probe that a Poll carries out: TCP, UDP, and HTTP whose answer is as
// plain as nearly all are. It connects and sends where it is started, which
// nearby is over at once, and waits once, for the answer. An answer of HTTP that
// takes more than one look goes on as web does it, on a goroutine.
type ask struct {
	runner *Runner
	ctx    context.Context
	launch probe.Launch
	done   func(probe.Outcome)
	began  time.Time
	until  time.Time // it waits for an answer
	late   *poll.Alarm
	stop   func() bool // of the ctx's end

	mu      sync.Mutex
	socket  int
	pending bool   // there is something to send, or to connect
	send    []byte // what is left of the request
	lacks   string // what did not come yet
	over    bool
}

// ask starts a probe on the Poll; false: it is none for that.
func (r *Runner) ask(ctx context.Context, l probe.Launch, done func(probe.Outcome)) bool {
	if r.poll == nil {
		return false
	}
	switch l.Probe.Kind {
	case spec.ProbeTCP, spec.ProbeUDP:
	case spec.ProbeHTTP:
		if l.Probe.HTTP.Body != "" {
			return false // it may take any number of looks to find a text
		}
	case spec.ProbeHTTPS, spec.ProbeICMP, spec.ProbeExec:
		return false
	}
	to, err := netip.ParseAddrPort(l.Address)
	if err != nil || to.Addr().Zone() != "" || ctx.Err() != nil {
		return false // a name takes asking, and that takes time
	}
	select {
	case r.slots <- struct{}{}:
	default:
		return false // Run waits for a slot
	}
	a := &ask{runner: r, ctx: ctx, launch: l, done: done, began: time.Now(), pending: true, lacks: "no connection"}
	a.late = r.poll.NewAlarm(a.expired)
	if o, over := a.begin(to); over {
		a.tell(o)
	}
	return true
}

// begin connects and sends.
func (a *ask) begin(to netip.AddrPort) (o probe.Outcome, over bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, wait, dial := a.launch.Probe, a.launch.Probe.Timeout.D(), poll.Dial
	if p.Kind == spec.ProbeUDP {
		dial = poll.DialUDP
	}
	socket, err := dial(to)
	if err != nil {
		a.over = true
		return a.outcome(unsent(a.lacks, err)), true
	}
	a.socket = socket
	if p.Kind == spec.ProbeUDP {
		a.send, a.lacks = []byte(p.UDP.Request), "no answer"
		wait, _ = patience(p)
	} else {
		poll.Reset(socket)
	}
	if p.Kind == spec.ProbeHTTP {
		name := p.HTTP.Host
		if name == "" {
			name = a.launch.Address
		}
		a.send = request(p.HTTP, name)
	}
	a.until = a.began.Add(wait)
	// The end of ctx ends the probe whatever it waits for.
	a.stop = context.AfterFunc(a.ctx, func() { a.finish(context.Canceled) })
	if o, over := a.advance(); over {
		return o, true
	}
	a.late.Set(a.until)
	if err := a.runner.poll.Watch(socket, a.pending, a.ready); err != nil {
		return a.close(unableError{err}), true
	}
	return o, false
}

// advance sends what is to be sent. It is over when there is nothing to wait for
// any more. The caller holds the lock.
func (a *ask) advance() (o probe.Outcome, over bool) {
	n, err := poll.Send(a.socket, a.send)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return o, false
	case err != nil:
		return a.close(unsent(a.lacks, err)), true
	case a.launch.Probe.Kind == spec.ProbeTCP:
		return a.close(nil), true
	}
	a.lacks, a.send = "no answer", a.send[n:]
	a.pending = len(a.send) > 0
	return o, false
}

// ready is called when the socket is.
func (a *ask) ready() {
	a.mu.Lock()
	if a.over {
		a.mu.Unlock()
		return
	}
	if a.pending {
		if o, over := a.advance(); over {
			a.mu.Unlock()
			a.tell(o)
			return
		}
	}
	if a.pending {
		a.mu.Unlock()
		return
	}
	o, over := a.receive()
	a.mu.Unlock()
	if over {
		a.tell(o)
	}
}

// receive takes the answer. The caller holds the lock.
func (a *ask) receive() (o probe.Outcome, over bool) {
	var buf [lookMax]byte
	n, err := poll.Receive(a.socket, buf[:])
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return o, false
	case err != nil:
		return a.close(lacking("no answer", err)), true
	case a.launch.Probe.Kind == spec.ProbeUDP:
		return a.close(datagramError(buf[:min(n, datagramMax)], a.launch.Probe.UDP)), true
	case n == 0:
		return a.close(answer(bytes.NewReader(nil), a.launch.Probe.HTTP)), true
	}
	if head, ok := plain.Read(buf[:n]); ok {
		return a.close(statusError(head.Status, a.launch.Probe.HTTP.Status)), true
	}
	a.handOver(bytes.Clone(buf[:n]))
	return o, false
}

// lookMax is how much of an answer is looked at in one go: any usual head.
const lookMax = 4096

// handOver gives the connection and what came over it to a goroutine. The caller
// holds the lock.
func (a *ask) handOver(first []byte) {
	a.over = true
	a.late.Stop()
	a.stop()
	a.runner.poll.Release(a.socket)
	f := os.NewFile(uintptr(a.socket), "probe")
	go func() {
		c, err := net.FileConn(f)
		_ = f.Close()
		if err == nil {
			stop := context.AfterFunc(a.ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
			_ = c.SetDeadline(a.began.Add(a.launch.Probe.Timeout.D()))
			err = answer(io.MultiReader(bytes.NewReader(first), c), a.launch.Probe.HTTP)
			stop()
			_ = c.Close()
		} else {
			err = unableError{err}
		}
		a.tell(a.outcome(err))
	}()
}

// expired is called when no answer came in time, and at the end of the Poll.
func (a *ask) expired() {
	a.mu.Lock()
	var err error = lateError{a.lacks, context.DeadlineExceeded}
	p, pending := a.launch.Probe, a.pending
	a.mu.Unlock()
	switch {
	case time.Now().Before(a.until):
		err = unableError{poll.ErrEnded}
	case p.Kind == spec.ProbeUDP && !pending:
		if _, silence := patience(p); silence {
			err = nil
		}
	}
	a.finish(err)
}

// finish ends the probe unless it is over.
func (a *ask) finish(err error) {
	a.mu.Lock()
	if a.over {
		a.mu.Unlock()
		return
	}
	o := a.close(err)
	a.mu.Unlock()
	a.tell(o)
}

// close ends the connection. The caller holds the lock.
func (a *ask) close(err error) probe.Outcome {
	a.over = true
	o := a.outcome(err)
	a.late.Stop()
	a.stop()
	a.runner.poll.Forget(a.socket)
	poll.Close(a.socket)
	return o
}

func (a *ask) outcome(err error) probe.Outcome {
	return outcome(a.ctx, a.began, a.launch.Probe.Timeout.D(), "", err)
}

// tell tells the outcome. The caller does not hold the lock.
func (a *ask) tell(o probe.Outcome) {
	<-a.runner.slots
	a.done(o)
}

// statusError judges a status.
func statusError(status int, want []string) error {
	if expected(status, want) {
		return nil
	}
	return fmt.Errorf("status %d, expected %s", status, strings.Join(want, " or "))
}
