package probing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// udp sends the request and waits for an answer that begins as expected. A
// request without an expectation passes when nothing refuses it within a tenth
// of the time-out: UDP gives no better sign.
func udp(ctx context.Context, l probe.Launch) error {
	c, err := dial(ctx, "udp", l.Address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	u := l.Probe.UDP
	if _, err := c.Write([]byte(u.Request)); err != nil {
		return err
	}
	if u.Expect == "" && u.Request == "" {
		if err := c.SetReadDeadline(time.Now().Add(l.Probe.Timeout.D() / 10)); err != nil {
			return err
		}
	}
	buf := make([]byte, 2048)
	n, err := c.Read(buf)
	var ne net.Error
	if u.Expect == "" && u.Request == "" && errors.As(err, &ne) && ne.Timeout() {
		return nil
	}
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(buf[:n], []byte(u.Expect)) {
		return fmt.Errorf("the answer begins with %.20q, expected %.20q", buf[:n], u.Expect)
	}
	return nil
}

// ping sends one ICMP echo (RFC 792, RFC 4443): over a datagram socket where
// the kernel allows it to this user, over a raw one otherwise.
func ping(ctx context.Context, address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return unableError{err}
	}
	to := ap.Addr().Unmap()
	datagram, raw, protocol := "udp4", "ip4:icmp", 1
	var request, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if to.Is6() {
		datagram, raw, protocol = "udp6", "ip6:ipv6-icmp", 58
		request, reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	var dst net.Addr = &net.UDPAddr{IP: to.AsSlice(), Zone: to.Zone()}
	c, err := icmp.ListenPacket(datagram, "")
	if err != nil {
		if c, err = icmp.ListenPacket(raw, ""); err != nil {
			return unableError{fmt.Errorf("ICMP is not allowed: %w", err)}
		}
		dst = &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}
	}
	defer func() { _ = c.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
	}
	nonce := fmt.Appendf(nil, "holdfast %d %d", os.Getpid(), time.Now().UnixNano())
	m := icmp.Message{Type: request, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: 1, Data: nonce}}
	b, err := m.Marshal(nil)
	if err != nil {
		return unableError{err}
	}
	if _, err := c.WriteTo(b, dst); err != nil {
		return err
	}
	buf := make([]byte, 1500)
	for {
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		got, err := icmp.ParseMessage(protocol, buf[:n])
		if err != nil || got.Type != reply {
			continue // somebody else's, on a raw socket
		}
		if echo, ok := got.Body.(*icmp.Echo); ok && bytes.Equal(echo.Data, nonce) {
			return nil
		}
	}
}

// run runs a program. It and its children are killed at the time-out.
func run(ctx context.Context, l probe.Launch) error {
	host, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		return unableError{err}
	}
	argv := l.Probe.Exec.Command
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "HOLDFAST_ADDRESS="+host, "HOLDFAST_PORT="+port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 100 * time.Millisecond
	said := &bounded{}
	cmd.Stdout, cmd.Stderr = said, said
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.As(err, &exit):
		return unableError{err}
	case len(said.b) > 0:
		return fmt.Errorf("%s: %s", exit.ProcessState, bytes.TrimSpace(said.b))
	}
	return errors.New(exit.ProcessState.String())
}

// bounded keeps the beginning of what a program prints.
type bounded struct{ b []byte }

func (w *bounded) Write(p []byte) (int, error) {
	w.b = append(w.b, p[:min(len(p), 120-min(len(w.b), 120))]...)
	return len(p), nil
}
