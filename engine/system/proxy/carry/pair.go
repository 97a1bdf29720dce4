package carry

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Flow is the owner of a pair. Its methods are called on the loop's goroutine.
type Flow interface {
	// Moved says that bytes of the client (up) or of the backend were passed on.
	Moved(up bool, n int)
	// Ended says that the pair ended by itself, and how its directions did. Its
	// sockets are closed.
	Ended(down, up *Failure)
}

// The ends of a pair. A direction has the number of the end that sends.
const (
	client  = 0
	backend = 1
)

// Pair is a client's socket and a backend's. Its methods may be called on its
// loop's goroutine only.
type Pair struct {
	loop *Loop
	flow Flow
	slot int32 // in the loop's table; -1 none
	to   netip.AddrPort
	then func(error) // answers Connect
	fd   [2]int
	way  [2]direction

	phase  phase
	timer  *time.Timer // of the connecting
	tries  int         // to connect
	up     bool        // the connecting has come to something
	kept   bool        // the kernel asks after the backend
	prompt prompt
	queued bool // it is among those that have something to do
}

// prompt is how far it is seen to that small pieces go to the backend at once. The
// kernel holds one back only while another one is on its way: the first needs no
// asking, and in a short flow there is no second.
type prompt int

const (
	promptFirst prompt = iota // nothing was sent
	promptUnset               // one segment was
	promptSet
)

type phase int

const (
	lonely     phase = iota // there is no backend
	connecting              // there may be one
	flowing
	gone
)

// direction is a half with what it holds.
type direction struct {
	half
	data []byte            // what is held, unless it is piped
	buf  *[bufferSize]byte // what data is in, when that is ours
	pipe *pipe
	err  error
}

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// drop gives back what is held.
func (d *direction) drop() {
	d.data = nil
	if d.buf != nil {
		buffers.Put(d.buf)
		d.buf = nil
	}
	if d.pipe != nil {
		if d.held > 0 || d.bad != sound {
			d.pipe.close() // what is left in it must not reach another flow
		} else {
			d.pipe.free()
		}
		d.pipe = nil
	}
}

// New makes a pair of a client's socket, which is the pair's from here on. It has
// TCP_NODELAY from its listening socket.
func (l *Loop) New(fd int, f Flow) *Pair {
	return &Pair{loop: l, flow: f, slot: -1, fd: [2]int{fd, -1}}
}

// Client is the client's socket, while the pair has not ended.
func (p *Pair) Client() (fd int, ok bool) { return p.fd[client], p.phase != gone }

// Connect begins to connect to a backend. Unless it fails at once, then is
// called later; with an error, Connect may be called again for another one.
func (p *Pair) Connect(to netip.AddrPort, most time.Duration, then func(error)) error {
	if p.phase != lonely {
		return net.ErrClosed
	}
	fd, err := dial(to)
	if err != nil {
		return dialError(to, err)
	}
	p.fd[backend], p.to, p.then, p.phase = fd, to, then, connecting
	p.up, p.prompt, p.way[backend].half = false, promptFirst, half{}
	if p.kept {
		keepAlive(fd)
	}
	if err = p.loop.watch(p, backend); err != nil {
		p.unconnect()
		return dialError(to, err)
	}
	p.tries++
	this := p.tries
	p.timer = time.AfterFunc(most, func() {
		p.loop.Do(func() {
			if p.phase == connecting && p.tries == this {
				p.unconnect()
				then(dialError(to, errTimeout))
			}
		})
	})
	return nil
}

// unconnect takes the backend away.
func (p *Pair) unconnect() {
	p.stopTimer()
	p.loop.forget(p)
	_ = unix.Close(p.fd[backend])
	p.fd[backend], p.phase = -1, lonely
}

func (p *Pair) stopTimer() {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}

// connected looks what became of the connecting.
func (p *Pair) connected(well bool) {
	err := error(nil)
	if !well {
		err = dialed(p.fd[backend])
	}
	if err == nil && p.loop.itself(p.fd[backend], p.to) {
		err = errSelf
	}
	if err != nil {
		p.unconnect()
		p.then(dialError(p.to, err))
		return
	}
	p.up = true
	p.stopTimer()
	p.then(nil)
}

// KeepAlive has the kernel ask after the backend while the flow is silent. That
// is for flows that last: it costs as much as a short one's bytes.
func (p *Pair) KeepAlive() {
	if !p.kept && p.fd[backend] >= 0 {
		keepAlive(p.fd[backend])
	}
	p.kept = true
}

// Begin lets bytes pass. first is sent to the backend before anything else. When
// it fails, the pair is as it was.
func (p *Pair) Begin(first []byte) error {
	if p.phase != connecting {
		return net.ErrClosed
	}
	if err := p.loop.watch(p, client); err != nil {
		return err
	}
	p.phase = flowing
	// A client has nearly always said something by now. What the backend said was
	// reported.
	p.way[client].readable, p.way[client].writable, p.way[backend].writable = true, true, true
	if len(first) > 0 {
		p.way[client].data, p.way[client].held = first, len(first)
	}
	p.loop.queue(p)
	return nil
}

