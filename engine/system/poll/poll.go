//go:build linux && (amd64 || arm64)

package poll

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Poll waits. It is made by New and works while Run runs.
type Poll struct {
	epoll, timer int
	file         *os.File // owns epoll
	closing      atomic.Bool

	mu      sync.Mutex
	ready   map[int32]func()
	alarms  alarms
	armed   time.Time // when the timer fires; zero: it is not set
	busy    bool      // handlers run
	ended   bool
	events  [64]unix.EpollEvent
	ringing []*Alarm
}

// ErrEnded says that a Poll does not work any more.
var ErrEnded = errors.New("poll: ended")

// New returns a Poll; Run makes it work, and frees it when it ends.
func New() (*Poll, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("poll: make a poll descriptor: %w", err)
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("poll: make a timer: %w", err)
	}
	p := &Poll{epoll: epoll, timer: timer, ready: map[int32]func(){}}
	if err = control(epoll, unix.EPOLL_CTL_ADD, timer, unix.EPOLLIN); err == nil {
		err = unix.SetNonblock(epoll, true) // it makes os.NewFile hand it to the runtime's poller
	}
	if err != nil {
		_, _ = unix.Close(timer), unix.Close(epoll)
		return nil, fmt.Errorf("poll: watch a timer: %w", err)
	}
	p.file = os.NewFile(uintptr(epoll), "poll")
	return p, nil
}

// Run calls handlers until Close.
func (p *Poll) Run() error {
	raw, err := p.file.SyscallConn()
	if err == nil {
		err = raw.Read(func(uintptr) bool {
			p.dispatch()
			return false
		})
	}
	p.mu.Lock()
	p.ended = true
	clear(p.ready)
	_ = unix.Close(p.timer)
	p.mu.Unlock()
	for _, a := range p.due(true) {
		a.ring()
	}
	if p.closing.Load() {
		return nil
	}
	return fmt.Errorf("poll: %w", err)
}

// Close ends Run. It is not called by a handler.
func (p *Poll) Close() {
	p.closing.Store(true)
	_ = p.file.Close()
}

// Watch calls ready each time that a socket becomes readable, and writable too
// when that is asked for, until Forget.
func (p *Poll) Watch(socket int, writable bool, ready func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return ErrEnded
	}
	events := uint32(unix.EPOLLIN)
	if writable {
		events |= unix.EPOLLOUT
	}
	if err := control(p.epoll, unix.EPOLL_CTL_ADD, socket, events); err != nil {
		return fmt.Errorf("poll: watch a socket: %w", err)
	}
	p.ready[int32(socket)] = ready
	return nil
}

// Forget ends a Watch. It goes before the socket is closed: its number may then
// be another one's at any time.
func (p *Poll) Forget(socket int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ready, int32(socket))
}

// Release ends a Watch of a socket that stays open.
func (p *Poll) Release(socket int) {
	p.Forget(socket)
	_ = control(p.epoll, unix.EPOLL_CTL_DEL, socket, 0)
}

func control(epoll, op, fd int, events uint32) error {
	// Edges, not levels: a timer that fired needs no reading, and a socket whose
	// answer was read whole needs no second look.
	ev := unix.EpollEvent{Events: events | unix.EPOLLET, Fd: int32(fd)}
	return epollCtl(epoll, op, fd, &ev)
}

// dispatch calls the handlers of all that is ready by now. Sockets and alarms
// take turns, so that neither waits for the other's flood.
func (p *Poll) dispatch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = true
	for more := true; more && !p.ended; {
		p.mu.Unlock()
		n := epollWait(p.epoll, p.events[:])
		for _, ev := range p.events[:n] {
			if ready := p.handler(ev.Fd); ready != nil {
				ready()
			}
		}
		for _, a := range p.due(false) {
			a.ring()
		}
		p.mu.Lock()
		more = n == len(p.events) || len(p.alarms) > 0 && !p.alarms[0].at.After(time.Now())
	}
	p.busy = false
	p.arm()
}

func (p *Poll) handler(socket int32) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ready[socket]
}

// arm sets the timer to the next alarm. One that is set too early is left alone:
// waking in vain now and then costs less than setting it each time. The caller
// holds the lock.
func (p *Poll) arm() {
	if len(p.alarms) == 0 || p.ended {
		return
	}
	now, next := time.Now(), p.alarms[0].at
	if p.armed.After(now) && !p.armed.After(next) {
		return
	}
	p.armed = next
	timerSet(p.timer, max(next.Sub(now), time.Microsecond))
}
