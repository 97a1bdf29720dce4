package quorum

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// Bounds of a connection.
const (
	// connectWait is how long a host may take to answer a call, also a far one.
	// Short, as a call that a broken network swallowed is not answered any more when
	// the network is mended: the next one is.
	connectWait = 500 * time.Millisecond
	// helloWait is how long the handshake and the first bytes may take after that.
	helloWait = 3 * time.Second
	// writeWait is how long a peer may not take anything: it is stopped, or dead.
	writeWait = 2 * time.Second
	// writeAim is how much is written at once: small frames go together.
	writeAim = 64 << 10
	// unreadMax is how much of one peer's may wait for the loop.
	unreadMax = 4 << 20
	// stillEach is how often it is asked whether a peer was removed from the fleet.
	stillEach = time.Second
	// frameHead is the length before a frame.
	frameHead = 4
	// readStep is how much room is made for a frame whose bytes have not come: who
	// says a length need not keep it.
	readStep = 1 << 20
)

// hello is how a connection begins, both ways.
type hello struct {
	lane byte
	life uint64 // of the process
}

// helloMark is the protocol's version, and its name to whoever looks at the bytes.
var helloMark = []byte("hfr1")

const helloSize = 4 + 1 + 8

func (h hello) bytes() []byte {
	return binary.BigEndian.AppendUint64(append(slices.Clone(helloMark), h.lane), h.life)
}

func readHello(r io.Reader) (hello, error) {
	b := make([]byte, helloSize)
	if _, err := io.ReadFull(r, b); err != nil {
		return hello{}, err
	}
	if !slices.Equal(b[:4], helloMark) {
		return hello{}, errors.New("quorum: it does not begin as this protocol does")
	}
	return hello{b[4], binary.BigEndian.Uint64(b[5:])}, nil
}

// link is one connection of a prompt or a bulk lane.
type link struct {
	q      *Quorum
	conn   *tls.Conn
	from   identity.Peer
	wake   chan struct{}
	done   chan struct{}
	once   sync.Once
	unread atomic.Int64
	room   chan struct{}
}

func (q *Quorum) newLink(conn *tls.Conn, from identity.Peer) *link {
	return &link{q: q, conn: conn, from: from, wake: make(chan struct{}, 1), done: make(chan struct{}), room: make(chan struct{}, 1)}
}

// close breaks the connection, without a goodbye that could take its time.
func (x *link) close() {
	x.once.Do(func() {
		close(x.done)
		_ = x.conn.NetConn().Close()
	})
}

// rouse tells the writer that there is something.
func (x *link) rouse() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// dialTLS opens a connection of a lane to a host that must be who it is called, and
// returns who and which life of it answered.
func (q *Quorum) dialTLS(ctx context.Context, host string, lane byte) (*tls.Conn, identity.Peer, uint64, error) {
	var peer identity.Peer
	address, ok := q.o.Address(host)
	if !ok || q.o.Holder == nil {
		return nil, peer, 0, fmt.Errorf("quorum: the address of %s is not known yet", host)
	}
	dialer := net.Dialer{Timeout: connectWait, KeepAliveConfig: keepAlive}
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, peer, 0, err
	}
	tune(raw)
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	_ = raw.SetDeadline(time.Now().Add(helloWait))
	conn := tls.Client(raw, q.o.Holder.Client(ProtocolName, func(p identity.Peer) error {
		peer = p
		return p.IsHost(host)
	}))
	if _, err := conn.Write(hello{lane, q.life}.bytes()); err != nil {
		_ = raw.Close()
		return nil, peer, 0, err
	}
	h, err := readHello(conn)
	if err == nil && h.lane != lane {
		err = errors.New("quorum: it answers on another lane")
	}
	if err != nil {
		_ = raw.Close()
		return nil, peer, 0, err
	}
	_ = raw.SetDeadline(time.Time{})
	return conn, peer, h.life, ctx.Err()
}

// call opens a connection for a lane of frames.
func (q *Quorum) call(ctx context.Context, p *peer, lane byte) (*link, error) {
	conn, peer, life, err := q.dialTLS(ctx, p.host, lane)
	if err != nil {
		return nil, err
	}
	p.met(life)
	return q.newLink(conn, peer), nil
}

// Protocol is what an identity.Port serves for other hosts.
func (q *Quorum) Protocol() identity.Protocol {
	return identity.Protocol{Name: ProtocolName, Serve: q.serve, Most: peersMax, Hosts: true}
}

