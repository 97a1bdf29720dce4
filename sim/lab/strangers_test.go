//go:build lab

package lab_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/setup"
	"github.com/holdfast-edge/holdfast/sim/lab"
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

// strangers: random bytes at every port, hosts of another fleet, certificates that are
// over, tokens that were used, heartbeats under a wrong key and from a tape are refused,
// and disturb nothing.
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

	// Somebody whose certificate another authority signed, under the name of a host; and
	// a host of this fleet whose own is over.
	victim := r.Sites[1].Hosts[0]
	foreign, over := filepath.Join(r.Dir, "stranger"), filepath.Join(r.Dir, "over")
	authority(r.T, "lab")(victim.Name, victim.Site().Name, foreign)
	r.expired(victim.Name, victim.Site().Name, over)
	r.refused(dial, "a foreign certificate", foreign)
	r.refused(dial, "a certificate that is over", over)
	r.usedToken(from)
	r.tape(h, from)

	x.agree("after strangers", r.Sites...)
	x.end()
	if a := r.agents[h]; !a.Runs() || a.Process().PID() != pid {
		r.Errorf("the agent of %s did not survive strangers", h)
	}
	r.Logf("the agent logged %d lines", strings.Count(r.agents[h].Log(), "\n"))
}

// expired signs with the fleet's own root what ended an hour ago.
func (r *running) expired(name, site, dir string) {
	key, csr, err := identity.NewRequest()
	r.must(err)
	chain, err := r.root.SignFor(time.Now().Add(-2*time.Hour), csr, identity.Name{Fleet: r.root.Fleet(), Site: site, Host: name}, time.Hour)
	r.must(err)
	files, err := identity.OpenFiles(dir)
	r.must(err)
	r.must(files.SaveHost(identity.Credentials{Key: key, Chain: chain, Roots: r.root.Roots()}))
}

// refused asks with a certificate in each of the agents' languages.
func (r *running) refused(dial func(network string, port int) net.Conn, what, dir string) {
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
		if refused := strings.HasPrefix(string(answer), "HTTP/1.1 403 "); err == nil && len(answer) > 0 && !refused {
			r.Errorf("%s with %s is answered: %.300q", what, protocol, answer)
		}
		_ = raw.Close()
	}
}

// usedToken: a token lets one host in, and nobody after it.
func (r *running) usedToken(from *lab.Host) {
	h := r.Sites[0].Hosts[1]
	dir := filepath.Join(r.Dir, "thief")
	_, err := r.try(from, "agent", "--join", r.used[h], "--agent", r.Sites[0].Hosts[0].Address.String(), "--host", h.Name, "--address", from.Address.String(), "--state", dir)
	if err == nil || !strings.Contains(err.Error(), api.ReasonTokenUsed.Sentence()) {
		r.Errorf("a token that was used: %v", err)
	}
	if _, err := os.Stat(setup.Identity(dir)); err == nil {
		r.Error("the thief has an identity")
	}
}

// tape: heartbeats of real hosts come again from somebody who heard them, as they were
// and with a bit of their seal turned, which is what a wrong key is.
func (r *running) tape(h, from *lab.Host) {
	heard, err := h.Capture(7421, 20)
	r.must(err)
	counts := regexp.MustCompile(`WrongKey:[1-9]\d*.* Replayed:[1-9]`)
	eventually(r.T, "the log says what was refused", func() error {
		c, err := from.Dial(r.Context(), "udp", net.JoinHostPort(h.Address.String(), "7421"))
		if err != nil {
			return err
		}
		defer c.Close()
		for _, p := range heard {
			_, _ = c.Write(p)
			forged := slices.Clone(p)
			forged[len(forged)-1] ^= 1
			_, _ = c.Write(forged)
		}
		if !counts.MatchString(r.agents[h].Log()) {
			return errors.New("not yet")
		}
		return nil
	})
}
