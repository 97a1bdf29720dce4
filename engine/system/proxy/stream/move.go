package stream

import (
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sizes of a copy. A read of 16 KiB takes most requests and answers whole. Once
// spliceAfter bytes came without a pause it is a long body, and the kernel moves
// its bytes without showing them: that costs two calls and a pipe for each
// piece, and pays only for large pieces. So spliceSmall pieces below a buffer's
// size in a row end it.
const (
	bufferSize  = 16 << 10
	spliceAfter = 4 * bufferSize
	spliceSmall = 3
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// move copies src to dst until src ends. It says which side failed.
func move(dst, src net.Conn, count func(int)) (read, write error) {
	ts, ok := src.(*net.TCPConn)
	if !ok {
		return plain(dst, src, count)
	}
	from, err := ts.SyscallConn()
	if err != nil {
		return err, nil
	}
	m := mover{src: from, dst: dst, count: count}
	after := math.MaxInt // bytes behind TLS are not for the kernel alone
	if td, ok := dst.(*net.TCPConn); ok {
		if m.to, err = td.SyscallConn(); err != nil {
			return nil, err
		}
		after = spliceAfter
	}
	m.readable, m.spliceable, m.writable = m.take, m.fill, m.drain
	run, small := 0, 0
	for {
		if run < after {
			read, write = m.step()
			if run += m.n; m.n < bufferSize {
				run = 0
			}
		} else {
			read, write = m.splice()
			if m.n >= bufferSize {
				small = 0
			} else if small++; small == spliceSmall || m.n == 0 {
				run, small = 0, 0
			}
		}
		if read != nil || write != nil || m.ended {
			return read, write
		}
	}
}

// mover moves what is there, a piece at a time. Its three functions are made
// once, so that a piece allocates nothing.
type mover struct {
	src   syscall.RawConn
	dst   io.Writer
	to    syscall.RawConn
	count func(int)

	readable, spliceable, writable func(uintptr) bool

	buf   *[bufferSize]byte
	pipe  *pipe
	n     int  // of the piece
	left  int  // of it in the pipe
	ended bool // src has
	err   error
}

// take reads without waiting. The buffer is taken only when there is something
// to read, so that an idle flow holds none.
func (m *mover) take(fd uintptr) bool {
	m.buf = buffers.Get().(*[bufferSize]byte)
	for {
		m.n, m.err = unix.Read(int(fd), m.buf[:])
		if m.err != unix.EINTR {
			break
		}
	}
	if m.err == unix.EAGAIN {
		buffers.Put(m.buf)
		m.buf = nil
		return false
	}
	return true
}

// step moves what is there once, through a buffer.
func (m *mover) step() (read, write error) {
	m.n = 0
	wait := m.src.Read(m.readable)
	if m.buf != nil {
		defer func() {
			buffers.Put(m.buf)
			m.buf = nil
		}()
	}
	switch {
	case wait != nil:
		return wait, nil
	case m.err != nil:
		m.n = 0
		return m.err, nil
	case m.n == 0:
		m.ended = true
		return nil, nil
	}
	if _, err := m.dst.Write(m.buf[:m.n]); err != nil {
		return nil, err
	}
	m.count(m.n)
	return nil, nil
}

// splice moves what is there once, inside the kernel.
func (m *mover) splice() (read, write error) {
	m.n, m.err = 0, nil
	wait := m.src.Read(m.spliceable)
	switch {
	case wait != nil:
		return wait, nil
	case errors.Is(m.err, errNoPipe):
		return nil, nil // n is 0: a buffer will do
	case m.err != nil:
		return m.err, nil
	case m.n == 0:
		m.ended = true
		return nil, nil
	}
	m.left = m.n
	wait = m.to.Write(m.writable)
	if wait == nil {
		wait = m.err
	}
	if wait != nil {
		m.pipe.close() // what is left in it must not reach another flow
		m.pipe = nil
		return nil, wait
	}
	m.pipe.free()
	m.pipe = nil
	m.count(m.n)
	return nil, nil
}

const spliceFlags = unix.SPLICE_F_NONBLOCK | unix.SPLICE_F_MOVE

// fill splices src into a pipe without waiting. Like a buffer, the pipe is held
// only while something is in it.
func (m *mover) fill(fd uintptr) bool {
	if m.pipe = newPipe(); m.pipe == nil {
		m.err = errNoPipe
		return true
	}
	var n int64
	for {
		n, m.err = unix.Splice(int(fd), nil, m.pipe.w, nil, pipeSize, spliceFlags)
		if m.err != unix.EINTR {
			break
		}
	}
	if m.n = int(n); n > 0 {
		return true
	}
	m.pipe.free()
	m.pipe, m.n = nil, 0
	return m.err != unix.EAGAIN
}

// drain splices the pipe into dst until it is empty.
func (m *mover) drain(fd uintptr) bool {
	for m.left > 0 {
		var n int64
		n, m.err = unix.Splice(m.pipe.r, nil, int(fd), nil, m.left, spliceFlags)
		switch {
		case m.err == unix.EAGAIN:
			m.err = nil
			return false
		case m.err == unix.EINTR:
			continue
		case m.err != nil:
			return true
		}
		m.left -= int(n)
	}
	return true
}

// plain moves bytes that the process must see: TLS.
func plain(dst io.Writer, src io.Reader, count func(int)) (read, write error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		n, err := src.Read(buf[:])
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return nil, err
			}
			count(n)
		}
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return err, nil
		}
	}
}