// Quiet is how long the kernel saw no data, in either direction and at either
// end.
func (p *Pair) Quiet() time.Duration {
	quiet := time.Duration(1 << 62)
	for _, fd := range p.fd {
		if fd < 0 {
			continue
		}
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			quiet = min(quiet, time.Duration(min(info.Last_data_recv, info.Last_data_sent))*time.Millisecond)
		}
	}
	return quiet
}

// End closes both sockets; broken ends get resets: an end that got half of
// something must not take it for the whole. Ended is not called. It reports
// whether the pair had not ended before.
func (p *Pair) End(broken bool) bool {
	if p.phase == gone {
		return false
	}
	p.phase = gone
	p.stopTimer()
	p.loop.forget(p)
	for _, e := range []int{backend, client} {
		if p.fd[e] < 0 {
			continue
		}
		if broken {
			Reset(p.fd[e])
		}
		_ = unix.Close(p.fd[e])
		p.fd[e] = -1
		p.way[e].drop()
	}
	return true
}

// Reset makes the closing of a socket a reset, unless bytes are still on their
// way to its peer: a reset would take those with it.
func Reset(fd int) {
	if unsent, _ := unix.IoctlGetInt(fd, unix.TIOCOUTQ); unsent == 0 {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
}

// note takes what the kernel says of one end.
func (p *Pair) note(end int, events uint32) {
	const (
		sends = unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
		last  = unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
		takes = unix.EPOLLOUT | unix.EPOLLHUP | unix.EPOLLERR
	)
	switch p.phase {
	case connecting:
		if end == backend {
			b := &p.way[backend]
			b.readable = b.readable || events&sends != 0
			b.more = b.more || events&last != 0
			if !p.up && events&takes != 0 {
				p.connected(events&(unix.EPOLLHUP|unix.EPOLLERR) == 0)
			}
		}
		return
	case lonely, gone:
		return
	case flowing:
	}
	from, to := &p.way[end], &p.way[1-end]
	from.readable = from.readable || events&sends != 0
	from.more = from.more || events&last != 0
	to.writable = to.writable || events&takes != 0
	if events&unix.EPOLLERR != 0 {
		p.broke(end)
	}
	p.loop.queue(p)
}

// broke is for an end that broke where no call would find that out.
func (p *Pair) broke(end int) {
	from, to := &p.way[end], &p.way[1-end]
	switch {
	case from.over && !to.over:
		// Nothing is read from it any more, and nothing may ever be written.
		to.drop()
		to.fail(badReceiver)
		to.err = syscall.EPIPE // it had ended what it sends
	case end == client && from.held > 0:
		// The backend is slow to take what is held, and nothing is read meanwhile.
		// Nobody waits for its answer: it need not be waited for either. A backend's
		// last words are kept.
		from.drop()
		from.fail(badSender)
		from.err = syscall.ECONNRESET
	}
}

// gather reads what has come into b, once for each direction that may, and
// returns how much of b is in use then.
func (p *Pair) gather(b []byte) (used int) {
	for i := range p.way {
		if d := &p.way[i]; p.phase == flowing && d.next() == opRead && len(b)-used >= bufferSize {
			p.read(i, b[used:used+bufferSize])
			used += len(d.data)
		}
	}
	return used
}

// settle moves on until there is nothing to do, or its turn is over. It reports
// whether more is to be done.
func (p *Pair) settle(scratch []byte) (again bool) {
	if p.phase != flowing {
		return false
	}
	for i := range p.way {
		again = p.turn(i, scratch) || again
	}
	if !p.finish() {
		return again
	}
	return false
}

// turnMax is how many things are done for one direction before others have
// their turn: four pieces through a buffer or a pipe.
const turnMax = 8

func (p *Pair) turn(i int, scratch []byte) (again bool) {
	d := &p.way[i]
	for range turnMax {
		switch d.next() {
		case opWait:
			d.keep()
			return false
		case opNone:
			d.drop()
			return false
		case opRead:
			p.read(i, scratch)
		case opWrite:
			p.write(i)
		case opFill:
			p.fill(i)
		case opDrain:
			p.drain(i)
		case opShut:
			if other := &p.way[1-i]; !other.over || other.bad != sound {
				_ = unix.Shutdown(p.fd[1-i], unix.SHUT_WR)
			} // otherwise both are over, and are closed at once
			d.did(opShut, 0, done)
		}
	}
	d.keep()
	return true
}

// keep moves what is held to a buffer of its own: the one it is in is the
// loop's.
func (d *direction) keep() {
	if len(d.data) > 0 && d.buf == nil && len(d.data) <= bufferSize {
		d.buf = buffers.Get().(*[bufferSize]byte)
		d.data = d.buf[:copy(d.buf[:], d.data)]
	}
}

// finish ends the pair when it is over.
func (p *Pair) finish() bool {
	up, down := p.failure(client), p.failure(backend)
	if !up.Broken(true) && !down.Broken(false) {
		if !p.way[client].over || !p.way[backend].over {
			return false
		}
	}
	broken := up.Broken(true) || down.Broken(false)
	p.End(broken)
	p.flow.Ended(down, up)
	return true
}

// failure is why a direction failed; nil when it did not.
func (p *Pair) failure(way int) *Failure {
	d := &p.way[way]
	switch d.bad {
	case badSender:
		return &Failure{Err: d.err, Backend: way == backend}
	case badReceiver:
		return &Failure{Err: d.err, Backend: way == client}
	case sound:
	}
	return nil
}
