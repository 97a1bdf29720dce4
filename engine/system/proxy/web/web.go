package web

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/front"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/h1"
)

// Server serves one http or https listener.
type Server struct {
	retired atomic.Bool
	front   *front.Front
	http    *http.Server

	lookout   lookout
	recent    atomic.Pointer[recent]
	mu        sync.Mutex
	upstreams map[upstreamKey]*upstream
	tunnels   map[*try]func() // connections that changed their protocol, and what closes them
	closed    bool
}

// New returns a Server.
func New(f *front.Front) *Server {
	s := &Server{front: f, upstreams: map[upstreamKey]*upstream{}, tunnels: map[*try]func(){}, lookout: lookout{conns: map[*clientConn]struct{}{}}}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	set := f.Now()
	s.http = &http.Server{
		Handler: s, Protocols: &protocols,
		ReadHeaderTimeout: set.Spec.Header.D(), IdleTimeout: set.Spec.Idle.D(), MaxHeaderBytes: int(set.Spec.HeaderMax),
		ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // a client's bad bytes are counted, not logged
		ConnState: s.state, ConnContext: withConn,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 250},
	}
	if set.Certs != nil {
		s.http.TLSConfig = f.TLS()
	}
	return s
}

// state follows client connections.
func (s *Server) state(c net.Conn, st http.ConnState) {
	switch st {
	case http.StateNew:
		s.lookout.add(c)
		s.front.Meter.FlowOpen()
	case http.StateClosed, http.StateHijacked:
		s.lookout.drop(c)
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
	secure := s.front.Now().Certs != nil
	go func() {
		handed := s.front.Accept(ctx, l, func(c net.Conn) {
			w, err := s.front.Now().Unwrap(c)
			if err != nil {
				s.front.Meter.Error()
				_ = c.Close()
				return
			}
			select {
			case in.conns <- newClientConn(w, !secure):
			case <-in.done:
				_ = c.Close()
			}
		})
		handed() // who was let in is served, also when nobody is any more
		_ = in.Close()
	}()
	if secure {
		_ = s.http.ServeTLS(in, "", "")
	} else {
		_ = s.http.Serve(in)
	}
}

// Retire has every connection closed behind its next answer, for its clients to
// come back to whoever serves the listener then. One that is idle stays until its
// time is over: a request may be on its way.
func (s *Server) Retire() { s.retired.Store(true) }

// Close ends all connections.
func (s *Server) Close() {
	_ = s.http.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, u := range s.upstreams {
		u.close()
	}
	for _, end := range s.tunnels {
		end()
	}
}

// keep remembers a connection that the server has let go of, for Close. It
// reports false if that was already.
func (s *Server) keep(t *try, end func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tunnels[t] = end
	return !s.closed
}

func (s *Server) drop(t *try) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tunnels, t)
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
	if s.retired.Load() {
		w.Header().Set("Connection", "close") // in HTTP/2 it becomes GOAWAY
	}
	c := r.Context().Value(connKey{}).(*clientConn)
	c.begin()
	defer c.end(r.ContentLength != 0)
	switch {
	case r.Method == http.MethodConnect:
		s.fail(w, http.StatusMethodNotAllowed, "CONNECT is not served here")
		return
	case set.Spec.Redirect != nil:
		redirect(w, r, set.Spec.Redirect)
		return
	}
	target, ok := targetOf(r)
	if !ok || !h1.Token(r.Method) || !properHost(r.Host) {
		w.Header().Set("Connection", "close")
		s.fail(w, http.StatusBadRequest, "the request's first line or its host is malformed")
		return
	}
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		if text := c.distrust(r); text != "" {
			w.Header().Set("Connection", "close")
			s.fail(w, http.StatusBadRequest, text)
			return
		}
		if !c.plain || r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Connection", "close")
		}
	}
	x := &exchange{began: time.Now(), server: s, set: set, w: w, r: r, target: target, source: c.source, snap: s.front.Flows.Now()}
	x.client.conn = c
	x.pool = x.snap.Pool(set.Spec.Pool)
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
