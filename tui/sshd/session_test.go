package sshd_test

import (
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/tui/sshd"
)

// The console is drawn in the first moments, at the size of the terminal, and
// says who is here and who else.
func TestConsole(t *testing.T) {
	t.Parallel()
	mina, kenji := newKey(t), newKey(t)
	r := newRig(t, authorized(`role="operator"`, mina, "mina")+authorized(`role="viewer"`, kenji, "kenji"))
	a := r.open(r.dial(mina), 120, 36, "")
	a.shows("[1 Overview]")
	a.shows("RW")
	if strings.Contains(a.screen(), "watching") {
		t.Errorf("somebody else is said to watch:\n%s", a.screen())
	}
	b := r.open(r.dial(kenji), 100, 30, "")
	b.shows("RO +1 watching")
	a.shows("RW +1 watching")
	a.press(":who\r")
	a.shows("also here: kenji (viewer) from 127.")
	b.press("q")
	b.ends()
	eventually(t, "nobody else watches", func() bool { return !strings.Contains(a.screen(), "watching") })
	if err := a.WindowChange(24, 80); err != nil {
		t.Fatal(err)
	}
	a.resized(80, 24)
	a.shows("[1 ")
	a.press("q")
	a.ends()
	eventually(t, "the logout is recorded", func() bool { return len(r.book.find(audit.KindLogout, "kenji")) == 0 }) // the connection is still open
	// The terminal is put back: the alternate screen left, the cursor shown.
	for _, want := range []string{"\x1b[?1049l", "\x1b[?25h"} {
		if !strings.Contains(a.wrote(), want) {
			t.Errorf("at its end it did not write %q", want)
		}
	}
}

// What a viewer cannot do is grey and says whose key it is; what an operator
// cannot do, too.
func TestRolesInTheConsole(t *testing.T) {
	t.Parallel()
	mina, kenji := newKey(t), newKey(t)
	r := newRig(t, authorized(`role="operator"`, mina, "mina")+authorized(`role="viewer"`, kenji, "kenji"))
	v := r.open(r.dial(kenji), 160, 40, "")
	v.shows("[1 Overview]")
	v.press("3")
	v.shows("[3 Backends]")
	v.press("D")
	v.shows("read-only: key " + gossh.FingerprintSHA256(kenji.PublicKey()) + ", role viewer")
	o := r.open(r.dial(mina), 160, 40, "")
	o.shows("[1 Overview]")
	o.press(":drill run lose-backend\r")
	o.shows("it takes the role admin; yours is operator")
	if n := len(r.fleet.requests()); n > 0 {
		t.Errorf("%d commands came through", n)
	}
}

// A dangerous command waits for a reason in the dialog, and is recorded with it.
func TestReasonIsAsked(t *testing.T) {
	t.Parallel()
	boss := newKey(t)
	r := newRig(t, authorized(`role="admin"`, boss, "boss"))
	c := r.open(r.dial(boss), 120, 40, "")
	c.shows("[1 Overview]")
	c.press(":fault kill backend/shop-tokyo-1\r")
	c.shows("TYPE")
	c.press("shop-tokyo-1")
	c.shows("locked until there is a reason")
	c.press("\r") // goes to the reason
	c.press("it is Tuesday")
	c.shows("it is Tuesday")
	c.press("\t\t\r") // over what is typed to the button
	eventually(t, "the fault is asked for", func() bool { return len(r.fleet.requests()) == 1 })
	q := r.fleet.requests()[0]
	if q.Why != "it is Tuesday" || !strings.HasPrefix(q.By.Name, "boss SHA256:") {
		t.Errorf("asked by %q because %q", q.By.Name, q.Why)
	}
	eventually(t, "it is recorded", func() bool { return len(r.book.find(audit.KindAnswer, "fault kill")) == 1 })
	ask, answer := r.book.find(audit.KindAsk, "fault kill")[0], r.book.find(audit.KindAnswer, "fault kill")[0]
	if ask.Why != "it is Tuesday" || ask.Rev != 7 || answer.Of != ask.Seq || answer.Outcome != "done" || answer.Receipt != "r1" || answer.Event != 77 {
		t.Errorf("asked %+v\nanswered %+v", ask, answer)
	}
}

