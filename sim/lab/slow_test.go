//go:build lab

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

// slowFor is how long a slow client is watched, and more than twice the time
// both balancers are told to wait.
const slowFor = 8 * time.Second

// slow is a client that sends HOLDFAST_LAB_FIRST at once, then
// HOLDFAST_LAB_DRIP every 200 ms, and prints what it got and after how long.
func slow(address string) error {
	c, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	began := time.Now()
	_ = c.SetDeadline(began.Add(slowFor))
	if _, err := io.WriteString(c, os.Getenv("HOLDFAST_LAB_FIRST")); err != nil {
		return err
	}
	drip := os.Getenv("HOLDFAST_LAB_DRIP")
	if drip == "FIN" {
		_ = c.(*net.TCPConn).CloseWrite()
	} else if drip != "" {
		go func() {
			for tick := time.NewTicker(200 * time.Millisecond); ; <-tick.C {
				if _, err := io.WriteString(c, drip); err != nil {
					return
				}
			}
		}()
	}
	b, err := io.ReadAll(c)
	var ne net.Error
	answer := code(string(b))
	if errors.As(err, &ne) && ne.Timeout() {
		answer = "open"
	}
	fmt.Printf("%s %.1f\n", answer, time.Since(began).Seconds())
	return nil
}

// bothWays starts haproxy and Holdfast side by side, with the same times and
// limits, before the same server.
func bothWays(t *testing.T, s *lab.Stage, wait string) (theirs, ours string, processes [2]*lab.Process) {
	t.Helper()
	servers(t, s, 1)
	h := holdfast(t, s, lab.Spec("http", 8080, []int{8001}, nil, []string{"header: " + wait, "request: " + wait, "idle: " + wait}))
	ha, err := s.Haproxy("http", 16384, fmt.Sprintf(`listen web
  mode http
  bind %[1]s:7000
  timeout http-request %[2]s
  timeout http-keep-alive %[2]s
  timeout client %[2]s
  server s %[3]s:8001
`, lab.FrontAddress, wait, lab.ServerAddress))
	if err != nil {
		t.Fatal(err)
	}
	serves(t, s, front+"/")
	serves(t, s, "http://"+lab.FrontAddress+":7000/")
	return lab.FrontAddress + ":7000", lab.FrontAddress + ":8080", [2]*lab.Process{ha, h.Process}
}

// TestSlowClientsAsHaproxy: who sends slowly, or half, is let go no later than
// haproxy lets go of them.
func TestSlowClientsAsHaproxy(t *testing.T) {
	s := stage(t)
	theirs, ours, _ := bothWays(t, s, "2s")
	rows := []struct{ name, first, drip string }{
		{"not a byte", "", ""},
		{"a head that stops", "GET / HTTP/1.1\r\nHost: x\r\n", ""},
		{"a head, a byte at a time", "GET / HTTP/1.1\r\nHost: x\r\nX: ", "a"},
		{"a head, a header at a time", "GET / HTTP/1.1\r\nHost: x\r\n", "X: a\r\n"},
		{"a body that stops", "POST /seen HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", ""},
		{"a chunked body that stops", "POST /seen HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", ""},
		{"half a head, then FIN", "GET / HTTP/1.1\r\nHost: x\r\n", "FIN"},
		{"half a body, then FIN", "POST /seen HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", "FIN"},
		{"a request, then FIN", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "FIN"},
		{"a request, then silence", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
	}
	// The server behind may answer this one before the end of its body has come, and then
	// haproxy passes that on: half a body is refused here either way.
	const early = "half a body, then FIN"
	type answer struct{ theirs, ours string }
	answers := make([]chan answer, len(rows))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for i, row := range rows {
		answers[i] = make(chan answer, 1)
		go func() { // side by side: they only wait
			var a answer
			done := make(chan struct{})
			one := func(address string) string {
				out, do := role(ctx, s.Client, "slow", address, "HOLDFAST_LAB_FIRST="+row.first, "HOLDFAST_LAB_DRIP="+row.drip)
				if err := do(""); err != nil {
					return err.Error() + " " + out.String()
				}
				return strings.TrimSpace(out.String())
			}
			go func() { defer close(done); a.theirs = one(theirs) }()
			a.ours = one(ours)
			<-done
			answers[i] <- a
		}()
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| %-30s | %-10s | %-10s |\n|---|---|---|\n", "slow client (2 s allowed)", "haproxy", "holdfast")
	for i, row := range rows {
		a := <-answers[i]
		fmt.Fprintf(&table, "| %-30s | %-10s | %-10s |\n", row.name, a.theirs, a.ours)
		var their, our string
		var theirTime, ourTime float64
		if _, err := fmt.Sscan(a.theirs, &their, &theirTime); err != nil {
			t.Errorf("%s: haproxy's client printed %q", row.name, a.theirs)
		}
		if _, err := fmt.Sscan(a.ours, &our, &ourTime); err != nil {
			t.Errorf("%s: our client printed %q", row.name, a.ours)
		}
		if our == "open" && their != "open" || ourTime > theirTime+2 || our == "200" && their != "200" || our != "200" && their == "200" && row.name != early {
			t.Errorf("%s: haproxy %s, Holdfast %s", row.name, a.theirs, a.ours)
		}
	}
	t.Logf("\n%s", &table)
}
