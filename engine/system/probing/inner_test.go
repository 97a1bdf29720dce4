package probing

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/plain"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// A host without room for a probe says so, and blames no target.
func TestNoSlot(t *testing.T) {
	r := withSlots(nil, 1)
	r.slots <- struct{}{}
	p := spec.Probe{Kind: spec.ProbeTCP, Timeout: spec.Duration(time.Second)}
	l := probe.Launch{Address: "127.34.2.1:1", Probe: &p}
	if o := r.Run(t.Context(), l); o.Verdict != probe.Unable || !strings.HasPrefix(o.Reason, "1 probes are under way") {
		t.Errorf("got %+v", o)
	}
	<-r.slots
	if o := r.Run(t.Context(), l); o.Verdict != probe.Fail || o.Reason != "connection refused" {
		t.Errorf("with a slot it got %+v", o)
	}
}

// What this host ran short of says nothing of the target.
func TestOursAndTheirs(t *testing.T) {
	for err, want := range map[error]string{
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}: "connection refused",
		&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}: "host unreachable",
		lacking("no answer", context.DeadlineExceeded):                                     "no answer within 3s",
		lacking("no answer", os.ErrDeadlineExceeded):                                       "no answer within 3s",
		lacking("no answer", io.EOF):                                                       "connection closed without a whole answer",
	} {
		if got := words(err, 3*time.Second); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
	for err, ours := range map[error]bool{syscall.EMFILE: true, syscall.ENOBUFS: true, syscall.EPERM: true, syscall.ECONNREFUSED: false, syscall.EMSGSIZE: false} {
		if got := errors.As(unsent("no answer", err), new(unableError)); got != ours {
			t.Errorf("%v is this host's own: %t, want %t", err, got, ours)
		}
	}
	if err := certificateWords(x509.SystemRootsError{Err: os.ErrNotExist}); !errors.As(err, new(unableError)) {
		t.Errorf("a host without roots says %v of its target", err)
	}
}

func fuzzed() *spec.HTTPCheck {
	return &spec.HTTPCheck{Method: "GET", Path: "/", Status: []string{"200-299"}, Body: "needle"}
}

// FuzzAnswer: whatever a server says, the probe ends, and what it says of it can
// be shown.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"", "HTTP/1.1 200 OK\r\n\r\nneedle", "HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnee",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnee\r\n3\r\ndle\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
		"\x1b[2J", "HTTP/9.9 999 \x07\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", "HTTP/1.1 503 x\n\n",
	} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, whole bool) {
		var c io.Reader = bytes.NewReader(b)
		if !whole {
			c = io.MultiReader(c, strings.NewReader(strings.Repeat("x", headMax+2*bodyMax)))
		}
		err := answer(c, fuzzed())
		if err == nil {
			if !bytes.Contains(b, []byte("n")) {
				t.Error("it passed without its text")
			}
			return
		}
		if s := words(err, time.Second); s == "" || len(s) > 300 || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("not fit to be shown: %q", s)
		}
	})
}

// FuzzPlain: what the quick look says of an answer, the long one says too.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 503 Out\r\nContent-Length: 5\r\nX-A:\tb\r\n\r\nsorry", "HTTP/1.1 204\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\r\n a: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 05\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 999 \r\nA:b\nC:d\r\n\r\n", "HTTP/1.1 200 \x00\r\n\r\n", "HTTP/1.1 +20 x\r\n\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, head bool) {
		h := &spec.HTTPCheck{Method: "GET", Path: "/", Status: []string{"200-299", "404"}}
		if head {
			h.Method = "HEAD"
		}
		seen, ok := plain.Read(b)
		if !ok {
			return
		}
		said, want := fmt.Sprint(statusError(seen.Status, h.Status)), fmt.Sprint(answer(bytes.NewReader(b), h))
		if said != want {
			t.Errorf("the quick look says %s, the long one %s, of %q", said, want, b)
		}
	})
}

// FuzzPong: only the echo of the very nonce is an answer.
func FuzzPong(f *testing.F) {
	nonce := []byte("holdfast 1 2 3")
	good, err := (&icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &icmp.Echo{ID: 1, Seq: 1, Data: nonce}}).Marshal(nil)
	if err != nil {
		f.Fatal(err)
	}
	if !pong(good, 1, ipv4.ICMPTypeEchoReply, nonce) {
		f.Fatal("the right answer is none")
	}
	f.Add(good)
	f.Add([]byte{})
	f.Add(good[:9])
	f.Add([]byte{8, 0, 0, 0, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if pong(b, 1, ipv4.ICMPTypeEchoReply, nonce) && !bytes.Contains(b, nonce) {
			t.Errorf("%x was taken for an answer", b)
		}
	})
}
