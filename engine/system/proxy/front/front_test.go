package front_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/meter"
)

func front1(t *testing.T, l *spec.Listener) *front.Front {
	t.Helper()
	f := &front.Front{Name: "l", Meter: &meter.Meter{}, Log: slog.New(slog.DiscardHandler)}
	if err := f.Set(l); err != nil {
		t.Fatal(err)
	}
	return f
}

// pair is both ends of a TCP connection.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	return client, server
}

// TestAProxyHeaderIsTakenOffAndBelieved: only where it is expected, from peers
// that may speak for others, and with nothing behind it lost.
func TestAProxyHeaderIsTakenOffAndBelieved(t *testing.T) {
	const v1 = "PROXY TCP4 192.0.2.7 192.0.2.8 1234 443\r\n"
	for _, row := range []struct {
		name   string
		proxy  spec.ProxyProtocol
		trust  []string
		sent   string
		source string // empty: refused
		rest   string
	}{
		{"not expected", spec.ProxyOff, nil, v1 + "hello", "127.0.0.1", v1 + "hello"},
		{"expected", spec.ProxyV1, nil, v1 + "hello", "192.0.2.7", "hello"},
		{"either", spec.ProxyAny, nil, v1 + "hello", "192.0.2.7", "hello"},
		{"the other version", spec.ProxyV2, nil, v1 + "hello", "", ""},
		{"absent", spec.ProxyV1, nil, "GET / HTTP/1.1\r\n\r\n", "", ""},
		{"from one who may", spec.ProxyV1, []string{"127.0.0.0/8"}, v1 + "hello", "192.0.2.7", "hello"},
		{"from one who may not", spec.ProxyV1, []string{"192.0.2.0/24"}, v1 + "hello", "", ""},
		{"of the sender itself", spec.ProxyV1, nil, "PROXY UNKNOWN\r\nhello", "127.0.0.1", "hello"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := front1(t, &spec.Listener{Name: "l", Proxy: row.proxy, TrustFrom: row.trust})
			client, server := pair(t)
			_, _ = io.WriteString(client, row.sent)
			_ = client.(*net.TCPConn).CloseWrite()
			c, err := f.Now().Unwrap(server)
			if (err == nil) != (row.source != "") {
				t.Fatalf("it ended with %v", err)
			}
			if err != nil {
				return
			}
			if got := front.AddrOf(c.RemoteAddr()).Addr(); got != netip.MustParseAddr(row.source) {
				t.Errorf("the client is %s, want %s", got, row.source)
			}
			if b, err := io.ReadAll(c); err != nil || string(b) != row.rest {
				t.Errorf("behind it comes %q, %v", b, err)
			}
		})
	}
}

// TestRestIsWhatWasReadTooFar: the kernel may move bytes by itself only from
// where the buffer ends.
func TestRestIsWhatWasReadTooFar(t *testing.T) {
	f := front1(t, &spec.Listener{Name: "l", Proxy: spec.ProxyV1})
	client, server := pair(t)
	_, _ = io.WriteString(client, "PROXY UNKNOWN\r\nhello")
	c, err := f.Now().Unwrap(server)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "he" {
		t.Fatalf("%q, %v", b, err)
	}
	if rest, below := c.(*front.Conn).Rest(); string(rest) != "llo" || below != server {
		t.Errorf("the rest is %q", rest)
	}
}

// failing is a listener that has bad moments.
type failing struct {
	net.Listener
	bad atomic.Int32
}

func (l *failing) Accept() (net.Conn, error) {
	if l.bad.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// TestAcceptOutlivesBadMoments: without descriptors it waits; at the listener's
// limit it turns away; closing ends it.
func TestAcceptOutlivesBadMoments(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &failing{Listener: inner}
	l.bad.Store(3)
	f := front1(t, &spec.Listener{Name: "l", FlowsMax: 1})
	served := make(chan net.Conn, 4)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.Accept(context.Background(), l, func(c net.Conn) { f.Meter.FlowOpen(); served <- c })
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial()
	<-served
	if _, err := dial().Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("one over the limit got %v", err)
	}
	f.Meter.FlowClose()
	dial()
	<-served
	_ = l.Close()
	<-ended
}

// TestRefusedSettingsLeaveTheOldOnes: a certificate that cannot be read.
func TestRefusedSettingsLeaveTheOldOnes(t *testing.T) {
	old := &spec.Listener{Name: "l"}
	f := front1(t, old)
	err := f.Set(&spec.Listener{Name: "l", TLS: &spec.TLS{Certificates: []spec.Certificate{{Chain: "absent.pem", Key: "absent.key"}}}})
	if err == nil || f.Now().Spec != old {
		t.Errorf("%v; the settings are %+v", err, f.Now().Spec)
	}
}
