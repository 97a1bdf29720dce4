package carry

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below are raw: none of them waits, and the scheduler need not know
// of them.

func rawRead(fd int, b []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), e
}

func rawWrite(fd int, b []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), e
}

func rawSplice(from, to, n int) (int, syscall.Errno) {
	const flags = unix.SPLICE_F_NONBLOCK | unix.SPLICE_F_MOVE
	r, _, e := syscall.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), flags)
	return int(r), e
}

// went says how a call went; again: it was interrupted.
func went(n int, e syscall.Errno) (r result, again bool) {
	switch {
	case e == unix.EINTR:
		return blocked, true
	case e == unix.EAGAIN:
		return blocked, false
	case e != 0:
		return failed, false
	case n == 0:
		return ended, false
	}
	return done, false
}

func (p *Pair) read(way int, b []byte) {
	d := &p.way[way]
	for {
		n, e := rawRead(p.fd[way], b)
		r, again := went(n, e)
		if again {
			continue
		}
		if r == failed {
			d.err = e
		}
		if r == done {
			d.data = b[:n]
		}
		d.did(opRead, n, r)
		return
	}
}

// hurry sees to it that what is sent to the backend now is not held back.
func (p *Pair) hurry(n int) {
	switch {
	case p.prompt == promptFirst && n <= oneSegment:
		p.prompt = promptUnset
	case p.prompt != promptSet:
		p.prompt = promptSet
		_ = unix.SetsockoptInt(p.fd[backend], unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
}

func (p *Pair) write(way int) {
	d := &p.way[way]
	if way == client {
		p.hurry(len(d.data))
	}
	for {
		n, e := rawWrite(p.fd[1-way], d.data)
		r, again := went(n, e)
		if again {
			continue
		}
		if r == done {
			if d.data = d.data[n:]; len(d.data) == 0 {
				d.drop()
			}
		}
		p.wrote(way, opWrite, n, r, e)
		return
	}
}

// wrote says how a write or a drain went.
func (p *Pair) wrote(way int, o op, n int, r result, e syscall.Errno) {
	d := &p.way[way]
	d.did(o, n, r)
	switch r {
	case done:
		p.flow.Moved(way == client, n)
	case failed:
		d.err = e
		d.drop()
		if Cut(e) && !p.way[1-way].over {
			p.way[1-way].cut, p.way[1-way].err = true, e
		}
	case blocked, ended:
	}
}

func (p *Pair) fill(way int) {
	d := &p.way[way]
	d.pipe = newPipe()
	if d.pipe == nil {
		d.did(opFill, 0, done)
		return
	}
	for {
		n, e := rawSplice(p.fd[way], d.pipe.w, pipeSize)
		r, again := went(n, e)
		if again {
			continue
		}
		if r == failed {
			d.err = e
		}
		if r != done {
			d.pipe.free() // nothing is in it
			d.pipe = nil
		}
		d.did(opFill, n, r)
		return
	}
}

func (p *Pair) drain(way int) {
	d := &p.way[way]
	if way == client {
		p.hurry(d.held)
	}
	for {
		n, e := rawSplice(d.pipe.r, p.fd[1-way], d.held)
		r, again := went(n, e)
		if again {
			continue
		}
		if r == ended { // impossible: the pipe holds something
			r, e = failed, unix.EIO
		}
		if r == done && n == d.held {
			d.pipe.free()
			d.pipe = nil
		}
		p.wrote(way, opDrain, n, r, e)
		return
	}
}
