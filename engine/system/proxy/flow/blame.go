package flow

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
)

// Blame says what a failure to reach or to use a backend tells of it. A host
// that has no descriptor, port or memory left says nothing of its backends, and
// would otherwise eject all of them.
func Blame(err error) Outcome {
	if err == nil {
		return Outcome{}
	}
	return Outcome{Failed: !Local(err), Reason: Words(err), Client: Local(err), Refused: errors.Is(err, syscall.ECONNREFUSED)}
}

// Local reports whether a failure is this host's own: its sockets, ports or
// memory ran out, or it is stopping.
func Local(err error) bool {
	for _, e := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EADDRNOTAVAIL, // no port is free
		syscall.EAGAIN,        // the same, for UDP
		context.Canceled, net.ErrClosed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Unreached reports whether a failure came before anything was sent: connecting
// failed. Whatever was to be sent can go elsewhere, and as no backend has had
// any work of it, that is in no budget.
func Unreached(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// Words says a failure for people.
func Words(err error) string {
	var ne net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to it"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "this host has no descriptor left"
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAGAIN):
		return "this host has no port left"
	case errors.As(err, &ne) && ne.Timeout():
		return "connecting timed out"
	case errors.Is(err, io.EOF):
		return "connection closed"
	}
	return err.Error()
}
