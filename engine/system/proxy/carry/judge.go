package carry

import (
	"errors"
	"net"
	"syscall"
)

// Failure is why one direction of a flow ended before its time.
type Failure struct {
	Err     error
	Backend bool // it is the backend's end that failed
}

// Broken reports whether a direction's failure is the end of the flow. A backend
// that takes no more may have answered for good, as a web server does that
// refuses a long upload: what it said must reach the client.
func (f *Failure) Broken(up bool) bool { return f != nil && !(up && f.Backend) }

// Cut reports whether a failure to send to an end says that what this end sends
// was cut, too: it broke without having ended it, or the kernel would say EPIPE.
func Cut(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// Judge says, of a flow whose directions are both over, what is to be held
// against its backend; nil for nothing. A flow that was closed from here says
// nothing of anybody.
func Judge(down, up *Failure, answered bool) error {
	switch {
	case down != nil && down.Backend && !errors.Is(down.Err, net.ErrClosed):
		return down.Err // it broke while it should have answered
	case up != nil && up.Backend && !answered && !errors.Is(up.Err, net.ErrClosed):
		return up.Err // it took no more, and had not said a word
	}
	return nil
}
