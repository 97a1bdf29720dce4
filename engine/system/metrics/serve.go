package metrics

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Times of an answer.
const (
	// pictureWait is how long the fleet may take to hand out its picture.
	pictureWait = 2 * time.Second
	// pictureOld is the age at which a picture says that nothing draws it any
	// more. A fleet draws one a second, and ten when things happen.
	pictureOld = 10 * time.Second
)

// Handler answers GET /metrics, /live and /ready from what c shows. version is
// this program's.
func Handler(c api.Client, version string) http.Handler {
	s := &server{client: c, version: version, now: time.Now}
	return s.handler()
}

type server struct {
	client  api.Client
	version string
	now     func() time.Time
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /live", s.live)
	mux.HandleFunc("GET /ready", s.ready)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "holdfast: /metrics for Prometheus, /live and /ready for supervisors")
	})
	return mux
}

// Listen binds address, host:port.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("metrics: --metrics %q is no address: %w; give one such as 127.0.0.1:9100", address, err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics: --metrics %s cannot be bound: %w; give another address", address, err)
	}
	return l, nil
}

// Serve answers on l until ctx ends.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	hs := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = hs.Close() })
	defer stop()
	if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// picture fetches the picture. It does not wait for the first one of a fleet
// that starts: a supervisor that asks wants an answer.
func (s *server) picture(r *http.Request) (*api.Status, error) {
	ctx, cancel := context.WithTimeout(r.Context(), pictureWait)
	defer cancel()
	st, err := s.client.Status(ctx)
	if err == nil {
		return st, nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("the fleet showed no picture within %s", pictureWait)
	}
	return nil, err
}

func (s *server) metrics(w http.ResponseWriter, r *http.Request) {
	st, err := s.picture(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	body := Exposition(st, s.version, s.now())
	w.Header().Set("Content-Type", ContentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Vary", "Accept-Encoding")
	if !takesGzip(r) {
		_, _ = w.Write(body)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a valid one
	_, _ = z.Write(body)
	_ = z.Close()
}

func takesGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return !strings.Contains(parameters, "q=0") || strings.Contains(parameters, "q=0.")
		}
	}
	return false
}

// answer is what /live and /ready say.
type answer struct {
	OK     bool    `json:"ok"`
	Reason string  `json:"reason"`
	Not    []wants `json:"not,omitempty"` // what keeps the fleet from being ready
}

// wants is one thing that is not as it must be.
type wants struct {
	Subject string `json:"subject"` // kind/name
	Reason  string `json:"reason"`
}

func say(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !a.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(a)
}

// live says whether this process is worth keeping: whether it still draws
// pictures. Whether users are served is not its question; a restart would mend
// nothing of that.
func (s *server) live(w http.ResponseWriter, r *http.Request) {
	st, err := s.picture(r)
	if err != nil {
		say(w, answer{Reason: err.Error()})
		return
	}
	say(w, alive(st, s.now()))
}

func alive(st *api.Status, now time.Time) answer {
	if age := now.Sub(st.At); age > pictureOld {
		return answer{Reason: fmt.Sprintf("the picture is %s old; %s are the limit", age.Round(time.Second), pictureOld)}
	}
	return answer{OK: true, Reason: "the fleet draws its picture"}
}

// ready says whether users can be sent here.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	st, err := s.picture(r)
	if err != nil {
		say(w, answer{Reason: err.Error()})
		return
	}
	if a := alive(st, s.now()); !a.OK {
		say(w, a)
		return
	}
	say(w, readiness(st))
}
