package web

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
)

// endWait is how long one end of a changed protocol may leave the other
// without an end: a WebSocket closes by frames before the connection goes, and
// one that does not is not waited for.
const endWait = 5 * time.Second

// upgrade joins both ends of a connection that changed its protocol.
func (t *try) upgrade() flow.Outcome {
	x := t.x
	said := ""
	for _, f := range t.call.Answer.Fields {
		if f.Name == "Upgrade" {
			said = f.Value
		}
	}
	if !strings.EqualFold(said, x.upgrades()) {
		x.server.fail(x.w, http.StatusBadGateway, "the server could not be reached")
		return flow.Outcome{Failed: true, Reason: "it changed to a protocol that was not asked for"}
	}
	c, rw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.server.fail(x.w, http.StatusHTTPVersionNotSupported, "a protocol can be changed over HTTP/1.1 only")
		return flow.Outcome{Client: true}
	}
	x.unwatch() // what is read of the client from here on is its own
	m := x.server.front.Meter
	m.FlowOpen() // the server has let go of the connection, and with it of the count
	defer m.FlowClose()
	early, backend := t.call.Tunnel()
	closeBoth := func() { _ = c.Close(); t.call.Abort(errCut) }
	defer closeBoth()
	if !x.server.keep(t, closeBoth) {
		return flow.Outcome{Client: true}
	}
	defer x.server.drop(t)
	_ = c.SetDeadline(time.Time{})
	t.place.OnCut(closeBoth)
	header := http.Header{}
	x.copyFields(header, t.call.Answer.Fields, http.StatusSwitchingProtocols)
	_, _ = io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+said+"\r\n")
	_ = header.Write(rw)
	_, _ = io.WriteString(rw, "\r\n")
	_, _ = rw.Write(early)
	if err := rw.Flush(); err != nil { // it remembers what failed before
		return flow.Outcome{Client: true}
	}
	m.Out(int64(len(early)))
	t.place.Meter.Out(int64(len(early)))
	up := make(chan struct{})
	go func() {
		defer close(up)
		n, err := io.Copy(backend, rw.Reader)
		m.In(n)
		t.place.Meter.In(n)
		if h, ok := backend.(interface{ CloseWrite() error }); ok && err == nil {
			_ = h.CloseWrite()
			return
		}
		closeBoth()
	}()
	n, err := io.Copy(c, backend)
	m.Out(n)
	t.place.Meter.Out(n)
	if h, ok := c.(interface{ CloseWrite() error }); ok && err == nil {
		_ = h.CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(endWait))
	} else {
		closeBoth()
	}
	<-up
	return flow.Outcome{}
}
