package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/report"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
)

// HostOptions of NewHost. Its functions are called one at a time, whichever line they
// come from, so that nothing of an older coordinator comes after something of a
// newer one. They hold up the line that they are about, and should not take long.
type HostOptions struct {
	// Life is which of its lives the host is in; a later one has a higher number.
	Life uint64
	// Epoch is the highest that the host saw in its lives before; 0: none.
	Epoch   uint64
	Version string // of this program
	Clock   *loop.Clock
	Log     *slog.Logger
	Holder  *identity.Holder
	// Spec, Order and Fault are what the coordinator wants done.
	Spec  func(report.SetSpec)
	Order func(host.Order)
	Fault func(fleet.FaultOrder)
	// Share has the newest value of a key that every host should have.
	Share func(key string, value []byte)
	// Called says that a coordinator has connected whose epoch is none that was seen
	// before or the newest that was; Hung that its line ended.
	Called, Hung func(report.Caller)
}

// Host is a host's end of all its lines. All methods may be called at once, and none
// waits for a line.
type Host struct {
	options HostOptions
	giving  sync.Mutex // held while something is decided and handed on

	mu    sync.Mutex
	end   *report.HostEnd
	lines map[*report.Line]*near
}

// near is a line as a host has it.
type near struct {
	wake chan struct{}
	conn net.Conn
}

// NewHost returns a Host that nobody has called.
func NewHost(o HostOptions) *Host {
	return &Host{options: o, end: report.NewHostEnd(o.Life, o.Epoch, o.Version), lines: map[*report.Line]*near{}}
}

// Protocol is what the host's agent serves on its port.
func (h *Host) Protocol() identity.Protocol {
	return identity.Protocol{Name: Protocol, Serve: h.serve, Hosts: true}
}

// Report takes the host's newest status; changed says that more than counters differ.
// The status is not to be changed any more.
func (h *Host) Report(s host.Status, changed bool) {
	h.with(func(e *report.HostEnd) { e.Report(s, changed) })
}

// Note takes notes, which are not to be changed any more.
func (h *Host) Note(notes []host.Note) {
	h.with(func(e *report.HostEnd) { e.Tell(fleet.Noted{Notes: notes}) })
}

// Done takes how an order to break or mend something ended.
func (h *Host) Done(d fleet.FaultDone) { h.with(func(e *report.HostEnd) { e.Tell(d) }) }

// Process takes what became of a backend's process.
func (h *Host) Process(p fleet.Process) { h.with(func(e *report.HostEnd) { e.Tell(p) }) }

// Links takes how the host sees the other sites, once a second and whenever that
// changes, and Replicas its replicas. They are not to be changed any more.
func (h *Host) Links(s member.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.end.Links(s) {
		h.wake()
	}
}

// Replicas takes the host's replicas.
func (h *Host) Replicas(s replica.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.end.Replicas(s) {
		h.wake()
	}
}

func (h *Host) with(do func(*report.HostEnd)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do(h.end)
	h.wake()
}

// wake has all lines look for something to send. The caller holds the lock.
func (h *Host) wake() {
	for _, n := range h.lines {
		wake(n.wake)
	}
}

// SetCopy says whether the host is to have a copy of the coordinator's events, going
// on from those of ring. Lines are dialled again for it.
func (h *Host) SetCopy(want bool, ring string, events []api.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end.SetCopy(want, report.NewCopy(ring, events))
	for _, n := range h.lines {
		_ = n.conn.Close()
	}
}

// Copy returns the copy of the events, and the name of their ring.
func (h *Host) Copy() (ring string, events []api.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.end.Copy()
}

// Epoch is the highest that was seen.
func (h *Host) Epoch() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.end.Epoch()
}

// Callers are those whose lines stand.
func (h *Host) Callers() []report.Caller {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]report.Caller, 0, len(h.lines))
	for l := range h.lines {
		all = append(all, l.Caller)
	}
	slices.SortFunc(all, report.Caller.Compare)
	return all
}

