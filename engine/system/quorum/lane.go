package quorum

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

// The lanes. They travel: never renumber.
const (
	lanePrompt = 1
	laneBulk   = 2
	laneAsk    = 3
)

// Bounds of what waits for a host.
const (
	// promptBytes is what waits on the prompt lane: what raft has in flight to one
	// follower, for a few groups. promptAway is how many frames wait while there is
	// no connection: older ones than that say nothing new.
	promptBytes = 32 << 20
	promptAway  = 64
	// bulkFrames is how many snapshots wait: raft sends one again that got lost.
	bulkFrames = 4
	// peersMax is how many hosts there are at most.
	peersMax = 1024
	// linksMax is how many connections of one lane a host may have here: one, and
	// those that are about to be found broken.
	linksMax = 4
	// lostAgain is how often raft is told that frames were dropped.
	lostAgain = 500 * time.Millisecond
)

// peers are the other hosts that this one exchanges frames with.
type peers struct {
	q      *Quorum
	mu     sync.Mutex
	all    map[string]*peer
	closed bool
}

// peer is one of them.
type peer struct {
	q     *Quorum
	host  string
	lanes map[byte]*lane
	life  atomic.Uint64 // of the process that was met last; 0: none yet
}

// met notes which process of a host is at the other end, and has the replicas know
// when an earlier one must have ended.
func (p *peer) met(life uint64) {
	if was := p.life.Swap(life); was != 0 && was != life {
		p.q.loop.Tell(p.q.ctx, event{ev: replica.Ended{Host: p.host}})
	}
}

func newPeers(q *Quorum) *peers { return &peers{q: q, all: map[string]*peer{}} }

// peer returns a host's, and nil when there are too many or it is too late.
func (p *peers) peer(host string) *peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.all[host]
	if x == nil && !p.closed && len(p.all) < peersMax && host != p.q.o.Host {
		x = &peer{q: p.q, host: host}
		x.lanes = map[byte]*lane{lanePrompt: {peer: x, kind: lanePrompt}, laneBulk: {peer: x, kind: laneBulk}}
		p.all[host] = x
	}
	return x
}

func (p *peers) send(s replica.Send) {
	x := p.peer(s.To)
	if x == nil {
		return
	}
	kind := byte(lanePrompt)
	if s.Bulk {
		kind = laneBulk
	}
	if !x.lanes[kind].put(s.Frame) {
		p.q.loop.Offer(event{ev: replica.Unreachable{Host: s.To}})
	}
}

// close breaks all connections.
func (p *peers) close() {
	p.mu.Lock()
	p.closed = true
	var all []*link
	for _, x := range p.all {
		for _, l := range x.lanes {
			l.mu.Lock()
			all = append(all, l.links...)
			l.mu.Unlock()
		}
	}
	p.mu.Unlock()
	for _, l := range all {
		l.close()
	}
}

// lane is what waits for a host, and the connections to it; the last of them is
// written to. Others are read from until they break: two hosts that call each other
// at once have two.
type lane struct {
	peer *peer
	kind byte

	mu      sync.Mutex
	queue   [][]byte
	bytes   int
	links   []*link
	dialing bool
	lostAt  time.Time // when raft was told last that something was dropped
}

// put appends a frame to what waits, and sees to it that somebody writes it. It
// reports false when raft should know that frames were dropped.
func (l *lane) put(frame []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, frame)
	l.bytes += len(frame)
	dropped := false
	for l.over() {
		l.bytes -= len(l.queue[0])
		l.queue[0] = nil
		l.queue = l.queue[1:]
		dropped = true
	}
	l.push()
	if now := time.Now(); dropped && now.Sub(l.lostAt) > lostAgain {
		l.lostAt = now
		return false
	}
	return true
}

func (l *lane) over() bool {
	switch {
	case len(l.queue) < 2:
		return false
	case l.kind == laneBulk:
		return len(l.queue) > bulkFrames
	}
	return l.bytes > promptBytes || len(l.links) == 0 && len(l.queue) > promptAway
}

// push wakes the writer, or has somebody dial. The caller holds the lock.
func (l *lane) push() {
	if n := len(l.links); n > 0 {
		l.links[n-1].rouse()
		return
	}
	if !l.dialing && len(l.queue) > 0 {
		l.dialing = l.peer.q.start(l.dial)
	}
}

// take takes all that waits, for the link that is written to.
func (l *lane) take(x *link) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.links); n == 0 || l.links[n-1] != x {
		return nil
	}
	all := l.queue
	l.queue, l.bytes = nil, 0
	return all
}

// attach makes a connection the one that is written to.
func (l *lane) attach(x *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.peer.q.ctx.Err() != nil {
		return false
	}
	if len(l.links) >= linksMax {
		l.links[0].close()
		l.links = append(l.links[:0], l.links[1:]...)
	}
	l.links = append(l.links, x)
	l.dialing = false
	l.push()
	return true
}

// detach forgets a connection that broke, and reports whether it was the last.
func (l *lane) detach(x *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, o := range l.links {
		if o == x {
			l.links = append(l.links[:i], l.links[i+1:]...)
			break
		}
	}
	l.push()
	return len(l.links) == 0
}

// Dialling.
const (
	// retryMin to retryMax is between two tries: a host that restarts is to be found
	// at once. retryFar is when it has been away for longer than awayLong.
	retryMin = 10 * time.Millisecond
	retryMax = 80 * time.Millisecond
	retryFar = time.Second
	awayLong = time.Minute
)

// dial makes a connection, for as long as something waits for one.
func (l *lane) dial() {
	q, began, pause := l.peer.q, time.Now(), retryMin
	for l.wanted() {
		x, err := q.call(q.ctx, l.peer, l.kind)
		if err == nil {
			if l.attach(x) && q.start(func() { x.serve(l) }) {
				return
			}
			x.close()
			return
		}
		if !sleep(q.ctx, jitter(pause)) {
			return
		}
		pause = min(2*pause, retryMax)
		if time.Since(began) > awayLong {
			pause = retryFar
		}
	}
}

// lookAfter sees what became of a host whose last connection broke. Where nobody
// listens the process has ended: whoever followed it need not wait for a silence.
func (l *lane) lookAfter() {
	q := l.peer.q
	x, err := q.call(q.ctx, l.peer, l.kind)
	switch {
	case err == nil && l.attach(x):
		x.serve(l)
	case err == nil:
		x.close()
	case errors.Is(err, syscall.ECONNREFUSED):
		q.loop.Tell(q.ctx, event{ev: replica.Ended{Host: l.peer.host}})
	}
}

// wanted reports whether there is still something to dial for; if not, dialling is
// over.
func (l *lane) wanted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dialing = len(l.links) == 0 && len(l.queue) > 0
	return l.dialing
}

// jitter is d, up to a quarter shorter or longer: what broke at once does not come
// back at once.
func jitter(d time.Duration) time.Duration {
	return d - d/4 + rand.N(d/2+1)
}
