package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"holdfast": main})
}

// patience is how long a script waits for anything. It is for a loaded machine:
// no script waits longer than the program needs.
const patience = 30 * time.Second

// TestScripts runs the real program, as people and scripts use it. Each script of
// testdata/script has hosts of its own, 127.37.N.x, so that they run side by side
// and beside a fleet of the default profile.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("HOLDFAST_STATE", filepath.Join(e.WorkDir, "s"))
			e.Setenv("TERM", "xterm-256color")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // each of a hundred programs would sleep a second at its end
			e.Values[deskKey{}] = &desk{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "until": until, "field": field, "signal": send, "processes": processes,
			"terminal": terminalWith, "press": press, "screen": screen, "restored": restored,
		},
	})
}

// code runs a command that must end with an exit code: code 3 holdfast …
func code(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: code N command …")
	}
	got := 0
	var failed *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &failed) {
		got = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if args[0] != strconv.Itoa(got) {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// until runs a command again and again, up to an output that matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until regexp command …")
	}
	want := regexp.MustCompile("(?m)" + args[0])
	eventually(ts, "no output matches "+args[0], func() bool {
		return ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout"))
	})
}

func eventually(ts *testscript.TestScript, not string, is func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !is() {
		select {
		case <-late:
			ts.Fatalf("%s within %s", not, patience)
		case <-tick.C:
		}
	}
}

// field looks into the JSON on standard output: field 0.health.measured up.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: field path value")
	}
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("standard output is no JSON: %v", err)
	}
	for _, step := range strings.Split(args[0], ".") {
		n, err := strconv.Atoi(step)
		object, _ := v.(map[string]any)
		array, _ := v.([]any)
		switch value, ok := object[step]; {
		case ok:
			v = value
		case err == nil && n < len(array):
			v = array[n]
		default:
			ts.Fatalf("%s: there is no %s", args[0], step)
		}
	}
	if got := fmt.Sprint(v); (got == args[1]) == neg {
		ts.Fatalf("%s is %q", args[0], got)
	}
}

// send sends a signal to the fleet of the script: signal TERM.
func send(ts *testscript.TestScript, _ bool, args []string) {
	b, err := os.ReadFile(filepath.Join(ts.Getenv("HOLDFAST_STATE"), "lock"))
	ts.Check(err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}[args[0]]))
}

// processes looks for backends' processes by their address: "! processes 127.37.1"
// waits until there is none, since the kernel ends them after their fleet.
func processes(ts *testscript.TestScript, neg bool, args []string) {
	some := func() bool {
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, path := range all {
			if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), "--address\x00"+args[0]+".") {
				return true
			}
		}
		return false
	}
	eventually(ts, "the processes at "+args[0]+" are not as they should be", func() bool { return some() != neg })
}

// person is one in front of the console: a pseudo-terminal, and an emulator
// that draws what comes and answers what is asked.
type person struct {
	own, tty *os.File // the two ends of the pseudo-terminal
	before   unix.Termios

	mu     sync.Mutex
	screen *vt.Emulator
	cmd    *exec.Cmd
	ended  chan struct{}
}

// desk is where a script's person sits.
type desk struct{ *person }

type deskKey struct{}

// terminalWith runs holdfast in a terminal of 120 columns and 40 rows:
// terminal console --page pools.
func terminalWith(ts *testscript.TestScript, _ bool, args []string) {
	own, tty, err := pty.Open()
	ts.Check(err)
	ts.Check(pty.Setsize(own, &pty.Winsize{Cols: 120, Rows: 40}))
	p := &person{own: own, tty: tty, screen: vt.NewEmulator(120, 40), ended: make(chan struct{})}
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	ts.Check(err)
	p.before = *before
	cmd := exec.Command("holdfast", args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOLDFAST_STATE", "HOME", "PATH", "TERM", "GORACE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(cmd.Start())
	p.cmd = cmd
	var all sync.WaitGroup
	all.Go(func() { // what the console draws
		b := make([]byte, 4096)
		for {
			n, err := own.Read(b)
			p.mu.Lock()
			_, _ = p.screen.Write(b[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	all.Go(func() { _, _ = io.Copy(own, p.screen) }) // what the terminal answers
	all.Go(func() { _ = cmd.Wait(); close(p.ended) })
	ts.Value(deskKey{}).(*desk).person = p
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = tty.Close()
		_ = own.Close()
		_ = p.screen.InputPipe().(io.Closer).Close()
		all.Wait()
	})
}

// text is what the person sees.
func (p *person) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return ansi.Strip(p.screen.Render())
}

var keyNames = map[string]string{"enter": "\r", "esc": "\x1b", "tab": "\t", "space": " ", "down": "\x1b[B", "up": "\x1b[A", "ctrl+c": "\x03"}

// press types keys, one word each: press 2 down + A enter.
func press(ts *testscript.TestScript, _ bool, args []string) {
	p := ts.Value(deskKey{}).(*desk).person
	for _, k := range args {
		if s, ok := keyNames[k]; ok {
			k = s
		}
		_, err := io.WriteString(p.own, k)
		ts.Check(err)
	}
}

// screen waits until what the person sees matches.
func screen(ts *testscript.TestScript, neg bool, args []string) {
	p := ts.Value(deskKey{}).(*desk).person
	want := regexp.MustCompile("(?m)" + args[0])
	defer func() { ts.Logf("%s", p.text()) }()
	eventually(ts, "the screen does not say "+args[0], func() bool { return want.MatchString(p.text()) != neg })
}

// restored waits until the program has ended, with an exit code, and left the
// terminal as it was: restored 0.
func restored(ts *testscript.TestScript, _ bool, args []string) {
	p := ts.Value(deskKey{}).(*desk).person
	select {
	case <-p.ended:
		if got := strconv.Itoa(p.cmd.ProcessState.ExitCode()); got != args[0] {
			ts.Fatalf("exit code %s, want %s:\n%s", got, args[0], p.text())
		}
	case <-time.After(patience):
		ts.Fatalf("it does not end:\n%s", p.text())
	}
	after, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	ts.Check(err)
	if !reflect.DeepEqual(p.before, *after) {
		ts.Fatalf("the terminal's settings were %+v and are %+v", p.before, *after)
	}
	eventually(ts, "the alternate screen is left and the cursor is shown again", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return !p.screen.IsAltScreen() && !p.screen.CursorHidden()
	})
}