// serve serves one line.
func (h *Host) serve(ctx context.Context, conn *tls.Conn, peer identity.Peer) {
	if peer.Host == "" {
		h.options.Log.Warn("only hosts call here", "from", peer.String(), "reason", string(api.ReasonNotAllowed))
		return
	}
	err := h.line(ctx, conn, peer)
	if ctx.Err() == nil && err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		h.options.Log.Warn("a line from who keeps the picture broke", "from", peer.String(), "err", err.Error())
	}
}

func (h *Host) line(ctx context.Context, conn *tls.Conn, peer identity.Peer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	own := newLine(conn)
	now := h.options.Clock.Now
	m, err := own.read(nil, now)
	if err != nil {
		return err
	}
	hello, ok := m.(report.Hello)
	if !ok {
		return errWord(m)
	}
	near := &near{wake: make(chan struct{}, 1), conn: conn.NetConn()}
	l, welcome := h.join(near, peer, hello)
	defer h.leave(l)
	var writer sync.WaitGroup
	defer writer.Wait()
	defer cancel()
	writer.Go(func() {
		defer func() { _ = near.conn.Close() }() // what cannot be written to is not read from either
		if err := own.write([]report.Message{welcome}); err == nil {
			h.send(ctx, near, own, l)
		}
	})
	looked := now()
	for {
		m, err := own.read(nil, now)
		if err != nil {
			return err
		}
		at := now()
		if at.Sub(looked) > stillEvery {
			looked = at
			if err := h.options.Holder.Trust().Still(peer); err != nil {
				return err
			}
		}
		h.hear(near, l, m)
	}
}

func (h *Host) join(n *near, peer identity.Peer, hello report.Hello) (*report.Line, report.Welcome) {
	h.giving.Lock()
	defer h.giving.Unlock()
	h.mu.Lock()
	l, welcome, gone, called := h.end.Join(h.options.Clock.Now(), time.Now(), peer.Host, hello)
	for _, o := range gone {
		if old := h.lines[o]; old != nil {
			_ = old.conn.Close()
			delete(h.lines, o)
		}
	}
	h.lines[l] = n
	h.mu.Unlock()
	if called {
		h.options.Called(l.Caller)
	}
	return l, welcome
}

func (h *Host) leave(l *report.Line) {
	h.giving.Lock()
	defer h.giving.Unlock()
	h.mu.Lock()
	hung := h.end.Leave(l)
	delete(h.lines, l)
	h.mu.Unlock()
	if hung {
		h.options.Hung(l.Caller)
	}
}

// hear takes a message, and does what it asks for before the next one of any line.
func (h *Host) hear(n *near, l *report.Line, m report.Message) {
	h.giving.Lock()
	defer h.giving.Unlock()
	h.mu.Lock()
	out := h.end.Hear(h.options.Clock.Now(), l, m)
	h.mu.Unlock()
	if out.Wake {
		wake(n.wake)
	}
	switch do := out.Do.(type) {
	case report.SetSpec:
		h.options.Spec(do)
	case report.Obey:
		h.options.Order(do.Order)
	case report.Fault:
		h.options.Fault(do.FaultOrder)
	case nil:
	}
	if s := out.Share; s != nil {
		h.options.Share(s.Key, s.Value)
	}
}

// send writes what is due on a line until ctx ends.
func (h *Host) send(ctx context.Context, n *near, out *line, l *report.Line) {
	var all []report.Message
	for {
		h.mu.Lock()
		all = h.end.Take(h.options.Clock.Now(), time.Now(), l, all[:0])
		h.mu.Unlock()
		if len(all) > 0 {
			if out.write(all) != nil {
				return
			}
			clear(all)
			continue // there may be more
		}
		select {
		case <-n.wake:
		case <-ctx.Done():
			return
		}
	}
}
