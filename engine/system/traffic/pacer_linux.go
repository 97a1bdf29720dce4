package traffic

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timer is a timerfd in the runtime's poller. The runtime's own timers wake an
// idle process by epoll_wait, whose time-out counts whole milliseconds, so that
// a tick each millisecond would come anywhere within two; a timerfd wakes within
// some ten microseconds and burns nothing while it waits.
type timer struct {
	file *os.File
	buf  [8]byte
}

func newTicker(every time.Duration) (ticker, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("traffic: make a timer: %w", err)
	}
	step := unix.NsecToTimespec(int64(every))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: step, Value: step}, nil); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("traffic: set a timer: %w", err)
	}
	return &timer{file: os.NewFile(uintptr(fd), "timerfd")}, nil
}

// wait returns at once when ticks were missed.
func (t *timer) wait() error {
	_, err := t.file.Read(t.buf[:])
	return err
}

func (t *timer) close() { _ = t.file.Close() }
