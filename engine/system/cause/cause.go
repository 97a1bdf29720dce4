// Package cause says an error of the network in words for people: "connection
// refused" rather than "dial tcp 127.11.0.1:80: connect: connection refused".
// Where it happened stands beside it on every screen already.
package cause

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// wordsMax bounds a text that somebody else's program may have written.
const wordsMax = 200

// Of returns err in words. A time-out says how long was waited.
func Of(err error, waited time.Duration) string {
	var timeout net.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %s", waited)
	case errors.Is(err, context.Canceled):
		return "given up, this host is stopping"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH):
		return "host unreachable"
	case errors.Is(err, syscall.ENETUNREACH):
		return "network unreachable"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without a whole answer"
	case errors.Is(err, os.ErrPermission):
		return "not permitted"
	}
	return Printable(err.Error())
}

// Ours reports whether an error says that this host ran short of something, and
// so nothing about the other end.
func Ours(err error) bool {
	for _, mine := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, mine) {
			return true
		}
	}
	return false
}

// Printable makes one short line of a text from outside: what it may hold must
// not reach a terminal as it is.
func Printable(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.TrimSpace(strings.ToValidUTF8(s, "?")))
	if len(s) > wordsMax {
		s = strings.ToValidUTF8(s[:wordsMax], "") + "…"
	}
	return s
}
