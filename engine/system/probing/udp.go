package probing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/holdfast-edge/holdfast/engine/probe"
)

// datagramMax is how much of a datagram is read: more than an expected text may
// have.
const datagramMax = 2048

// udp sends the request and waits for an answer that begins as expected; an
// empty expectation takes any answer. A probe that neither asks nor expects
// anything passes when nothing refuses its empty datagram within a tenth of the
// time-out: UDP gives no better sign.
func udp(ctx context.Context, l probe.Launch) error {
	c, end, err := dial(ctx, "udp", l.Address)
	if err != nil {
		return err
	}
	defer end()
	u := l.Probe.UDP
	silent := u.Expect == "" && u.Request == ""
	if _, err := c.Write([]byte(u.Request)); err != nil {
		return lacking("no answer", err)
	}
	if silent {
		if err := c.SetReadDeadline(time.Now().Add(l.Probe.Timeout.D() / 10)); err != nil {
			return err
		}
	}
	buf := make([]byte, datagramMax)
	n, err := c.Read(buf)
	var timeout net.Error
	switch {
	case silent && errors.As(err, &timeout) && timeout.Timeout():
		return nil
	case err != nil:
		return lacking("no answer", err)
	case !bytes.HasPrefix(buf[:n], []byte(u.Expect)):
		return fmt.Errorf("the answer begins with %.20q, expected %.20q", buf[:n], u.Expect)
	}
	return nil
}
