package stream

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"golang.org/x/sys/unix"
)

// relay is one flow between its client and its backend.
type relay struct {
	client, backend net.Conn
	meters          [2]counter // the listener's and the backend's

	last     atomic.Int64 // when bytes were seen last, Unix nanoseconds
	answered atomic.Int64 // bytes from the backend
	closed   atomic.Bool
}

// counter is a meter.Meter.
type counter interface {
	In(int64)
	Out(int64)
}

// backendError is a failure of the backend's end.
type backendError struct{ error }

func (e backendError) Unwrap() error { return e.error }

func (r *relay) touch() { r.last.Store(time.Now().UnixNano()) }

// idleFor is how long no byte was seen, in either direction. While the kernel
// moves the bytes the relay does not see them, and asks it.
func (r *relay) idleFor() time.Duration {
	idle := time.Since(time.Unix(0, r.last.Load()))
	if idle < 5*time.Second {
		return idle
	}
	for _, c := range []net.Conn{r.client, r.backend} {
		if w, ok := c.(*front.Conn); ok {
			_, c = w.Rest()
		}
		if t, ok := c.(*net.TCPConn); ok {
			idle = min(idle, kernelIdle(t))
		}
	}
	return idle
}

// kernelIdle is the time since the kernel saw data of a connection.
func kernelIdle(c *net.TCPConn) time.Duration {
	raw, err := c.SyscallConn()
	if err != nil {
		return 1 << 62
	}
	idle := time.Duration(1 << 62)
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			idle = time.Duration(min(info.Last_data_recv, info.Last_data_sent)) * time.Millisecond
		}
	})
	return idle
}

// close ends the flow at once.
func (r *relay) close() {
	if r.closed.Swap(true) {
		return
	}
	_ = r.client.Close()
	_ = r.backend.Close()
}

// run moves bytes both ways until both have ended, or one has failed. first and
// second go to the backend before anything else.
func (r *relay) run(first, second []byte) error {
	defer r.close()
	var rest []byte
	client := r.client
	if w, ok := client.(*front.Conn); ok {
		rest, client = w.Rest()
	}
	for _, b := range [][]byte{first, second, rest} {
		if len(b) > 0 {
			if _, err := r.backend.Write(b); err != nil {
				return backendError{err}
			}
		}
	}
	up := make(chan error, 1)
	go func() {
		up <- r.copy(r.backend, client, r.in)
	}()
	down := r.copy(client, r.backend, r.out)
	if down != nil {
		r.close() // the client must see a broken answer as broken
	}
	return errors.Join(down, <-up)
}

func (r *relay) in(n int64) {
	r.meters[0].In(n)
	r.meters[1].In(n)
	r.touch()
}

func (r *relay) out(n int64) {
	r.meters[0].Out(n)
	r.meters[1].Out(n)
	r.answered.Add(n)
	r.touch()
}

// Sizes of a copy. A read of 16 KiB takes most requests and answers whole; past
// spliceAfter bytes of one direction the kernel moves them itself, which pays
// for its set-up only in long bodies.
const (
	bufferSize  = 16 << 10
	spliceAfter = 64 << 10
	spliceChunk = 1 << 20
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// copy moves one direction to its end and closes that half.
func (r *relay) copy(dst, src net.Conn, count func(int64)) error {
	err := r.move(dst, src, count)
	if err == nil {
		if h, ok := dst.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite()
		}
		return nil
	}
	if src == r.backend || dst == r.backend && !isRead(err) {
		err = backendError{err}
	}
	r.close()
	return err
}

// readError marks a failure of the source.
type readError struct{ error }

func (e readError) Unwrap() error { return e.error }

func isRead(err error) bool { return errors.As(err, new(readError)) }

func (r *relay) move(dst, src net.Conn, count func(int64)) error {
	ts, ok1 := src.(*net.TCPConn)
	td, ok2 := dst.(*net.TCPConn)
	if !ok1 || !ok2 {
		return plain(dst, src, count)
	}
	raw, err := ts.SyscallConn()
	if err != nil {
		return err
	}
	total := int64(0)
	for total < spliceAfter {
		n, err := step(td, raw, count)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		total += int64(n)
	}
	for {
		n, err := io.CopyN(td, ts, spliceChunk)
		if n > 0 {
			count(n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// step moves what is there once. The buffer is taken only when there is
// something to read, so that an idle flow holds none.
func step(dst *net.TCPConn, src syscall.RawConn, count func(int64)) (int, error) {
	var buf *[bufferSize]byte
	var n int
	var err error
	wait := src.Read(func(fd uintptr) bool {
		buf = buffers.Get().(*[bufferSize]byte)
		for {
			n, err = unix.Read(int(fd), buf[:])
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if errors.Is(err, unix.EAGAIN) {
			buffers.Put(buf)
			buf = nil
			return false
		}
		return true
	})
	if buf != nil {
		defer buffers.Put(buf)
	}
	switch {
	case wait != nil:
		return 0, readError{wait}
	case err != nil:
		return 0, readError{err}
	case n == 0:
		return 0, nil
	}
	if _, err := dst.Write(buf[:n]); err != nil {
		return 0, err
	}
	count(int64(n))
	return n, nil
}

// plain moves bytes that the process must see: TLS.
func plain(dst io.Writer, src io.Reader, count func(int64)) error {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		n, err := src.Read(buf[:])
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
			count(int64(n))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return readError{err}
		}
	}
}
