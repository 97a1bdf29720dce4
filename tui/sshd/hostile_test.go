package sshd_test

import (
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/tui/sshd"
)

// heap is what the process holds.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtime.GC()
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// A terminal of a size that nobody has is refused before anything is drawn for
// it, and one that grows to it keeps its size.
func TestHugeTerminal(t *testing.T) {
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"))
	other := r.open(r.dial(mina), 100, 30, "")
	other.shows("[1 ")
	before := heap()
	for _, size := range [][2]int{{60000, 60000}, {1001, 10}, {10, 401}, {1000, 400}, {1 << 20, 1 << 20}} {
		s, err := r.dial(mina).NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.RequestPty("xterm-256color", size[1], size[0], gossh.TerminalModes{}); err == nil {
			t.Errorf("%dx%d is granted", size[0], size[1])
		}
		// A client that goes on without one has no console.
		var errs strings.Builder
		s.Stderr = &errs
		_ = s.Shell()
		_ = s.Wait()
		if !strings.Contains(errs.String(), "a terminal is needed") {
			t.Errorf("it hears %q", errs.String())
		}
	}
	grows := r.open(r.dial(mina), 80, 24, "")
	grows.shows("[1 ")
	for range 20 {
		if err := grows.WindowChange(60000, 60000); err != nil {
			t.Fatal(err)
		}
	}
	grows.press("5")
	grows.shows("[5 ")
	if more := int64(heap()) - int64(before); more > 64<<20 {
		t.Errorf("it holds %d MB more", more>>20)
	}
	other.press("5")
	other.shows("[5 ")
}

// A closed session ends at once though its connection lives on, as with a client
// that shares one; its neighbours on the connection do not notice, and nothing of
// it stays.
func TestSharedConnection(t *testing.T) {
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"))
	other := r.open(r.dial(mina), 100, 30, "")
	other.shows("[1 ")
	c := r.dial(mina)
	stays := r.open(c, 100, 30, "")
	stays.shows("+1 watching")
	before := runtime.NumGoroutine()
	for range 2 {
		x := r.open(c, 100, 30, "")
		x.shows("+2 watching")
		if err := x.Session.Close(); err != nil {
			t.Fatal(err)
		}
		x.ends()
		eventually(t, "its session is over", func() bool { return strings.Contains(stays.screen(), "+1 watching") })
	}
	eventually(t, "its goroutines are gone", func() bool { return runtime.NumGoroutine() <= before+2 })
	for _, x := range []*terminal{stays, other} {
		x.press("5")
		x.shows("[5 ")
	}
}

// pausable is a connection whose reader can be held.
type pausable struct {
	net.Conn
	held atomic.Bool
	free chan struct{}
}

func (p *pausable) Read(b []byte) (int, error) {
	if p.held.Load() {
		<-p.free
	}
	return p.Conn.Read(b)
}

// A terminal that is not read is dropped when it is too far behind, while all
// others see what they saw. (That a client's other sessions go on is in the lab,
// with OpenSSH.)
func TestClientThatStopsReading(t *testing.T) {
	t.Parallel()
	mina := newKey(t)
	var dropped atomic.Bool
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"), func(o *sshd.Options) {
		o.Behind = 64 << 10
		o.Log = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
			if strings.Contains(string(p), "does not read") {
				dropped.Store(true)
			}
			return len(p), nil
		}), nil))
	})
	other := r.open(r.dial(mina), 100, 30, "")
	other.shows("[1 ")
	c, p := r.pausable(mina)
	defer close(p.free)
	x := r.open(c, 200, 60, "")
	x.shows("[1 ")
	other.shows("+1 watching")
	p.held.Store(true)
	wide := 0
	eventually(t, "it is dropped", func() bool {
		wide++ // all is drawn anew for another size
		return x.WindowChange(60, 199+wide%2) != nil || !strings.Contains(other.screen(), "watching")
	})
	eventually(t, "nobody watches", func() bool { return !strings.Contains(other.screen(), "watching") })
	other.press("5")
	other.shows("[5 ")
	if !dropped.Load() {
		t.Error("it ended for another reason")
	}
}

// pausable is a connection whose reader can be held.
func (r *rig) pausable(key gossh.Signer) (*gossh.Client, *pausable) {
	r.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10) })
	}}
	n, err := d.DialContext(r.Context(), "tcp", r.addr)
	if err != nil {
		r.Fatal(err)
	}
	p := &pausable{Conn: n, free: make(chan struct{})}
	conn, chans, reqs, err := gossh.NewClientConn(p, r.addr, r.config("mina", key))
	if err != nil {
		r.Fatal(err)
	}
	c := gossh.NewClient(conn, chans, reqs)
	r.Cleanup(func() { _ = c.Close() })
	return c, p
}

// A client that is gone without a word, as when a laptop is closed, answers
// nothing and is let go.
func TestClientThatIsGone(t *testing.T) {
	t.Parallel()
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"), func(o *sshd.Options) { o.Alive = 500 * time.Millisecond })
	other := r.open(r.dial(mina), 100, 30, "")
	other.shows("[1 ")
	c, p := r.pausable(mina)
	defer close(p.free)
	r.open(c, 100, 30, "").shows("[1 ")
	other.shows("watching")
	p.held.Store(true)
	eventually(t, "it is let go", func() bool { return len(r.book.find(audit.KindLogout, "did not answer")) > 0 })
	eventually(t, "nobody watches", func() bool { return !strings.Contains(other.screen(), "watching") })
}

