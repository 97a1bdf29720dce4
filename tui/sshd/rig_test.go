package sshd_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	gossh "golang.org/x/crypto/ssh"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/internal/shot"
	"github.com/holdfast-edge/holdfast/tui/sshd"
)

// patience is how long anything may take that must happen.
const patience = 60 * time.Second

// eventually waits until something is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not so after %s: %s", patience, what)
		}
	}
}

// fleet is an api.Client that sends pictures as long as it is watched.
type fleet struct {
	every time.Duration

	mu       sync.Mutex
	asked    []api.Request
	watchers int
	began    int
	gone     chan struct{} // closed: every Watch ends
}

func (f *fleet) Status(context.Context) (*api.Status, error) { return fixture.Picture(), nil }

func (f *fleet) Events(context.Context, api.Seq, int) ([]api.Event, error) {
	return fixture.Events(), nil
}

func (f *fleet) Revisions(context.Context, ...uint64) ([]api.Revision, error) {
	return []api.Revision{{Rev: 1, How: api.HowStart}}, nil
}

func (f *fleet) Do(_ context.Context, r api.Request) (api.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r)
	return api.Receipt{ID: fmt.Sprintf("r%d", len(f.asked)), OK: true, Done: r.Command.Sentence(), Seq: 77}, nil
}

func (f *fleet) requests() []api.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]api.Request(nil), f.asked...)
}

func (f *fleet) Watch(ctx context.Context, _ api.Seq) (<-chan api.Update, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone != nil {
		select {
		case <-f.gone:
			return nil, api.ErrUnreachable
		default:
		}
	}
	f.watchers++
	f.began++
	out := make(chan api.Update)
	go func() {
		defer func() {
			f.mu.Lock()
			f.watchers--
			f.mu.Unlock()
			close(out)
		}()
		tick := time.NewTicker(max(f.every, time.Millisecond))
		defer tick.Stop()
		u := api.Update{Status: fixture.Picture(), Events: fixture.Events()}
		for {
			select {
			case out <- u:
			case <-ctx.Done():
				return
			case <-f.gone:
				return
			}
			u = api.Update{Status: fixture.Picture()}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			case <-f.gone:
				return
			}
		}
	}()
	return out, nil
}

// book is an audit log in memory.
type book struct {
	mu    sync.Mutex
	chain audit.Chain
	all   []audit.Record
	full  bool
}

func (b *book) Append(e audit.Entry) (audit.Record, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full {
		return audit.Record{}, errors.New("no space left")
	}
	r, _, next, err := b.chain.Next(time.Now(), e)
	if err == nil {
		b.chain, b.all = next, append(b.all, r)
	}
	return r, err
}

// find returns the records of a kind that say something.
func (b *book) find(kind audit.Kind, says string) []audit.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []audit.Record
	for _, r := range b.all {
		if r.Kind == kind && strings.Contains(fmt.Sprintf("%+v", r.Entry), says) {
			found = append(found, r)
		}
	}
	return found
}

// rig is a server with people's keys.
type rig struct {
	testing.TB
	server *sshd.Server
	addr   string
	host   gossh.PublicKey
	keys   string // path
	fleet  *fleet
	book   *book
}

func newKey(t testing.TB) gossh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := gossh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// authorized is a line of the keys file.
func authorized(options string, key gossh.Signer, comment string) string {
	return options + " " + strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key.PublicKey()))) + " " + comment + "\n"
}

// newRig serves on an address of this package's own.
func newRig(t testing.TB, lines string, change ...func(*sshd.Options)) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{TB: t, keys: filepath.Join(dir, "authorized_keys"), fleet: &fleet{every: 50 * time.Millisecond, gone: make(chan struct{})}, book: &book{}}
	r.allow(lines)
	key, err := sshd.HostKey(filepath.Join(dir, "host_key"))
	if err != nil {
		t.Fatal(err)
	}
	r.host = key.PublicKey()
	o := sshd.Options{
		Client: r.fleet, Keys: r.keys, HostKey: key, Record: r.book.Append, Command: talk, Where: "here",
		Reload: 5 * time.Millisecond,
		Limits: sshd.Limits{Failures: 1000}, // tests fail often on purpose, from one address
	}
	for _, c := range change {
		c(&o)
	}
	if r.server, err = sshd.New(o); err != nil {
		t.Fatal(err)
	}
	l, err := small.Listen(t.Context(), "tcp", "127.47.1.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- r.server.Serve(l) }()
	t.Cleanup(func() {
		if err := r.server.Close(); err != nil {
			t.Error(err)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("the server does not end")
		}
	})
	return r
}

// small is a listener whose connections hold little in the kernel, so that a
// client that does not read is felt soon.
var small = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 16<<10) }); e != nil {
		return e
	}
	return err
}}

// allow writes the keys file, as an editor does.
func (r *rig) allow(lines string) {
	r.Helper()
	next := r.keys + ".next"
	if err := os.WriteFile(next, []byte(lines), 0o600); err != nil {
		r.Fatal(err)
	}
	if err := os.Rename(next, r.keys); err != nil {
		r.Fatal(err)
	}
}

