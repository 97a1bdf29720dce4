package probing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// datagramMax is how much of a datagram is read: more than an expected text may
// have.
const datagramMax = 2048

// A UDP probe sends one datagram and waits for one that begins as expected; an
// empty expectation takes any. These are its rules, whoever carries it out.

// patience is how long a probe waits for an answer, and whether it passes when
// none came. One that neither asks nor expects anything passes when nothing
// refuses its empty datagram within a tenth of the time-out: UDP gives no better
// sign.
func patience(p *spec.Probe) (wait time.Duration, silence bool) {
	if p.UDP.Request == "" && p.UDP.Expect == "" {
		return p.Timeout.D() / 10, true
	}
	return p.Timeout.D(), false
}

// datagramError judges an answer.
func datagramError(b []byte, u *spec.UDPCheck) error {
	if bytes.HasPrefix(b, []byte(u.Expect)) {
		return nil
	}
	return fmt.Errorf("the answer begins with %.20q, expected %.20q", b, u.Expect)
}

// udp carries out a UDP probe on its caller's goroutine.
func udp(ctx context.Context, l probe.Launch) error {
	c, end, err := dial(ctx, "udp", l.Address)
	if err != nil {
		return err
	}
	defer end()
	if _, err := c.Write([]byte(l.Probe.UDP.Request)); err != nil {
		return unsent("no answer", err)
	}
	wait, silence := patience(l.Probe)
	if silence {
		if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
	}
	buf := make([]byte, datagramMax)
	n, err := c.Read(buf)
	var timeout net.Error
	switch {
	case silence && errors.As(err, &timeout) && timeout.Timeout():
		return nil
	case err != nil:
		return lacking("no answer", err)
	}
	return datagramError(buf[:n], l.Probe.UDP)
}
