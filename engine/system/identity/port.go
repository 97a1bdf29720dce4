package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Bounds of a Port.
const (
	// handshakesMax is how many strangers may be on the doorstep at once, and
	// handshakesEach how many of them from one address: a fleet that starts at
	// once gets in, and one bad neighbour does not keep it out.
	handshakesMax  = 256
	handshakesEach = 32
	// handshakeWait is how long a handshake may take, a far site's too.
	handshakeWait = 5 * time.Second
	// connectionsMax is how many connections one protocol has unless it says
	// otherwise.
	connectionsMax = 512
	// recheckEvery is how often connections that stand are looked at without a call.
	recheckEvery = 5 * time.Second
)

// Protocol is one of those that share a Port. ALPN tells them apart, inside TLS.
type Protocol struct {
	Name string // of ALPN
	// Serve owns a connection until it returns. The handshake is over, and peer
	// was accepted unless the protocol is Open.
	Serve func(ctx context.Context, conn *tls.Conn, peer Peer)
	// Open lets in who has no certificate, or one that is not good: they want
	// to join or to renew.
	Open bool
	// Hosts lets in hosts only, whatever certificate a person has.
	Hosts bool
	// Refused says a no in the protocol's words. Nil: the connection is closed.
	Refused func(conn *tls.Conn, err error)
	// Most connections at once; 0: connectionsMax.
	Most int
}

// Counts of a Port since it began.
type Counts struct {
	Accepted  uint64 // handed to a protocol
	Refused   uint64 // certificate or protocol not good
	Malformed uint64 // no TLS, or a handshake that broke
	Crowded   uint64 // too many at once
	Cut       uint64 // whose holder was removed while they stood
}

// Port is the one TCP port of an agent: mutual TLS for every protocol between
// hosts and for clients, and the door for those who are to join.
type Port struct {
	holder    *Holder
	log       *slog.Logger
	protocols map[string]*Protocol
	open      map[string]*atomic.Int64
	names     []string
	quiet     quiet

	mu       sync.Mutex
	doorstep map[netip.Addr]int
	waiting  int
	inside   map[*tls.Conn]Peer // of protocols that are not Open

	accepted, refused, malformed, crowded, cut atomic.Uint64
}

// NewPort returns a port for these protocols.
func NewPort(h *Holder, log *slog.Logger, protocols ...Protocol) *Port {
	p := &Port{holder: h, log: log, protocols: map[string]*Protocol{}, open: map[string]*atomic.Int64{}, doorstep: map[netip.Addr]int{}, inside: map[*tls.Conn]Peer{}}
	for i := range protocols {
		each := protocols[i]
		if each.Most == 0 {
			each.Most = connectionsMax
		}
		p.protocols[each.Name] = &each
		p.open[each.Name] = &atomic.Int64{}
		p.names = append(p.names, each.Name)
	}
	return p
}

// Counts returns what came so far.
func (p *Port) Counts() Counts {
	return Counts{Accepted: p.accepted.Load(), Refused: p.refused.Load(), Malformed: p.malformed.Load(), Crowded: p.crowded.Load(), Cut: p.cut.Load()}
}

// Serve takes connections from l until ctx ends, and returns when all that it
// handed out have ended too.
func (p *Port) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	config := p.holder.server(p.names...)
	all.Go(func() {
		tick := time.NewTicker(recheckEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.Recheck()
			case <-ctx.Done():
				return
			}
		}
	})
	for pause := time.Duration(0); ; {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("identity: the port is gone: %w", err)
			}
			// Out of descriptors, mostly: it passes when others end.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			p.quiet.say(p.log, "a connection was not accepted", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			continue
		}
		pause = 0
		from := address(conn)
		if !p.enter(from) {
			p.crowded.Add(1)
			p.quiet.say(p.log, "a connection was closed: too many are waiting", "from", from.String())
			_ = conn.Close()
			continue
		}
		all.Go(func() {
			p.one(ctx, tls.Server(conn, config), from)
		})
	}
}

