package carry

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// eventsMax is how many sockets one look at the kernel may report; those that
// are left over come with the next one.
const eventsMax = 128

// arenaSize bounds what is read for many pairs before the first of it is
// written. Short requests of a whole round fit; long pieces go one by one.
const arenaSize = 16 * bufferSize

// Loop carries pairs on one goroutine.
type Loop struct {
	epoll int
	wake  int // an eventfd: there is something in asked
	raw   syscall.RawConn

	events   [eventsMax]unix.EpollEvent
	got      int                // of events, by the newest look
	readable func(uintptr) bool // look, made once so that waiting allocates nothing

	mu    sync.Mutex
	asked []func()

	now   atomic.Int64 // when this round began, since began
	slots []slot
	free  []int32
	busy  []*Pair // those that have something to do
	arena []byte

	foreign map[netip.Addr]time.Duration // addresses that are not this host's, and until when that holds
}

// slot is a pair's place in the table. An event carries its number and its
// generation: one that comes late, for a pair that is gone, finds another one.
type slot struct {
	pair       *Pair
	generation int32
}

// wakeSlot is no pair's.
const wakeSlot = -1

var began = time.Now()

// Shared returns the process's loops, one for each processor that Go uses. They
// are started once and stay, as the scheduler's threads do.
var Shared = sync.OnceValues(func() (*Loops, error) {
	all := &Loops{}
	for range runtime.GOMAXPROCS(0) {
		l, err := start()
		if err != nil {
			return nil, fmt.Errorf("carry: no event loop: %w", err)
		}
		all.all = append(all.all, l)
	}
	return all, nil
})

// Loops are several.
type Loops struct {
	all  []*Loop
	turn atomic.Uint32
}

// Next returns one, each in its turn.
func (a *Loops) Next() *Loop { return a.all[a.turn.Add(1)%uint32(len(a.all))] }

func start() (*Loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN | edge, Fd: wakeSlot}
	err = errors.Join(unix.SetNonblock(epoll, true), unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, &ev))
	file := os.NewFile(uintptr(epoll), "epoll") // non-blocking: Go's poller watches it
	l := &Loop{epoll: epoll, wake: wake, arena: make([]byte, arenaSize+bufferSize), foreign: map[netip.Addr]time.Duration{}}
	if err == nil {
		l.raw, err = file.SyscallConn()
	}
	if err == nil {
		// Without a poller the file could not be waited for.
		err = file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		_ = file.Close()
		_ = unix.Close(wake)
		return nil, err
	}
	l.readable = l.look
	go l.run()
	return l, nil
}

// Do calls f on the loop's goroutine, soon. f must not wait.
func (l *Loop) Do(f func()) {
	l.mu.Lock()
	l.asked = append(l.asked, f)
	first := len(l.asked) == 1
	l.mu.Unlock()
	if first {
		// Each write is an edge, so that nobody has to read the counter; it has room
		// for 2^64 of them.
		one := [8]byte{1}
		_, _ = rawWrite(l.wake, one[:])
	}
}

// Now is when the loop's present round began, on the clock of Since.
func (l *Loop) Now() time.Duration { return time.Duration(l.now.Load()) }

// Since is a moment on the clock of Now.
func Since(t time.Time) time.Duration { return t.Sub(began) }

const (
	edge  = 1 << 31 // EPOLLET; the constant of x/sys is negative
	watch = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLPRI | unix.EPOLLRDHUP | edge
)

// watch has the kernel report what happens to one end of a pair, from here until
// the descriptor is closed.
func (l *Loop) watch(p *Pair, end int) error {
	if p.slot < 0 {
		if n := len(l.free); n > 0 {
			p.slot, l.free = l.free[n-1], l.free[:n-1]
		} else {
			p.slot = int32(len(l.slots))
			l.slots = append(l.slots, slot{})
		}
		l.slots[p.slot].pair = p
	}
	ev := unix.EpollEvent{Events: watch, Fd: p.slot<<1 | int32(end), Pad: l.slots[p.slot].generation}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, p.fd[end], &ev))
}

// forget gives a pair's place in the table to others.
func (l *Loop) forget(p *Pair) {
	if p.slot < 0 {
		return
	}
	s := &l.slots[p.slot]
	s.pair = nil
	s.generation++
	l.free = append(l.free, p.slot)
	p.slot = -1
}

// queue notes that a pair has something to do.
func (l *Loop) queue(p *Pair) {
	if !p.queued {
		p.queued = true
		l.busy = append(l.busy, p)
	}
}

func (l *Loop) run() {
	var work []*Pair
	for {
		events := l.wait()
		l.now.Store(int64(time.Since(began)))
		for _, e := range events {
			if e.Fd == wakeSlot {
				l.asks()
				continue
			}
			if s := &l.slots[e.Fd>>1]; s.generation == e.Pad && s.pair != nil {
				s.pair.note(int(e.Fd&1), e.Events)
			}
		}
		work, l.busy = l.busy, work[:0]
		l.round(work)
		clear(work)
	}
}

// asks does what Do was given.
func (l *Loop) asks() {
	l.mu.Lock()
	all := l.asked
	l.asked = nil
	l.mu.Unlock()
	for _, f := range all {
		f()
	}
}

// wait looks what happened to the sockets. While there is work left it does not
// wait for more.
func (l *Loop) wait() []unix.EpollEvent {
	if len(l.busy) > 0 {
		runtime.Gosched() // the others of this processor first
		l.look(0)
	} else {
		_ = l.raw.Read(l.readable)
	}
	return l.events[:l.got]
}

// look reports whether anything happened.
func (l *Loop) look(uintptr) bool {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)), 0, 0, 0)
	if l.got = int(n); e != 0 {
		l.got = 0 // interrupted
	}
	return l.got > 0
}

// round gives each pair that has something to do its turn. First all of them
// read, then all of them write: who waits for what is written finds more of it
// at once, and is woken less often.
func (l *Loop) round(work []*Pair) {
	arena, scratch := l.arena[:arenaSize], l.arena[arenaSize:]
	used, from := 0, 0
	for i, p := range work {
		if used+2*bufferSize > len(arena) {
			l.settle(work[from:i], scratch)
			used, from = 0, i
		}
		used += p.gather(arena[used:])
	}
	l.settle(work[from:], scratch)
}

func (l *Loop) settle(work []*Pair, scratch []byte) {
	for _, p := range work {
		p.queued = false
		if p.settle(scratch) {
			l.queue(p)
		}
	}
}
