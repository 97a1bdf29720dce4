package tui

import (
	"errors"
	"testing"
)

func TestSupported(t *testing.T) {
	for _, c := range []struct {
		env []string
		tty bool
		ok  bool
	}{
		{[]string{"TERM=xterm-256color"}, true, true},
		{[]string{"TERM=linux"}, true, true},
		{[]string{"TERM=dumb"}, true, false},
		{[]string{"TERM="}, true, false},
		{[]string{"TERM=xterm"}, false, false},
	} {
		err := Supported(c.env, c.tty)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrNoTerminal) {
			t.Errorf("Supported(%q, %t) = %v", c.env, c.tty, err)
		}
	}
}
