package web

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/meter"
)

// TestABodyIsNotReadPastItsExchange: a transport whose request was ended may
// read the body once more, after the server has taken back what its controller
// stands on. Over HTTP/2 that was the end of the process.
func TestABodyIsNotReadPastItsExchange(t *testing.T) {
	bodies := make(chan *watched, 1)
	over := make(chan struct{})
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	s := &http.Server{Protocols: &p, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := &watched{ReadCloser: r.Body, front: &meter.Meter{}, control: http.NewResponseController(w), pause: time.Second}
		defer b.end()
		bodies <- b
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { defer close(over); _ = s.Serve(l) }()
	c := &http.Client{Transport: &http.Transport{Protocols: &p}, Timeout: 10 * time.Second}
	resp, err := c.Post("http://"+l.Addr().String(), "", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if _, err := (<-bodies).Read(make([]byte, 1)); !errors.Is(err, errOver) {
		t.Errorf("read past the end: %v", err)
	}
	c.CloseIdleConnections()
	_ = s.Close()
	<-over
}
