package sshd

import (
	"strings"
	"sync"

	gossh "golang.org/x/crypto/ssh"
)

// Sizes of a terminal. The console draws up to 1000x400; the cells of all
// terminals together are bounded as well, because each holds about half a
// kilobyte in the drawing programs.
const (
	columnsMax = 1000
	rowsMax    = 400
	cellsMax   = 1 << 17 // of one terminal: 640x200
	cellsTotal = 1 << 20 // of all: eighty of 200x60
)

// sane reports whether a terminal of this size is drawn for.
func sane(width, height uint32) bool {
	return width <= columnsMax && height <= rowsMax && width*height <= cellsMax
}

// Bounds of what a client says before its session begins.
const (
	environMost = 16
	valueMax    = 64 // bytes of a value that is used
	commandMax  = 4 << 10
	termMax     = 64
)

// filter lets pass what a session needs. The library behind it keeps whatever it
// is sent, and waits for whoever does not read changes of the window.
type filter struct {
	mu      sync.Mutex
	started bool
	pty     bool
	environ int
}

// passes reports whether a request goes on to the session.
func (f *filter) passes(kind string, payload []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch kind {
	case "shell", "exec":
		if f.started || len(payload) > commandMax {
			return false
		}
		f.started = true
		return true
	case "env":
		var kv struct{ Name, Value string }
		if f.started || gossh.Unmarshal(payload, &kv) != nil || !wanted(kv.Name) || len(kv.Value) > 4*valueMax || f.environ >= environMost {
			return false
		}
		f.environ++
		return true
	case "pty-req":
		var p struct {
			Term                        string
			Width, Height, PixelW, PixH uint32
			Modes                       string
		}
		if f.started || f.pty || gossh.Unmarshal(payload, &p) != nil || len(p.Term) > termMax || !sane(p.Width, p.Height) {
			return false
		}
		f.pty = true
		return true
	case "window-change":
		var p struct{ Width, Height, PixelW, PixH uint32 }
		return f.started && f.pty && gossh.Unmarshal(payload, &p) == nil && sane(p.Width, p.Height)
	}
	return false // subsystems, agents, X11, signals: nothing of it exists here
}

// begun reports whether a shell or a command was asked for.
func (f *filter) begun() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.started
}

// wanted reports whether a variable says something about the terminal.
func wanted(name string) bool {
	switch name {
	case "LANG", "COLORTERM", "NO_COLOR", "TERM":
		return true
	}
	return strings.HasPrefix(name, "LC_") && len(name) <= valueMax
}

// environ is what a session may know of its client's environment, with values
// that are short and harmless.
func environ(all []string, term string) []string {
	env := []string{"TERM=" + plainValue(term)}
	for _, v := range all {
		if name, value, ok := strings.Cut(v, "="); ok && name != "TERM" && wanted(name) {
			env = append(env, name+"="+plainValue(value))
		}
	}
	return env
}

func plainValue(s string) string {
	s = s[:min(len(s), valueMax)]
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}

// ascii reports whether the client's locale says that its terminal does not know
// UTF-8. Who says nothing gets it: hardly a terminal lacks it, and ssh sends the
// locale only where it is told to.
func ascii(env []string) bool {
	value := map[string]string{}
	for _, v := range env {
		name, s, _ := strings.Cut(v, "=")
		value[name] = s
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} { // the order of locale(7)
		if s := strings.ToLower(value[name]); s != "" {
			return !strings.Contains(s, "utf-8") && !strings.Contains(s, "utf8")
		}
	}
	return false
}
