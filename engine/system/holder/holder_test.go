package holder_test

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/system/holder"
)

// TestOwnSockets finds sockets of this process by each kind of address.
func TestOwnSockets(t *testing.T) {
	tcp := func(network, address string) string {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Skipf("%s %s: %v", network, address, err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l.Addr().String()
	}
	one := tcp("tcp4", "127.44.0.1:0")
	wild := tcp("tcp4", "0.0.0.0:0")
	_, wildPort, _ := net.SplitHostPort(wild)
	pc, err := net.ListenPacket("udp4", "127.44.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	_, udpPort, _ := net.SplitHostPort(pc.LocalAddr().String())
	_, onePort, _ := net.SplitHostPort(one)
	s := holder.Look()
	for _, c := range []struct {
		network, address string
		taken            bool
	}{
		{"tcp", one, true},
		{"tcp", "127.44.0.2:" + onePort, false},
		{"udp", one, false},
		{"tcp", "0.0.0.0:" + onePort, true}, // who wants all of them meets it too
		{"tcp", "127.44.0.9:" + wildPort, true},
		{"udp", "127.44.0.1:" + udpPort, true},
		{"tcp", "127.44.0.1:" + udpPort, false},
		{"tcp", "nonsense", false},
		{"", one, false},
	} {
		h, taken := s.Of(c.network, c.address)
		if taken != c.taken || taken && (h.PID != os.Getpid() || !strings.Contains(h.String(), h.Program) || h.Program == "") {
			t.Errorf("%s %s: %t, %s", c.network, c.address, taken, h)
		}
	}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		defer func() { _ = l.Close() }()
		if h, taken := holder.Look().Of("tcp", l.Addr().String()); !taken || h.PID != os.Getpid() {
			t.Errorf("%s: %t, %s", l.Addr(), taken, h)
		}
	}
}

func TestUnknownHolder(t *testing.T) {
	if s := (holder.Holder{UID: 0}).String(); s != "a process of user root" {
		t.Error(s)
	}
	if s := (holder.Holder{UID: 987654}).String(); s != "a process of user 987654" {
		t.Error(s)
	}
}
