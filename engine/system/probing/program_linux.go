package probing

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes are those of a program: a group of its own, and no life after us.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// ended waits until a child has ended, and leaves it to be reaped: until then
// its number, which is its group's, cannot be another's.
func ended(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
