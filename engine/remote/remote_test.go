package remote_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/remote"
)

// still is a fleet in which nothing happens. system/local holds the client to
// apitest with a fleet that lives.
type still struct{ watchers chan struct{} }

var picture = &api.Status{Version: api.StatusVersion, Fleet: "still", Seq: 1}

func (s *still) Status(context.Context) (*api.Status, error) { return picture, nil }

func (s *still) Events(context.Context, api.Seq, int) ([]api.Event, error) {
	return []api.Event{{Seq: 1}}, nil
}

func (s *still) Revisions(context.Context, ...uint64) ([]api.Revision, error) {
	return []api.Revision{{Rev: 1, How: api.HowStart}}, nil
}

func (s *still) Do(_ context.Context, r api.Request) (api.Receipt, error) {
	return api.Receipt{ID: "r1", OK: true, Done: r.Command.Sentence()}, nil
}

func (s *still) Watch(ctx context.Context, _ api.Seq) (<-chan api.Update, error) {
	out := make(chan api.Update)
	go func() {
		defer close(out)
		for {
			select {
			case out <- api.Update{Status: picture}:
			case <-ctx.Done():
				if s.watchers != nil {
					s.watchers <- struct{}{}
				}
				return
			}
		}
	}()
	return out, nil
}

// socketPath is short enough for a socket, whatever the test is called.
func socketPath(t testing.TB) string {
	dir, err := os.MkdirTemp("", "hf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func serve(t testing.TB, c api.Client) string {
	t.Helper()
	path := socketPath(t)
	l, err := remote.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- remote.Serve(ctx, l, c, slog.New(slog.DiscardHandler), nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return path
}

func dial(t testing.TB, path string) *remote.Client {
	t.Helper()
	c, err := remote.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestOnlyTheOwnerMayConnect(t *testing.T) {
	path := serve(t, &still{})
	i, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if i.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode is %o", i.Mode().Perm())
	}
}

func TestNobodyAnswers(t *testing.T) {
	path := socketPath(t)
	if _, err := dial(t, path).Status(t.Context()); !errors.Is(err, api.ErrUnreachable) || !strings.Contains(err.Error(), path) {
		t.Errorf("without a socket: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t, path).Watch(t.Context(), 0); !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("with a file that is no socket: %v", err)
	}
	if _, err := remote.Dial(""); err == nil {
		t.Error("a client of no socket")
	}
}

// TestReconnects holds that a client outlives the fleet that it was dialled for.
func TestReconnects(t *testing.T) {
	path := socketPath(t)
	c := dial(t, path)
	for range 3 {
		l, err := remote.Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- remote.Serve(ctx, l, &still{}, slog.New(slog.DiscardHandler), nil) }()
		if _, err := c.Status(t.Context()); err != nil {
			t.Errorf("a fleet that runs: %v", err)
		}
		updates, err := c.Watch(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for range updates { // ends
		}
		if _, err := c.Status(t.Context()); !errors.Is(err, api.ErrUnreachable) {
			t.Errorf("a fleet that is gone: %v", err)
		}
	}
}

func TestVersionsRefuseEachOther(t *testing.T) {
	path := serve(t, &still{})
	answer := raw(t, path, "GET /v1/status HTTP/1.1\r\nHost: x\r\nHoldfast-Api: 99\r\nConnection: close\r\n\r\n")
	if !strings.Contains(answer, "400 Bad Request") || !strings.Contains(answer, "version 1") || !strings.Contains(answer, "99") {
		t.Errorf("a client of version 99 hears %q", answer)
	}
	other := impostor(t, "HTTP/1.1 200 OK\r\nHoldfast-Api: 2\r\nContent-Length: 2\r\n\r\n{}")
	for call, err := range calls(t.Context(), dial(t, other)) {
		if !errors.Is(err, api.ErrVersion) || !strings.Contains(err.Error(), `"2"`) {
			t.Errorf("%s of a fleet of version 2: %v", call, err)
		}
	}
}

// calls makes every call and returns how each ended.
func calls(ctx context.Context, c api.Client) map[string]error {
	_, status := c.Status(ctx)
	_, events := c.Events(ctx, 0, 10)
	_, do := c.Do(ctx, api.Request{Command: api.AbortDrill{}})
	updates, watch := c.Watch(ctx, 0)
	if watch == nil {
		for range updates {
		}
	}
	return map[string]error{"Status": status, "Events": events, "Do": do, "Watch": watch}
}

// raw sends bytes and returns all that comes back.
func raw(t testing.TB, path, text string) string {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(c, text)
	_ = c.(*net.UnixConn).CloseWrite()
	answer, _ := io.ReadAll(c)
	return string(answer)
}

// impostor answers each request with the same bytes and hangs up.
func impostor(t testing.TB, answer string) string {
	t.Helper()
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20))
					_, _ = io.WriteString(c, answer)
				}
			}()
		}
	}()
	return path
}