// A command whose output nobody takes ends as well, in its own time.
func TestCommandThatNobodyReads(t *testing.T) {
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"))
	c := r.dial(mina)
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start("flood"); err != nil {
		t.Fatal(err)
	}
	if out, _, code := r.run(c, "echo beside it"); code != 0 || out != "beside it\n" {
		t.Errorf("its neighbour reads %q", out)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Sessions have limits: of one key, of one connection, and in all.
func TestLimits(t *testing.T) {
	t.Parallel()
	mina, kenji, akiko := newKey(t), newKey(t), newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina")+authorized(`role="viewer"`, kenji, "kenji")+authorized(`role="viewer"`, akiko, "akiko"), func(o *sshd.Options) {
		o.Limits.PerKey, o.Limits.Sessions = 3, 5
	})
	for range 3 {
		r.open(r.dial(mina), 80, 24, "").shows("[1 ")
	}
	if _, errs, code := r.run(r.dial(mina), "echo x"); code != 3 || !strings.Contains(errs, "this key has 3 sessions open") {
		t.Errorf("a fourth one: %d, %s", code, errs)
	}
	for range 2 {
		r.open(r.dial(kenji), 80, 24, "").shows("[1 ")
	}
	if _, errs, code := r.run(r.dial(akiko), "echo x"); code != 3 || !strings.Contains(errs, "5 sessions are open") {
		t.Errorf("a sixth one: %d, %s", code, errs)
	}
	if len(r.book.find(audit.KindRefuse, "this key has 3 sessions open")) != 1 {
		t.Error("it is not recorded")
	}
}

func TestChannelsOfOneConnection(t *testing.T) {
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"))
	c := r.dial(mina)
	opened := 0
	for range 40 {
		if _, err := c.NewSession(); err != nil {
			if !strings.Contains(err.Error(), "too many sessions on this connection") {
				t.Fatal(err)
			}
			break
		}
		opened++
	}
	if opened != 10 {
		t.Errorf("%d channels are open", opened)
	}
}

// A thousand requests of every kind before, during and after a session's begin
// hold up nobody and are not kept.
func TestFloodOfRequests(t *testing.T) {
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"))
	other := r.open(r.dial(mina), 100, 30, "")
	other.shows("[1 ")
	c := r.dial(mina)
	ch, reqs, err := c.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go gossh.DiscardRequests(reqs)
	big := strings.Repeat("x", 30_000)
	flood := func() {
		for i := range 1000 {
			kind := []string{"env", "signal", "window-change", "pty-req", "nonsense", "break", "subsystem"}[i%7]
			payload := gossh.Marshal(struct{ A, B string }{"LANG", big})
			if kind == "window-change" {
				payload = gossh.Marshal(struct{ A, B, C, D uint32 }{80, 24, 0, 0})
			}
			if _, err := ch.SendRequest(kind, false, payload); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := heap()
	flood()
	ok, err := ch.SendRequest("pty-req", true, gossh.Marshal(struct {
		Term       string
		A, B, C, D uint32
		Modes      string
	}{"xterm", 80, 24, 0, 0, ""}))
	if err != nil || !ok {
		t.Fatalf("no terminal: %t, %v", ok, err)
	}
	if ok, err := ch.SendRequest("shell", true, nil); err != nil || !ok {
		t.Fatalf("no shell: %t, %v", ok, err)
	}
	flood()
	go func() { _, _ = io.Copy(io.Discard, ch) }()
	if ok, err := ch.SendRequest("shell", true, nil); err != nil || ok {
		t.Errorf("a second shell: %t, %v", ok, err)
	}
	other.shows("+1 watching")
	if more := int64(heap()) - int64(before); more > 32<<20 {
		t.Errorf("it holds %d MB more", more>>20)
	}
	_ = ch.Close()
	eventually(t, "it is over", func() bool { return !strings.Contains(other.screen(), "watching") })
}

// Twenty consoles share one stream of the fleet, and it ends a while after them.
func TestTwentySessions(t *testing.T) {
	t.Parallel()
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"))
	var all []*terminal
	for range 20 {
		all = append(all, r.open(r.dial(mina), 120, 36, ""))
	}
	for _, x := range all {
		x.shows("+19 watching")
	}
	r.fleet.mu.Lock()
	watchers, began := r.fleet.watchers, r.fleet.began
	r.fleet.mu.Unlock()
	if watchers != 1 || began != 1 {
		t.Errorf("%d watch the fleet, %d did", watchers, began)
	}
	// The fleet goes: every console keeps its picture and says how old it is.
	close(r.fleet.gone)
	for _, x := range all {
		x.shows("STALE")
	}
	r.fleet.mu.Lock()
	r.fleet.gone = nil
	r.fleet.mu.Unlock()
	for _, x := range all {
		x.shows("live")
	}
}

func TestHostKey(t *testing.T) {
	path := t.TempDir() + "/deep/host_key"
	made := make(chan gossh.Signer, 8)
	for range cap(made) {
		go func() {
			k, err := sshd.HostKey(path)
			if err != nil {
				t.Error(err)
			}
			made <- k
		}()
	}
	first := <-made
	for range cap(made) - 1 {
		if k := <-made; k == nil || first == nil || gossh.FingerprintSHA256(k.PublicKey()) != gossh.FingerprintSHA256(first.PublicKey()) {
			t.Fatal("two that began at once have two keys")
		}
	}
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 || first.PublicKey().Type() != gossh.KeyAlgoED25519 {
		t.Errorf("%v, %v, %s", i, err, first.PublicKey().Type())
	}
	if left, _ := os.ReadDir(t.TempDir() + "/deep"); len(left) > 1 {
		t.Errorf("%d files are left", len(left))
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := sshd.HostKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others may read: %v", err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(path, 0o600)
	if _, err := sshd.HostKey(path); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("no key: %v", err)
	}
}
