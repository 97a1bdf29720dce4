package shot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// Terminal is a program that runs in a pseudo-terminal of ours.
type Terminal struct {
	W, H   int
	screen *vt.SafeEmulator
	file   *os.File
	cmd    *exec.Cmd
	mu     sync.Mutex
	bytes  int
	ended  chan struct{}
}

// Start runs a program. It is ended when ctx ends.
func Start(ctx context.Context, w, h int, env []string, program string, args ...string) (*Terminal, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), append([]string{"TERM=xterm-256color", "COLORTERM=truecolor", "NO_COLOR="}, env...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: uint16(h), Cols: uint16(w)})
	if err != nil {
		return nil, fmt.Errorf("shot: start %s: %w", program, err)
	}
	t := &Terminal{W: w, H: h, screen: vt.NewSafeEmulator(w, h), file: file, cmd: cmd, ended: make(chan struct{})}
	go func() { _, _ = io.Copy(file, t.screen) }() // what the emulator answers to queries
	go t.read()
	return t, nil
}

func (t *Terminal) read() {
	defer close(t.ended)
	buf := make([]byte, 32<<10)
	for {
		n, err := t.file.Read(buf)
		if n > 0 {
			_, _ = t.screen.Write(buf[:n])
			t.mu.Lock()
			t.bytes += n
			t.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// Bytes is how many the program has written.
func (t *Terminal) Bytes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes
}

// Type types text, as if by hand.
func (t *Terminal) Type(s string) error {
	_, err := io.WriteString(t.file, s)
	return err
}

// seen copies the screen, so that it can be read while the program writes on.
func (t *Terminal) seen() Cells {
	copied := uv.NewScreenBuffer(t.W, t.H)
	t.screen.Draw(copied, copied.Bounds())
	return copied
}

// Text is what is on the screen.
func (t *Terminal) Text() string { return Text(t.seen(), t.W, t.H) }

// SVG is a picture of the screen.
func (t *Terminal) SVG(lightGround bool, title string) string {
	return SVG(t.seen(), t.W, t.H, lightGround, title)
}

// lookEvery is how often Wait looks at the screen.
const lookEvery = 50 * time.Millisecond

// Wait waits until the screen has all of the texts.
func (t *Terminal) Wait(ctx context.Context, texts ...string) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		seen := t.Text()
		missing := ""
		for _, s := range texts {
			if !strings.Contains(seen, s) {
				missing = s
			}
		}
		if missing == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("shot: %q did not come: %w; the screen is\n%s", missing, ctx.Err(), seen)
		case <-t.ended:
			return fmt.Errorf("shot: the program ended before %q came; the screen is\n%s", missing, seen)
		case <-tick.C:
		}
	}
}

// Close ends the program and waits for it.
func (t *Terminal) Close() error {
	_ = t.cmd.Process.Signal(syscall.SIGTERM)
	err := t.cmd.Wait()
	_ = t.file.Close()
	<-t.ended
	EndAnswers(t.screen)
	var status *exec.ExitError
	if errors.As(err, &status) {
		return nil // however it ended, it was told to
	}
	return err
}