// TestBadRequestsAreRefusedAndNothingElseSuffers sends what no client sends.
func TestBadRequestsAreRefusedAndNothingElseSuffers(t *testing.T) {
	path := serve(t, &still{})
	post := func(body string) string {
		return fmt.Sprintf("POST /v1/do HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	for name, c := range map[string]struct{ sent, want string }{
		"no HTTP":         {"hello\r\n\r\n", "400"},
		"unknown path":    {"GET /v2/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404"},
		"wrong method":    {"GET /v1/do HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405"},
		"no number":       {"GET /v1/watch?from=x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "from is no number"},
		"negative number": {"GET /v1/events?max=-1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "max is no number"},
		"huge number":     {"GET /v1/events?from=99999999999999999999 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "from is no number"},
		"no JSON":         {post("drain it"), "400"},
		"half of it":      {"POST /v1/do HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"verb\":", "400"},
		"unknown verb":    {post(`{"verb":"explode","command":{}}`), "is no command of this version"},
		"no command":      {post(`{"verb":"drain"}`), "400"},
		"unknown field":   {post(`{"verb":"drain","command":{"tarjet":"backend/x"}}`), "tarjet"},
		"two at once":     {post(`{"verb":"drill-abort","command":{}}{"verb":"fault-clear","command":{}}`), "400"},
		"too large":       {post(`{"verb":"apply","command":{"text":"` + strings.Repeat("a", 5<<20) + `"}}`), "too large"},
		"huge head":       {"GET /v1/status HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", "431"},
	} {
		if answer := raw(t, path, c.sent); !strings.Contains(answer, c.want) {
			t.Errorf("%s: %.200q; want %s", name, answer, c.want)
		}
	}
	if _, err := dial(t, path).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestBadAnswers holds that whatever answers, a call ends with an error.
func TestBadAnswers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nHoldfast-Api: 1\r\n"
	for name, answer := range map[string]string{
		"nothing":   "",
		"no HTTP":   "go away\r\n",
		"no body":   head + "\r\n",
		"no JSON":   head + "\r\nwhat?\n",
		"cut short": head + "Content-Length: 500\r\n\r\n{\"fleet\":\"a\"",
		"null":      head + "\r\nnull\n",
	} {
		t.Run(name, func(t *testing.T) {
			for call, err := range calls(t.Context(), dial(t, impostor(t, answer))) {
				if call == "Watch" {
					continue // it may begin; that it ends is what calls waits for
				}
				if !errors.Is(err, api.ErrUnreachable) {
					t.Errorf("%s: %v", call, err)
				}
			}
		})
	}
}

// TestReaderThatStopsIsLetGo holds that a client that hangs up ends its watch at
// the fleet too.
func TestReaderThatStopsIsLetGo(t *testing.T) {
	s := &still{watchers: make(chan struct{}, 10)}
	c := dial(t, serve(t, s))
	ctx, cancel := context.WithCancel(t.Context())
	updates, err := c.Watch(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	<-updates
	cancel()
	select {
	case <-s.watchers:
	case <-time.After(time.Minute):
		t.Fatal("the fleet still watches for a client that is gone")
	}
}

// FuzzServer sends any bytes as a connection. The server answers or hangs up.
func FuzzServer(f *testing.F) {
	path := serve(f, &still{})
	f.Add("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
	f.Add("POST /v1/do HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n{\"verb\":\"fault-clear\",\"command\":{}}")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "watch") {
			t.Skip("it does not end by itself")
		}
		raw(t, path, text)
		if _, err := dial(t, path).Status(t.Context()); err != nil {
			t.Fatalf("after %q: %v", text, err)
		}
	})
}

// FuzzClient answers with any bytes. Every call ends, and a picture that comes
// is one.
func FuzzClient(f *testing.F) {
	good, err := json.Marshal(api.Update{Status: picture})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(good) + "\n\n" + string(good) + "\n")
	f.Add("{}\n")
	f.Add("\x00\n")
	f.Fuzz(func(t *testing.T, body string) {
		path := impostor(t, "HTTP/1.1 200 OK\r\nHoldfast-Api: 1\r\n\r\n"+body)
		c := dial(t, path)
		if s, err := c.Status(t.Context()); err == nil && s == nil {
			t.Error("no picture and no error")
		}
		_, _ = c.Events(t.Context(), 0, 1)
		_, _ = c.Do(t.Context(), api.Request{Command: api.AbortDrill{}})
		if updates, err := c.Watch(t.Context(), 0); err == nil {
			for u := range updates {
				if u.Status == nil {
					t.Error("an update without a picture")
				}
			}
		}
	})
}
