package sshd

import (
	"errors"
	"io"
	"sync"
	"time"
)

// behindMax is how far a terminal may be behind what was drawn for it. The SSH
// window holds two megabytes more; whoever is that late looks at the past.
const behindMax = 1 << 20

var errBehind = errors.New("the terminal does not read what is drawn for it")

// lagWriter hands bytes on from a goroutine of its own, so that who draws never
// waits for who reads. When more than a bound is waiting it drops everything and
// says so once.
type lagWriter struct {
	to   io.Writer
	most int
	drop func()

	mu      sync.Mutex
	wake    *sync.Cond
	buf     []byte
	waiting int // of buf and of what is being handed on
	ended   bool
	idle    chan struct{} // closed when the goroutine has ended
}

func newLagWriter(to io.Writer, most int, drop func()) *lagWriter {
	w := &lagWriter{to: to, most: most, drop: drop, idle: make(chan struct{})}
	w.wake = sync.NewCond(&w.mu)
	go w.run()
	return w
}

func (w *lagWriter) run() {
	defer close(w.idle)
	for {
		w.mu.Lock()
		for len(w.buf) == 0 && !w.ended {
			w.wake.Wait()
		}
		b := w.buf
		w.buf = nil
		w.mu.Unlock()
		if len(b) == 0 {
			return
		}
		_, err := w.to.Write(b)
		w.mu.Lock()
		w.waiting -= len(b)
		if err != nil {
			w.ended, w.buf = true, nil
		}
		w.mu.Unlock()
	}
}

// Write implements io.Writer. It keeps a copy and does not wait. One frame is
// taken whatever its size, as long as none is waiting.
func (w *lagWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ended:
		return 0, io.ErrClosedPipe
	case w.waiting > 0 && w.waiting+len(p) > w.most:
		w.ended, w.buf = true, nil
		w.wake.Signal()
		go w.drop() // who writes may hold locks that dropping needs
		return 0, errBehind
	}
	w.buf = append(w.buf, p...)
	w.waiting += len(p)
	w.wake.Signal()
	return len(p), nil
}

// finish hands on what is left, and returns after a while all the same: the
// goroutine then ends with the channel.
func (w *lagWriter) finish(within time.Duration) {
	w.mu.Lock()
	w.ended = true
	w.wake.Signal()
	w.mu.Unlock()
	select {
	case <-w.idle:
	case <-time.After(within):
	}
}

// stallAfter is how long a command's output may wait for a reader who takes
// nothing of it at all.
const stallAfter = time.Minute

// stallWriter waits for its reader, but not for one that takes nothing.
type stallWriter struct {
	to    io.Writer
	after time.Duration
	drop  func()
}

// pieceMax is how much has to be taken within the time.
const pieceMax = 32 << 10

// Write implements io.Writer.
func (w stallWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		piece := p[:min(len(p), pieceMax)]
		t := time.AfterFunc(w.after, w.drop)
		k, err := w.to.Write(piece)
		t.Stop()
		n += k
		if err != nil {
			return n, err
		}
		p = p[len(piece):]
	}
	return n, nil
}