// Without a terminal there are the same verbs, with the same roles.
func TestCommandLine(t *testing.T) {
	boss, mina, kenji := newKey(t), newKey(t), newKey(t)
	r := newRig(t, authorized(`role="admin"`, boss, "boss")+authorized(`role="operator"`, mina, "mina")+authorized(`role="viewer"`, kenji, "kenji"))
	for _, x := range []struct {
		key  gossh.Signer
		line string
		code int
		says string
	}{
		{kenji, "echo 'two  words' x", 0, ""},
		{kenji, "do drain", 3, "it takes the role operator; yours is viewer"},
		{kenji, "do fault because", 3, "it takes the role admin; yours is viewer"},
		{mina, "do drain", 0, ""},
		{mina, "do drill-abort", 0, ""},
		{mina, "do apply because", 3, "it takes the role admin; yours is operator"},
		{boss, "do fault", 3, "nobody said why"},
		{boss, "do fault because", 0, ""},
		{boss, "do apply because", 0, ""},
		{boss, "nothing", 2, ""},
		{boss, "panic", 1, ""},
		{boss, "echo after the panic", 0, ""},
	} {
		before := len(r.fleet.requests())
		_, errs, code := r.run(r.dial(x.key), x.line)
		if code != x.code || !strings.Contains(errs, x.says) {
			t.Errorf("%s: %d, %s; want %d, %s", x.line, code, errs, x.code, x.says)
		}
		if came := len(r.fleet.requests()) - before; strings.HasPrefix(x.line, "do") && came != 1-min(x.code, 1) {
			t.Errorf("%s: %d requests came to the fleet", x.line, came)
		}
	}
	if got := r.book.find(audit.KindAsk, "not-allowed"); len(got) != 3 || got[1].Outcome != "refused" || got[1].Name != "kenji" || got[1].Role != "viewer" {
		t.Errorf("refusals: %+v", got)
	}
	if _, errs, code := r.run(r.dial(boss), ""); code != 2 || !strings.Contains(errs, "ssh -t") {
		t.Errorf("no terminal and no command: %d, %s", code, errs)
	}
	s, err := r.dial(kenji).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	s.Stdin = strings.NewReader("what comes in goes out")
	if out, err := s.Output("cat"); err != nil || string(out) != "what comes in goes out" {
		t.Errorf("cat: %q, %v", out, err)
	}
}

// What cannot be recorded is not done; looking goes on.
func TestFullAuditLog(t *testing.T) {
	boss := newKey(t)
	r := newRig(t, authorized(`role="admin"`, boss, "boss"))
	r.book.mu.Lock()
	r.book.full = true
	r.book.mu.Unlock()
	c := r.dial(boss)
	if _, errs, code := r.run(c, "do drain"); code != 3 || !strings.Contains(errs, "what is not recorded is not done") {
		t.Errorf("a drain: %d, %s", code, errs)
	}
	if n := len(r.fleet.requests()); n != 0 {
		t.Errorf("%d commands came through", n)
	}
	r.open(c, 100, 30, "").shows("[1 ")
}

// A wallboard is a wallboard: by its key, by the user's name, and by a command.
func TestWallboard(t *testing.T) {
	t.Parallel()
	board, mina := newKey(t), newKey(t)
	r := newRig(t, authorized(`wallboard`, board, "lobby")+authorized(`role="admin"`, mina, "mina"), func(o *sshd.Options) { o.Idle = 200 * time.Millisecond })
	all := []*terminal{
		r.open(r.dial(board), 160, 45, ""),
		r.open(r.dialAs("wallboard", mina), 160, 45, ""),
		r.open(r.dial(mina), 160, 45, "wallboard"),
	}
	for _, x := range all {
		x.shows("read-only wallboard")
	}
	if _, errs, code := r.run(r.dial(board), "do drain"); code != 3 || !strings.Contains(errs, "wallboard only") {
		t.Errorf("its key runs a command: %d, %s", code, errs)
	}
	// A console that nobody touches for as long is over; a wallboard is not.
	idle := r.open(r.dial(mina), 100, 30, "")
	idle.ends()
	if !strings.Contains(idle.heard(), "nobody did anything") || !strings.Contains(idle.wrote(), "\x1b[?1049l") {
		t.Errorf("the idle console hears %q", idle.heard())
	}
	for i, x := range all {
		select {
		case <-x.over:
			t.Errorf("wallboard %d is over: %s", i, x.heard())
		default:
		}
		x.press("q")
		x.ends()
	}
}