func address(c net.Conn) netip.Addr {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

func (p *Port) enter(from netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting >= handshakesMax || p.doorstep[from] >= handshakesEach {
		return false
	}
	p.waiting++
	p.doorstep[from]++
	return true
}

func (p *Port) leave(from netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
	if p.doorstep[from]--; p.doorstep[from] == 0 {
		delete(p.doorstep, from)
	}
}

func (p *Port) one(ctx context.Context, conn *tls.Conn, from netip.Addr) {
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.NetConn().Close() })()
	protocol, peer, err := p.handshake(ctx, conn)
	if err != nil {
		p.refuse(conn, protocol, from, err)
	}
	p.leave(from)
	if err != nil {
		return
	}
	open := p.open[protocol.Name]
	defer open.Add(-1)
	if open.Add(1) > int64(protocol.Most) {
		p.crowded.Add(1)
		p.quiet.say(p.log, "a connection was closed: its protocol has too many", "protocol", protocol.Name, "from", from.String())
		return
	}
	p.accepted.Add(1)
	if !protocol.Open {
		p.mu.Lock()
		p.inside[conn] = peer
		p.mu.Unlock()
		defer func() {
			p.mu.Lock()
			delete(p.inside, conn)
			p.mu.Unlock()
		}()
		if p.holder.Trust().Still(peer) != nil {
			return // removed between the handshake and here
		}
	}
	protocol.Serve(ctx, conn, peer)
}

// Recheck cuts the connections of those who were removed meanwhile. Who hears of a
// removal calls it; Serve does from time to time.
func (p *Port) Recheck() {
	trust := p.holder.Trust()
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn, peer := range p.inside {
		err := trust.Still(peer)
		if err == nil {
			continue
		}
		delete(p.inside, conn)
		p.cut.Add(1)
		p.quiet.say(p.log, "a connection was cut", "from", conn.RemoteAddr().String(), "reason", string(ReasonOf(err)), "err", err.Error())
		_ = conn.NetConn().Close() // not conn: its goodbye could wait for who does not read
	}
}

// errProtocol is for who speaks none of ours.
var errProtocol = errors.New("identity: it names no protocol of this port")

func (p *Port) handshake(ctx context.Context, conn *tls.Conn) (*Protocol, Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeWait)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, Peer{}, err
	}
	s := conn.ConnectionState()
	protocol := p.protocols[s.NegotiatedProtocol]
	if protocol == nil {
		return nil, Peer{}, errProtocol
	}
	peer, err := p.holder.Trust().Accept(time.Now(), s.PeerCertificates, x509.ExtKeyUsageClientAuth)
	if protocol.Open {
		return protocol, peer, nil
	}
	if err == nil && protocol.Hosts && peer.Host == "" {
		err = refuse(api.ReasonNotAllowed, "%s speaks %s, which is for hosts", peer, protocol.Name)
	}
	return protocol, peer, err
}

func (p *Port) refuse(conn *tls.Conn, protocol *Protocol, from netip.Addr, err error) {
	switch {
	case protocol == nil && !errors.Is(err, errProtocol):
		p.malformed.Add(1)
		// What the other end says of our certificate is worth reading: it may be
		// that it is this one which is not good.
		p.quiet.say(p.log, "a handshake broke", "from", from.String(), "err", printable(err.Error()))
	default:
		p.refused.Add(1)
		p.quiet.say(p.log, "a connection was refused", "from", from.String(), "reason", string(ReasonOf(err)), "err", printable(err.Error()))
	}
	if protocol != nil && protocol.Refused != nil {
		_ = conn.SetDeadline(time.Now().Add(handshakeWait))
		protocol.Refused(conn, err)
		bye(conn)
	}
}

// quietEach is how many lines strangers may cause in quietFor: a log that fills
// the disk is a worse fault than the one it tells of.
const (
	quietEach = 20
	quietFor  = 10 * time.Second
)

// quiet writes warnings that strangers cause, and counts those it leaves out.
type quiet struct {
	mu    sync.Mutex
	since time.Time
	said  int
	more  int
}

func (q *quiet) say(log *slog.Logger, msg string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now := time.Now(); now.Sub(q.since) > quietFor {
		if q.more > 0 {
			log.Warn("more connections were refused, without a line each", "count", q.more)
		}
		q.since, q.said, q.more = now, 0, 0
	}
	if q.said++; q.said > quietEach {
		q.more++
		return
	}
	log.Warn(msg, args...)
}
