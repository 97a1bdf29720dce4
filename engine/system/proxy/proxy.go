// Package proxy is one host's data path: it binds the listeners of the newest
// table and hands each to the protocol that serves it.
//
// The protocols stand behind one small interface. A faster data path replaces
// one of them and nothing else.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/holder"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/datagram"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/meter"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/stream"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/web"
	"golang.org/x/sys/unix"
)

// Options of New.
type Options struct {
	Log    *slog.Logger
	Now    func() instant.Instant
	Report func(balance.Outcomes) // what traffic saw of a backend; must not block
	// Inherit returns the socket that a process before this one had bound at an
	// address, once; nil if there is none. network is tcp or udp. Nil: nobody was
	// before.
	Inherit func(network, address string) *os.File
}

// Proxy is one host's data path.
type Proxy struct {
	options Options
	flows   *flow.Flows
	ctx     context.Context
	cancel  context.CancelCauseFunc

	mu    sync.Mutex
	bound map[string]*binding // by listener
	sick  map[string]sickness // why a listener is not bound
	ends  []func()            // of listeners that were released and may have flows left
	left  []*meter.Meter      // of listeners that somebody else has by now
}

// binding is one bound listener.
type binding struct {
	front    *front.Front
	address  string
	protocol spec.Protocol
	shape    string       // of the settings that need a server of their own
	listener net.Listener // nil for UDP
	datagram *net.UDPConn // nil otherwise
	closer   func() error
	leave    func() // takes nothing new; what is open goes on
	end      func()
}

var errStopped = errors.New("proxy: the data path is stopped")

// New returns a Proxy that serves nothing yet.
func New(o Options) *Proxy {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &Proxy{
		options: o, flows: flow.New(flow.Options{Now: o.Now, Report: o.Report}), ctx: ctx, cancel: cancel,
		bound: map[string]*binding{}, sick: map[string]sickness{},
	}
}

// Apply puts a table into force: new flows go by it at once, listeners are bound
// and released as it says. It answers for each listener whose binding changed.
func (p *Proxy) Apply(t *balance.Table) []host.Bound {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flows.Swap(t)
	wanted := map[string]bool{}
	for i := range t.Listeners {
		wanted[t.Listeners[i].Spec.Name] = true
	}
	for name, b := range p.bound {
		if !wanted[name] {
			p.release(name, b)
		}
	}
	for name := range p.sick {
		if !wanted[name] {
			delete(p.sick, name)
		}
	}
	// A listener may want the address that one behind it in the table is about to
	// leave: whoever fails is tried once more.
	answers := make(map[string]host.Bound)
	for range 2 {
		failed := false
		for i := range t.Listeners {
			l := &t.Listeners[i]
			changed, err := p.serve(l)
			failed = failed || err != nil
			if !changed {
				continue
			}
			a := host.Bound{Listener: l.Spec.Name, Address: l.Bind, OK: err == nil}
			if err != nil {
				a.Reason = p.sick[a.Listener].words
			}
			answers[a.Listener] = a
		}
		if !failed {
			break
		}
	}
	all := slices.Collect(maps.Values(answers))
	slices.SortFunc(all, func(a, b host.Bound) int { return strings.Compare(a.Listener, b.Listener) })
	return all
}

// Retry tries again to bind what could not be bound.
func (p *Proxy) Retry() []host.Bound {
	p.mu.Lock()
	sick := len(p.sick)
	p.mu.Unlock()
	if sick == 0 {
		return nil
	}
	return p.Apply(p.flows.Now().Table)
}

// serve brings one listener to what the table says, and reports whether there
// is news of it.
func (p *Proxy) serve(l *balance.Listener) (changed bool, err error) {
	name := l.Spec.Name
	shape := fmt.Sprintf("%s %s %s %s %d %v", l.Spec.Protocol, l.Spec.Header, l.Spec.Idle, l.Spec.HeaderMax, 0, l.Spec.TLS != nil)
	if b, ok := p.bound[name]; ok {
		if b.address == l.Bind && b.shape == shape {
			if b.front.Now().Spec == l.Spec {
				return false, nil
			}
			if same(b.front.Now().Spec, l.Spec) {
				return false, nil
			}
			if err := b.front.Set(l.Spec); err != nil {
				return p.ill(l, err)
			}
			return p.well(name)
		}
		// Another address or another way to serve it: the old server takes no new
		// connections from here on and finishes those it has. It goes only when the
		// new one stands.
		next, err := p.bind(l, shape, b)
		if errors.Is(err, syscall.EADDRINUSE) {
			// It may be the old one that is in the way: 0.0.0.0 before 10.0.0.1.
			p.release(name, b)
			next, err = p.bind(l, shape, nil)
		}
		if err != nil {
			return p.ill(l, err)
		}
		if p.bound[name] == b {
			p.release(name, b)
		}
		p.bound[name] = next
		delete(p.sick, name)
		return true, nil
	}
	b, err := p.bind(l, shape, nil)
	if err != nil {
		return p.ill(l, err)
	}
	p.bound[name] = b
	delete(p.sick, name)
	return true, nil
}

// sickness is why a listener is not bound: the error, and what it means.
type sickness struct{ err, words string }

func (p *Proxy) ill(l *balance.Listener, err error) (bool, error) {
	if p.sick[l.Spec.Name].err == err.Error() {
		return false, err // who has the address is looked up once
	}
	p.sick[l.Spec.Name] = sickness{err.Error(), words(l, err)}
	return true, err
}