// A place may be named with the connection: ssh -t HOST :pool shop-tokyo.
func TestDeepLink(t *testing.T) {
	t.Parallel()
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"))
	r.open(r.dial(mina), 120, 36, ":drills").shows("[4 Drills]")
	r.open(r.dial(mina), 120, 36, "console pools").shows("[2 Pools]")
}

// The client's environment chooses how it is drawn, and goes no further.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"))
	plain := r.open(r.dial(mina), 100, 30, "", "NO_COLOR=1", "LANG=C", "LD_PRELOAD=/tmp/x")
	plain.shows("[1 ")
	if strings.Contains(plain.wrote(), "38;5;") || strings.ContainsFunc(plain.screen(), func(r rune) bool { return r > '~' }) {
		t.Errorf("NO_COLOR and LANG=C draw:\n%s", plain.screen())
	}
	full := r.open(r.dial(mina), 100, 30, "", "LANG=ja_JP.UTF-8")
	full.shows("─")
	if !strings.Contains(full.wrote(), "38;5;") {
		t.Error("there is no colour")
	}
	c := r.dial(mina)
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"LD_PRELOAD", "PATH", "HOLDFAST_STATE", "LC_" + strings.Repeat("X", 100)} {
		if err := s.Setenv(name, "x"); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	dumb, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	dumb.Stderr = &errs
	if err := dumb.RequestPty("dumb", 30, 100, gossh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	_ = dumb.Shell()
	_ = dumb.Wait()
	if !strings.Contains(errs.String(), "cannot place text") {
		t.Errorf("a dumb terminal hears %q", errs.String())
	}
}

// What the server is stopped with, people are told.
func TestStop(t *testing.T) {
	mina := newKey(t)
	r := newRig(t, authorized(`role="viewer"`, mina, "mina"))
	a := r.open(r.dial(mina), 100, 30, "")
	a.shows("[1 ")
	waits, err := r.dial(mina).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := waits.Start("wait"); err != nil {
		t.Fatal(err)
	}
	if err := r.server.Close(); err != nil {
		t.Fatal(err)
	}
	a.ends()
	_ = waits.Wait()
	if !strings.Contains(a.heard(), "stopping") || !strings.Contains(a.wrote(), "\x1b[?1049l") {
		t.Errorf("they hear %q", a.heard())
	}
	if n := len(r.book.find(audit.KindStop, "")); n != 1 {
		t.Errorf("%d stops are recorded", n)
	}
	if _, err := gossh.Dial("tcp", r.addr, r.config("x", mina)); err == nil {
		t.Error("somebody is let in")
	}
}

// Nothing of what an SSH server often has exists here.
func TestNothingElse(t *testing.T) {
	boss := newKey(t)
	r := newRig(t, authorized(`role="admin"`, boss, "boss"))
	c := r.dial(boss)
	if n, err := c.Dial("tcp", "127.0.0.1:22"); err == nil {
		_ = n.Close()
		t.Error("it forwards connections")
	}
	if l, err := c.Listen("tcp", "127.47.1.9:0"); err == nil {
		_ = l.Close()
		t.Error("it listens for others")
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RequestSubsystem("sftp"); err == nil {
		t.Error("it has files")
	}
	for _, kind := range []string{"auth-agent-req@openssh.com", "x11-req"} {
		if ok, _ := s.SendRequest(kind, true, nil); ok {
			t.Errorf("%s is granted", kind)
		}
	}
}
