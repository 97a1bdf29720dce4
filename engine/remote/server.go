package remote

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Listen binds a Unix socket that only its owner may connect to. A file of that
// name must be gone.
func Listen(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("remote: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("remote: %w", err)
	}
	return l, nil
}

// Guest is who is at the other end of a connection, and what they may.
type Guest struct {
	Actor api.Actor
	Role  api.Role
	// Vouches is for an agent that passes on what others asked it, and looked who
	// they are: its requests are taken to be theirs.
	Vouches bool
}

// Admit says who a connection's certificate is of. It is asked again for every
// request, as a certificate may be taken back while a connection stands.
type Admit func(tls.ConnectionState) (Guest, error)

// Serve answers on l for client until ctx ends. Who can connect may do all.
func Serve(ctx context.Context, l net.Listener, client api.Client, log *slog.Logger, extra map[string]http.Handler) error {
	return serve(ctx, l, &server{client: client, log: log}, extra)
}

// ServeGuests answers on l, whose connections are TLS with the handshake done,
// and lets each guest do what its role may.
func ServeGuests(ctx context.Context, l net.Listener, client api.Client, admit Admit, log *slog.Logger) error {
	return serve(ctx, l, &server{client: client, log: log, admit: admit}, nil)
}

func serve(ctx context.Context, l net.Listener, s *server, extra map[string]http.Handler) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("GET /v1/revisions", s.revisions)
	mux.HandleFunc("GET /v1/watch", s.watch)
	mux.HandleFunc("POST /v1/do", s.do)
	for path, h := range extra {
		mux.Handle(path, h)
	}
	hs := &http.Server{
		Handler: checked(s.admitted(mux)), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = hs.Close() })
	defer stop()
	if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("remote: %w", err)
	}
	return nil
}

// checked refuses other versions, both ways by name.
func checked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(versionHeader, Version)
		if v := r.Header.Get(versionHeader); v != "" && v != Version {
			http.Error(w, fmt.Sprintf("this fleet speaks version %s of the API, not %q", Version, v), http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

type server struct {
	client api.Client
	log    *slog.Logger
	admit  Admit // nil: everybody who can connect may do all
}

// who is at the other end of a request. Without Admit it is whom the request
// says it is.
func (s *server) who(r *http.Request) (Guest, error) {
	if r.TLS == nil {
		return Guest{}, errors.New("remote: the connection is not TLS")
	}
	return s.admit(*r.TLS)
}

// admitted turns away who may not even look.
func (s *server) admitted(next http.Handler) http.Handler {
	if s.admit == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g, err := s.who(r)
		if err == nil && !g.Role.Includes(api.RoleViewer) {
			err = fmt.Errorf("remote: %s has no role here", g.Actor.Name)
		}
		if err != nil {
			s.log.Warn("a client was turned away", "from", r.RemoteAddr, "err", err)
			w.Header().Set("Connection", "close")
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// turnHeadMax is how much of a stranger's request is read before it is turned
// away.
const turnHeadMax = 16 << 10

// Turn answers one request with why it is not admitted, so that the client can
// say so. It reads the request first: an answer that is there before its question
// is thrown away by many clients. The caller bounds its time, and closes.
func Turn(conn io.ReadWriter, why error) {
	if _, err := http.ReadRequest(bufio.NewReader(io.LimitReader(conn, turnHeadMax))); err != nil {
		return
	}
	text := why.Error() + "\n"
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 403 Forbidden\r\n%s: %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", versionHeader, Version, len(text), text)
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		code := http.StatusInternalServerError
		if errors.Is(err, api.ErrUnreachable) || errors.Is(err, context.Canceled) {
			code = http.StatusServiceUnavailable
		}
		http.Error(w, err.Error(), code)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	st, err := s.client.Status(r.Context())
	answer(w, st, err)
}

func number(r *http.Request, name string, def uint64) (uint64, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return def, nil
	}
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%s is no number: %.40q", name, v)
	}
	return n, nil
}

func (s *server) events(w http.ResponseWriter, r *http.Request) {
	from, err1 := number(r, "from", 0)
	most, err2 := number(r, "max", api.EventRing)
	if err := errors.Join(err1, err2); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	all, err := s.client.Events(r.Context(), api.Seq(from), int(min(most, api.EventRing)))
	answer(w, all, err)
}

func (s *server) revisions(w http.ResponseWriter, r *http.Request) {
	var texts []uint64
	for _, v := range r.URL.Query()["text"] {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			http.Error(w, fmt.Sprintf("text is no number: %.40q", v), http.StatusBadRequest)
			return
		}
		texts = append(texts, n)
	}
	if _, err := api.WithTexts(nil, texts); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	all, err := s.client.Revisions(r.Context(), texts...)
	answer(w, all, err)
}

func (s *server) do(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(requestWait))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, requestMax))
	if err != nil {
		http.Error(w, "remote: read the request: "+err.Error(), http.StatusBadRequest)
		return
	}
	var req api.Request
	if err := json.Unmarshal(body, &req); err != nil { // not a Decoder, which obeys the first of two
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if s.admit != nil {
		g, err := s.who(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		// Who asks is whom the certificate says, whatever the request does. A dry
		// run is a look.
		if !g.Vouches || req.By.Name == "" {
			req.By = g.Actor
		}
		if no := g.Role.Refuses(req.Command); no != nil && !req.DryRun {
			s.log.Warn("a command was refused", "by", g.Actor.Name, "from", r.RemoteAddr, "role", string(g.Role), "command", req.Command.Verb())
			answer(w, api.Receipt{ID: refusedID, Refusals: no}, nil)
			return
		}
	}
	receipt, err := s.client.Do(r.Context(), req)
	answer(w, receipt, err)
}

// refusedID is of a receipt that no fleet has seen: no event will ever bear it.
const refusedID = "refused"

// watch sends updates. The channel behind it keeps the newest picture only, so a
// slow reader costs nobody anything.
func (s *server) watch(w http.ResponseWriter, r *http.Request) {
	from, err := number(r, "from", 0)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	updates, err := s.client.Watch(r.Context(), api.Seq(from))
	if err != nil {
		answer(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	rc := http.NewResponseController(w)
	e := json.NewEncoder(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		// A reader that takes nothing for a minute is not a reader.
		_ = rc.SetWriteDeadline(time.Now().Add(time.Minute))
		select {
		case u, ok := <-updates:
			if !ok {
				return
			}
			if err := e.Encode(u); err != nil {
				return
			}
		case <-beat.C:
			if s.admit != nil {
				if _, err := s.who(r); err != nil {
					s.log.Warn("a watch was ended", "from", r.RemoteAddr, "err", err)
					return
				}
			}
			if _, err := w.Write([]byte{'\n'}); err != nil {
				return
			}
		}
		if err := rc.Flush(); err != nil {
			return
		}
	}
}
