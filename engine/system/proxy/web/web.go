package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
)

// Server serves one http or https listener.
type Server struct {
	front *front.Front
	http  *http.Server

	recent     atomic.Pointer[recent]
	mu         sync.Mutex
	transports map[transportKey]*http.Transport
}

// New returns a Server.
func New(f *front.Front) *Server {
	s := &Server{front: f, transports: map[transportKey]*http.Transport{}}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	set := f.Now()
	s.http = &http.Server{
		Handler: s, Protocols: &protocols,
		ReadHeaderTimeout: set.Spec.Header.D(), IdleTimeout: set.Spec.Idle.D(), MaxHeaderBytes: int(set.Spec.HeaderMax),
		ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // a client's bad bytes are counted, not logged
		ConnState: s.state,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 250},
	}
	if set.Certs != nil {
		s.http.TLSConfig = f.TLS()
	}
	return s
}

// state counts client connections.
func (s *Server) state(_ net.Conn, st http.ConnState) {
	switch st {
	case http.StateNew:
		s.front.Meter.FlowOpen()
	case http.StateClosed, http.StateHijacked:
		s.front.Meter.FlowClose()
	case http.StateActive, http.StateIdle:
	}
}

// Serve serves the connections of l until it is closed. Connections that are
// open then finish what they are at; Close ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener) {
	// The accepting is ours, because a PROXY header has to be read before the
	// server sees the connection, and not by the one goroutine that accepts.
	in := &inlet{conns: make(chan net.Conn), done: make(chan struct{}), addr: l.Addr()}
	go func() {
		s.front.Accept(ctx, l, func(c net.Conn) {
			w, err := s.front.Now().Unwrap(c)
			if err != nil {
				s.front.Meter.Error()
				_ = c.Close()
				return
			}
			select {
			case in.conns <- w:
			case <-in.done:
				_ = c.Close()
			}
		})
		_ = in.Close()
	}()
	if s.front.Now().Certs != nil {
		_ = s.http.ServeTLS(in, "", "")
	} else {
		_ = s.http.Serve(in)
	}
}

// Close ends all connections.
func (s *Server) Close() {
	_ = s.http.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.transports {
		t.CloseIdleConnections()
	}
}

// inlet is a net.Listener of connections that others accepted.
type inlet struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

func (l *inlet) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *inlet) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *inlet) Addr() net.Addr { return l.addr }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	set := s.front.Now()
	m := s.front.Meter
	m.Request()
	switch {
	case r.Method == http.MethodConnect:
		s.fail(w, http.StatusMethodNotAllowed, "CONNECT is not served here")
		return
	case set.Spec.Redirect != nil:
		redirect(w, r, set.Spec.Redirect)
		return
	}
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 && r.Method != http.MethodGet && r.Method != http.MethodHead {
		// A Transfer-Encoding is hidden from us by the library, and what follows
		// such a request is not to be trusted (RFC 9112 section 6.1).
		w.Header().Set("Connection", "close")
	}
	x := &exchange{began: time.Now(), server: s, set: set, w: w, r: r, snap: s.front.Flows.Now()}
	x.pool = x.snap.Pool(set.Spec.Pool)
	x.source = sourceOf(r)
	x.run()
}

// fail answers with an error of our own.
func (s *Server) fail(w http.ResponseWriter, code int, text string) {
	s.front.Meter.Error()
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	if code == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n")
}

func sourceOf(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// redirect sends the client to https, on the same host and target.
func redirect(w http.ResponseWriter, r *http.Request, to *spec.Redirect) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if to.Port != 443 {
		host += ":" + strconv.Itoa(to.Port)
	}
	w.Header().Set("Location", "https://"+host+r.URL.RequestURI())
	w.WriteHeader(to.Code)
}

// codeOf is the status for a failure before the backend answered.
func codeOf(err error) (code int, text string) {
	var ne net.Error
	switch {
	case errors.Is(err, flow.ErrNobody):
		return http.StatusServiceUnavailable, "no server is available"
	case errors.Is(err, flow.ErrFull), errors.Is(err, flow.ErrQueueTimeout):
		return http.StatusServiceUnavailable, "all servers are busy"
	case errors.Is(err, errLost), errors.As(err, &ne) && ne.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "the server did not answer in time"
	}
	return http.StatusBadGateway, "the server could not be reached"
}

// transportTimes are the settings of a listener and a pool that a transport is
// made for.
type transportKey struct {
	pool     string
	upstream spec.Upstream
	request  time.Duration
}