// serve owns a connection that a host opened.
func (q *Quorum) serve(ctx context.Context, conn *tls.Conn, peer identity.Peer) {
	if peer.Host == "" || peer.Host == q.o.Host {
		return // people have no replicas
	}
	defer context.AfterFunc(ctx, func() { _ = conn.NetConn().Close() })()
	tune(conn.NetConn())
	_ = conn.SetDeadline(time.Now().Add(helloWait))
	h, err := readHello(conn)
	if err == nil {
		_, err = conn.Write(hello{h.lane, q.life}.bytes())
	}
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	switch h.lane {
	case laneAsk:
		q.answering(conn, peer)
	case lanePrompt, laneBulk:
		p := q.peers.peer(peer.Host)
		if p == nil {
			return
		}
		p.met(h.life)
		l, x := p.lanes[h.lane], q.newLink(conn, peer)
		if !l.attach(x) {
			return
		}
		ended := make(chan struct{})
		if q.start(func() { defer close(ended); x.serve(l) }) {
			<-ended
			return
		}
		x.close()
		l.detach(x)
	}
}

// serve exchanges frames until the connection breaks.
func (x *link) serve(l *lane) {
	var writing sync.WaitGroup
	writing.Go(func() {
		x.write(l)
		x.close()
	})
	x.q.o.Log.Debug("a connection between replicas begins", "host", l.peer.host, "lane", l.kind)
	err := x.read()
	x.close()
	writing.Wait()
	last := l.detach(x)
	x.q.o.Log.Debug("a connection between replicas ended", "host", l.peer.host, "lane", l.kind, "err", err)
	if !last {
		return
	}
	x.q.loop.Tell(x.q.ctx, event{ev: replica.Unreachable{Host: l.peer.host}})
	if l.kind == lanePrompt {
		x.q.start(l.lookAfter)
	}
}

// write writes what waits on the lane, as much at once as there is.
func (x *link) write(l *lane) {
	var b []byte
	for {
		select {
		case <-x.wake:
		case <-x.done:
			return
		}
		for frames := l.take(x); len(frames) > 0; frames = l.take(x) {
			b = b[:0]
			for i, frame := range frames {
				b = append(binary.BigEndian.AppendUint32(b, uint32(len(frame))), frame...)
				if len(b) < writeAim && i < len(frames)-1 {
					continue
				}
				if !x.flush(b) {
					return
				}
				b = b[:0]
			}
			if cap(b) > 2*writeAim {
				b = nil // a snapshot's room is not kept
			}
		}
	}
}

// flush writes bytes, in pieces each of which the peer has to take in time.
func (x *link) flush(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), writeAim)
		_ = x.conn.SetWriteDeadline(time.Now().Add(writeWait))
		if _, err := x.conn.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
	}
	return true
}

// read hands frames to the loop, and waits when that has much of this peer's
// already.
func (x *link) read() error {
	r := bufio.NewReaderSize(x.conn, 4<<10)
	var looked time.Time
	for {
		frame, err := readFrame(r, replica.FrameSizeMax)
		if err != nil {
			return err
		}
		if now := time.Now(); now.Sub(looked) > stillEach {
			looked = now
			if err := x.q.o.Holder.Trust().Still(x.from); err != nil {
				return err
			}
		}
		for x.unread.Load() > unreadMax {
			select {
			case <-x.room:
			case <-x.done:
				return net.ErrClosed
			case <-x.q.ctx.Done():
				return errEnded
			}
		}
		x.unread.Add(int64(len(frame)))
		if !x.q.loop.Tell(x.q.ctx, event{ev: replica.Heard{From: x.from.Host, Frame: frame}, link: x}) {
			return errEnded
		}
	}
}

// taken is called when the loop took a frame.
func (x *link) taken(size int) {
	if x.unread.Add(-int64(size)) <= unreadMax {
		select {
		case x.room <- struct{}{}:
		default:
		}
	}
}

// readFrame reads a length and as many bytes. It makes room as the bytes come.
func readFrame(r io.Reader, most int) ([]byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(head[:]))
	if size == 0 || size > most {
		return nil, fmt.Errorf("quorum: a frame of %d bytes; %d are the limit", size, most)
	}
	b := make([]byte, 0, min(size, readStep))
	for len(b) < size {
		n := len(b)
		b = slices.Grow(b, min(size-n, readStep))[:min(size, n+readStep)]
		if _, err := io.ReadFull(r, b[n:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// keepAlive finds a peer whose power went while nothing was written to it.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: time.Second, Count: 4}
