package proxy_test

import (
	"net"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// answerUDP is a UDP backend: it says its name before what it got.
func answerUDP(t testing.TB, name string) (*backend, *net.UDPConn) {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			_, _ = c.WriteToUDPAddrPort(append([]byte(name+" "), b[:min(n, 60000)]...), from)
		}
	}()
	return &backend{name: name, port: c.LocalAddr().(*net.UDPAddr).Port}, c
}

// peer is one UDP client.
func peer(t testing.TB, port int) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// say sends one datagram and returns the answer, empty when none comes within
// the wait.
func say(c *net.UDPConn, what string, wait time.Duration) string {
	_ = c.SetReadDeadline(time.Now().Add(wait))
	if _, err := c.Write([]byte(what)); err != nil {
		return ""
	}
	b := make([]byte, 64<<10)
	n, err := c.Read(b)
	if err != nil {
		return ""
	}
	return string(b[:n])
}

func TestDatagramsOfOneClientStayTogether(t *testing.T) {
	one, _ := answerUDP(t, "b1")
	two, _ := answerUDP(t, "b2")
	port := freePort(t)
	fleet := pool(", scheduler: rr", "", one, two) + listener("udp", port, "")
	s := setUp(t, fleet)
	where := map[string]int{}
	var peers []*net.UDPConn
	var homes []string
	for range 10 {
		c := peer(t, port)
		first := say(c, "x", patience)
		where[first]++
		peers, homes = append(peers, c), append(homes, first)
	}
	if where["b1 x"] != 5 || where["b2 x"] != 5 {
		t.Fatalf("rr gave %v", where)
	}
	// A change of the table moves none of them, and a drain neither.
	s.apply(pool(", scheduler: rr", ", weight: 50", one, two) + listener("udp", port, ", established: 20s"))
	for i, c := range peers {
		if got := say(c, "x", patience); got != homes[i] {
			t.Errorf("a flow moved from %q to %q", homes[i], got)
		}
	}
	if r := s.reading("l"); r.Active != 10 || r.Totals.Flows != 10 || r.Totals.InBytes != 20 || r.Totals.OutBytes != 80 || r.Totals.Errors != 0 {
		t.Errorf("%+v", r)
	}
	// The largest datagrams pass whole.
	big := string(make([]byte, 60000))
	if got := say(peers[0], big, patience); len(got) != 60003 {
		t.Errorf("60000 bytes came back as %d", len(got))
	}
}

func TestDatagramFlowsAreBounded(t *testing.T) {
	one, _ := answerUDP(t, "b1")
	port := freePort(t)
	s := setUp(t, pool("", "", one)+listener("udp", port, ", flows_max: 3"))
	for n := range 3 {
		if got := say(peer(t, port), "x", patience); got != "b1 x" {
			t.Fatalf("flow %d: %q", n, got)
		}
	}
	late := peer(t, port)
	_, _ = late.Write([]byte("x"))
	eventually(t, "the fourth is refused", func() bool { return s.reading("l").Totals.Errors == 1 })
	if r := s.reading("l"); r.Active != 3 || r.Totals.Flows != 3 {
		t.Errorf("%d flows, %d active", r.Totals.Flows, r.Active)
	}
}

// TestADeadUDPBackendEndsItsFlows: the port is closed, the kernel says so, and
// the client's next datagram goes elsewhere.
func TestADeadUDPBackendEndsItsFlows(t *testing.T) {
	one, conn := answerUDP(t, "b1")
	two, _ := answerUDP(t, "b2")
	port := freePort(t)
	s := setUp(t, pool(", scheduler: rr, ejection: {failures: 1, for: 60s}", "", one, two)+listener("udp", port, ""))
	s.health("b2", api.Down)
	c := peer(t, port)
	if got := say(c, "x", patience); got != "b1 x" {
		t.Fatal(got)
	}
	s.health("b2", api.Up)
	_ = conn.Close()
	eventually(t, "b2 has it", func() bool { return say(c, "x", 50*time.Millisecond) == "b2 x" })
	if r := s.reading("b1"); r.Totals.Errors == 0 || r.Active != 0 {
		t.Errorf("%+v", r.Totals)
	}
}

func TestDatagramsThatNobodyTakesAreCounted(t *testing.T) {
	one, _ := answerUDP(t, "b1")
	port := freePort(t)
	s := setUp(t, pool("", "", one)+listener("udp", port, ""))
	s.health("b1", api.Down)
	_, _ = peer(t, port).Write([]byte("x"))
	eventually(t, "it is counted", func() bool { return s.reading("l").Totals.Errors == 1 })
	s.health("b1", api.Up)
	if got := say(peer(t, port), "x", patience); got != "b1 x" {
		t.Errorf("the answer is %q", got)
	}
}