// talk is a command line that is its own fleet's only verb or two.
func talk(ctx context.Context, l sshd.Line) int {
	switch l.Words[0] {
	case "echo":
		fmt.Fprintln(l.Out, strings.Join(l.Words[1:], " "))
	case "cat":
		_, _ = io.Copy(l.Out, l.In)
	case "flood":
		for ctx.Err() == nil {
			if _, err := l.Out.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
				return 1
			}
		}
		return 1
	case "wait":
		<-ctx.Done()
	case "panic":
		panic("on purpose")
	case "do":
		why := strings.Join(l.Words[2:], " ")
		for _, c := range api.Commands() { // their zero values: the fleet of these tests takes all
			if c.Verb() != l.Words[1] {
				continue
			}
			if c.Verb() == "fault" {
				c = api.InjectFault{Kind: api.FaultKill, Target: id.To(id.KindBackend, "shop-tokyo-1")}
			}
			r, err := l.Client.Do(ctx, api.Request{Command: c, By: api.Actor{Name: "root", From: "console"}, Why: why, Confirm: "x"})
			if err != nil {
				fmt.Fprintln(l.Err, err)
				return 1
			}
			if !r.OK {
				fmt.Fprintln(l.Err, r.Refusals)
				return 3
			}
			return 0
		}
	default:
		return 2
	}
	return 0
}

func (r *rig) config(user string, key gossh.Signer) *gossh.ClientConfig {
	return &gossh.ClientConfig{User: user, Auth: []gossh.AuthMethod{gossh.PublicKeys(key)}, HostKeyCallback: gossh.FixedHostKey(r.host), Timeout: patience}
}

// dial logs in.
func (r *rig) dial(key gossh.Signer) *gossh.Client {
	r.Helper()
	return r.dialAs("somebody", key)
}

func (r *rig) dialAs(user string, key gossh.Signer) *gossh.Client {
	r.Helper()
	c, err := gossh.Dial("tcp", r.addr, r.config(user, key))
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = c.Close() })
	return c
}

// run runs a command and returns its output, its errors and its exit code.
func (r *rig) run(c *gossh.Client, words string) (out, errs string, code int) {
	r.Helper()
	s, err := c.NewSession()
	if err != nil {
		r.Fatal(err)
	}
	defer s.Close()
	var o, e bytes.Buffer
	s.Stdout, s.Stderr = &o, &e
	err = s.Run(words)
	var exit *gossh.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitStatus()
	case err != nil:
		r.Fatalf("%s: %v", words, err)
	}
	return o.String(), e.String(), code
}

// terminal is a session with a terminal that shows what it is sent.
type terminal struct {
	*gossh.Session
	t    testing.TB
	in   io.WriteCloser
	over chan struct{} // closed when the session has ended

	mu   sync.Mutex
	em   *vt.Emulator
	raw  bytes.Buffer
	text string // of the screen, when raw had so many bytes
	at   int
	errs bytes.Buffer
}

// open opens a terminal of a size; words may be empty.
func (r *rig) open(c *gossh.Client, w, h int, words string, env ...string) *terminal {
	r.Helper()
	s, err := c.NewSession()
	if err != nil {
		r.Fatal(err)
	}
	t := &terminal{Session: s, t: r, em: vt.NewEmulator(w, h), over: make(chan struct{})}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		_ = s.Setenv(name, value) // the server may not want it
	}
	if err := s.RequestPty("xterm-256color", h, w, gossh.TerminalModes{}); err != nil {
		r.Fatal(err)
	}
	if t.in, err = s.StdinPipe(); err != nil {
		r.Fatal(err)
	}
	s.Stdout, s.Stderr = writerFunc(t.see), writerFunc(t.hear)
	go t.answer()
	if words == "" {
		err = s.Shell()
	} else {
		err = s.Start(words)
	}
	if err != nil {
		r.Fatal(err)
	}
	go func() {
		defer close(t.over)
		_ = s.Wait()
	}()
	r.Cleanup(func() {
		_ = s.Close()
		shot.EndAnswers(t.em)
	})
	return t
}

// answer sends what a terminal answers. The emulator waits for its reader, so it
// always has one, also when the session takes nothing any more.
func (t *terminal) answer() {
	answers := make(chan []byte, 64)
	defer close(answers)
	go func() {
		for a := range answers {
			_, _ = t.in.Write(a)
		}
	}()
	b := make([]byte, 1024)
	for {
		n, err := t.em.Read(b)
		if err != nil {
			return
		}
		select {
		case answers <- bytes.Clone(b[:n]):
		default: // nobody is there
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (t *terminal) see(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.raw.Write(p)
	return t.em.Write(p)
}

func (t *terminal) hear(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.errs.Write(p)
}

func (t *terminal) screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text == "" || t.at != t.raw.Len() { // to read the cells takes long, with the race detector
		t.text, t.at = t.em.String(), t.raw.Len()
	}
	return t.text
}

func (t *terminal) heard() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.errs.String()
}

// shows waits until the screen shows a text.
func (t *terminal) shows(text string) {
	t.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !strings.Contains(t.screen(), text) {
		select {
		case <-tick.C:
		case <-late:
			t.t.Fatalf("the screen does not show %q:\n%s\n%s", text, t.screen(), t.heard())
		}
	}
}

// press types.
func (t *terminal) press(keys string) {
	t.t.Helper()
	if _, err := io.WriteString(t.in, keys); err != nil {
		t.t.Fatal(err)
	}
}

// ends waits until the session has ended.
func (t *terminal) ends() {
	t.t.Helper()
	select {
	case <-t.over:
	case <-time.After(patience):
		t.t.Fatalf("the session goes on:\n%s", t.screen())
	}
}

// spoil lets others write the keys file.
func (r *rig) spoil() {
	r.Helper()
	next := r.keys + ".next"
	if err := os.WriteFile(next, nil, 0o600); err != nil {
		r.Fatal(err)
	}
	if err := os.Chmod(next, 0o666); err != nil { // whatever the umask
		r.Fatal(err)
	}
	if err := os.Rename(next, r.keys); err != nil {
		r.Fatal(err)
	}
}

// wrote is all that the session has sent to the terminal.
func (t *terminal) wrote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.raw.String()
}

// resized gives the terminal another size, as the person does who drags its edge.
func (t *terminal) resized(w, h int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.em.Resize(w, h)
	t.text = ""
}