func (p *Proxy) well(name string) (bool, error) {
	_, was := p.sick[name]
	delete(p.sick, name)
	return was, nil
}

// same reports whether two specs of a listener say the same.
func same(a, b *spec.Listener) bool {
	return fmt.Sprintf("%+v", flat(a)) == fmt.Sprintf("%+v", flat(b))
}

// flat replaces pointers by what they point at, for comparing.
func flat(l *spec.Listener) any {
	x := *l
	var tls, redirect, forwarded any
	if l.TLS != nil {
		tls = *l.TLS
	}
	if l.Redirect != nil {
		redirect = *l.Redirect
	}
	if l.XForwarded != nil {
		forwarded = *l.XForwarded
	}
	x.TLS, x.Redirect, x.XForwarded = nil, nil, nil
	return []any{x, tls, redirect, forwarded}
}

// bind binds a listener and begins to serve it. At the address of the one it
// follows, it takes over the socket, with the connections that wait in it.
func (p *Proxy) bind(l *balance.Listener, shape string, before *binding) (*binding, error) {
	f := &front.Front{Name: l.Spec.Name, Flows: p.flows, Meter: p.flows.Listener(l.Spec.Name), Log: p.options.Log}
	if err := f.Set(l.Spec); err != nil {
		return nil, err
	}
	b := &binding{front: f, address: l.Bind, protocol: l.Spec.Protocol, shape: shape}
	if l.Spec.Protocol == spec.UDP {
		c, err := p.listenUDP(l.Bind)
		if err != nil {
			return nil, err
		}
		_ = c.SetReadBuffer(4 << 20) // bursts are lost in the default one; the kernel caps it
		s := datagram.New(f, c)
		go s.Serve(p.ctx)
		b.datagram, b.closer, b.end = c, func() error { s.Close(); return c.Close() }, func() { s.Close(); _ = c.Close() }
		b.leave = s.Release
		return b, nil
	}
	ln, err := p.listen(l.Bind, before)
	if err != nil {
		return nil, err
	}
	b.listener, b.closer = ln, ln.Close
	b.leave = func() { _ = b.closer() }
	switch l.Spec.Protocol {
	case spec.HTTP, spec.HTTPS:
		s := web.New(f)
		go s.Serve(p.ctx, ln)
		b.end = s.Close
		b.leave = func() { s.Retire(); _ = b.closer() }
	case spec.TCP, spec.TLSPassthrough, spec.UDP:
		s := stream.New(f)
		go s.Serve(p.ctx, ln)
		b.closer, b.end = func() error { s.Release(); return ln.Close() }, s.Close
	}
	return b, nil
}

// listen returns a listening socket: the one of before again where that has the
// address, for a socket that is closed resets the connections that wait in it.
func (p *Proxy) listen(address string, before *binding) (net.Listener, error) {
	if before == nil || before.address != address || before.listener == nil {
		if f := p.inherit("tcp", address); f != nil {
			defer func() { _ = f.Close() }()
			return net.FileListener(f)
		}
		return listenConfig.Listen(p.ctx, "tcp", address)
	}
	t, ok := before.listener.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("proxy: %s cannot be handed over", address)
	}
	f, err := fileOf(t, address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return net.FileListener(f)
}

// listenConfig lets a listener be bound again at once after it was released.
var listenConfig = net.ListenConfig{
	KeepAlive: -1, // set where it matters; a system call saved for each connection
	Control: func(network, _ string, c syscall.RawConn) error {
		if !strings.HasPrefix(network, "tcp") {
			return nil // a second UDP socket would be let in, and get the datagrams
		}
		var err error
		if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }); e != nil {
			return e
		}
		return err
	},
}

// release stops accepting. Flows that are open go on.
func (p *Proxy) release(name string, b *binding) {
	_ = b.closer()
	p.ends = append(p.ends, b.end)
	delete(p.bound, name)
}

// Cut closes the open flows of backends.
func (p *Proxy) Cut(all []balance.Cut) { p.flows.Cut(all) }

// Draining returns how many flows each of the named backends still has.
func (p *Proxy) Draining(names []string) map[string]int64 {
	all := map[string]int64{}
	for _, b := range p.flows.Backends() {
		if slices.Contains(names, b.Name()) {
			all[b.Name()] = b.Meter.Active()
		}
	}
	return all
}

// Readings returns totals, and the latencies since the last call.
func (p *Proxy) Readings() host.Readings {
	var r host.Readings
	for _, b := range p.flows.Backends() {
		r.Backends = append(r.Backends, b.Meter.Read(b.Name()))
	}
	p.mu.Lock()
	for name, b := range p.bound {
		r.Listeners = append(r.Listeners, b.front.Meter.Read(name))
	}
	p.mu.Unlock()
	byName := func(a, b host.Reading) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(r.Backends, byName)
	slices.SortFunc(r.Listeners, byName)
	return r
}

// Close releases every listener and ends every flow.
func (p *Proxy) Close() {
	p.cancel(errStopped)
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, b := range p.bound {
		p.release(name, b)
	}
	for _, end := range p.ends {
		end()
	}
	p.ends = nil
}

// words says why a listener cannot be bound.
func words(l *balance.Listener, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		network := "tcp"
		if l.Spec.Protocol == spec.UDP {
			network = "udp"
		}
		if h, ok := holder.Look().Of(network, l.Bind); ok {
			return h.String() + " has the address"
		}
		return "the address is in use by another program"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "the address is not this host's"
	case errors.Is(err, syscall.EACCES):
		return "not permitted: ports below 1024 need a capability"
	}
	return err.Error()
}
