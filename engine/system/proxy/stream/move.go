package stream

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// bufferSize takes most requests and answers whole, and a TLS record.
const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// move copies src to dst until src ends. It says which side failed.
func move(dst, src net.Conn, count func(int)) (read, write error) {
	t, ok := src.(*net.TCPConn)
	if !ok {
		return plain(dst, src, count)
	}
	m := mover{dst: dst, count: count}
	if m.src, read = t.SyscallConn(); read != nil {
		return read, nil
	}
	m.readable = m.take
	for {
		read, write = m.step()
		if read != nil || write != nil || m.ended {
			return read, write
		}
	}
}

// mover moves what is there, a piece at a time. Its function is made once, so
// that a piece allocates nothing.
type mover struct {
	src   syscall.RawConn
	dst   io.Writer
	count func(int)

	readable func(uintptr) bool

	buf   *[bufferSize]byte
	n     int  // of the piece
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

// step moves what is there once.
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

// plain moves bytes out of TLS.
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
