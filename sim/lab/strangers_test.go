//go:build lab

package lab_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// agentPorts are those of an agent, TCP and UDP.
var (
	agentTCP = []int{7420, 7422, 7423}
	agentUDP = []int{7421, 7422, 7423}
)

// agentProtocols are what an agent speaks to who is of its fleet.
var agentProtocols = []string{"holdfast-api/1", "holdfast-replica/1", "holdfast-host/1", "holdfast-relay/1"}

// noise is how many random bytes each port gets, as often as noiseTimes.
const (
	noise      = 10_000
	noiseTimes = 20
)

// strangers: random bytes at every port and hosts of another fleet are refused, and
// disturb nothing.
func (r *running) strangers() {
	x := r.trial(1)
	h := r.acting()
	from := r.Sites[0].Client
	pid := r.agents[h].Process().PID()
	random := rand.NewChaCha8([32]byte{1})
	bytes := func(n int) []byte {
		b := make([]byte, n)
		_, _ = random.Read(b)
		return b
	}
	ctx, cancel := context.WithTimeout(r.Context(), 60*time.Second)
	defer cancel()
	dial := func(network string, port int) net.Conn {
		c, err := from.Dial(ctx, network, net.JoinHostPort(h.Address.String(), fmt.Sprint(port)))
		if err != nil {
			r.Fatalf("%s port %d: %v", network, port, err)
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		return c
	}
	for range noiseTimes {
		for _, port := range agentTCP {
			c := dial("tcp", port)
			// It may hang up before it has all of it.
			_, _ = c.Write(bytes(noise))
			_ = c.Close()
		}
		for _, port := range agentUDP {
			c := dial("udp", port)
			for left := noise; left > 0; left -= 1400 {
				_, _ = c.Write(bytes(min(left, 1400)))
			}
			_ = c.Close()
		}
	}

	// Somebody whose certificate another authority signed, under the name of a host.
	dir := filepath.Join(r.Dir, "stranger")
	authority(r.T, "lab")(r.Sites[1].Hosts[0].Name, r.Sites[1].Name, dir)
	files, err := identity.OpenFiles(dir)
	r.must(err)
	own, err := files.LoadHost()
	r.must(err)
	cert := tls.Certificate{PrivateKey: own.Key}
	for _, c := range own.Chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	for _, protocol := range agentProtocols {
		raw := dial("tcp", 7420)
		c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}, Certificates: []tls.Certificate{cert}})
		// The handshake may end well for the client before it is refused; then no
		// answer comes.
		_, err := io.WriteString(c, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
		var answer []byte
		if err == nil {
			answer, err = io.ReadAll(c)
		}
		r.Logf("a foreign certificate, %s: %.300q, %v", protocol, answer, err)
		if refused := strings.HasPrefix(string(answer), "HTTP/1.1 403 "); err == nil && len(answer) > 0 && !refused {
			r.Errorf("a stranger with %s is answered: %.300q", protocol, answer)
		}
		_ = raw.Close()
	}
	x.agree("after strangers", r.Sites...)
	x.end()
	if a := r.agents[h]; !a.Runs() || a.Process().PID() != pid {
		r.Errorf("the agent of %s did not survive strangers", h)
	}
	r.Logf("the agent logged %d lines", strings.Count(r.agents[h].Log(), "\n"))
}
