package carry

import "golang.org/x/sys/unix"

// pipeSize is how much is asked of a splice. The pipe is made as large where the
// user's share of pipe pages allows it (pipe(7), pipe-user-pages-soft), and is
// smaller otherwise.
const pipeSize = 512 << 10

// pipesKept is how many empty pipes wait for their next use; a busy host needs
// about one a processor, for a pipe is held only while bytes are in it.
const pipesKept = 32

// pipe is a kernel buffer between two sockets.
type pipe struct{ r, w int }

var pipes = make(chan *pipe, pipesKept)

// newPipe returns an empty pipe; nil when there are no descriptors.
func newPipe() *pipe {
	select {
	case p := <-pipes:
		return p
	default:
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil
	}
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize)
	return &pipe{r: fds[0], w: fds[1]}
}

// free gives an empty pipe back.
func (p *pipe) free() {
	select {
	case pipes <- p:
	default:
		p.close()
	}
}

func (p *pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}
