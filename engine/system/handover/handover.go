// Package handover replaces a running program by its next version: the new process
// is started by the old one, with the sockets that it listens on, and says when it
// serves. No connection is refused in between.
//
// To the new process the sockets are open files behind the standard ones: first the
// pipe on which it says that it is ready, then the sockets in the order in which
// the variable HOLDFAST_HANDOVER lists them.
package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-edge/holdfast/engine/system/proxy"
)

// variable lists the sockets for the new process.
const variable = "HOLDFAST_HANDOVER"

// firstFile is where a process finds the files that it was given (os/exec).
const firstFile = 3

// ready is what the new process says.
const ready = "ready\n"

// listed is a socket in the variable.
type listed struct {
	Network string `json:"network"`
	Address string `json:"address"`
}

// checkWait is how long a program may take to say its version.
const checkWait = 5 * time.Second

// Check looks whether a program can be started at all, before anything is given
// up for it.
func Check(program string) error {
	done := make(chan error, 1)
	cmd := exec.Command(program, "--version")
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("handover: %w", err)
	}
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("handover: %s --version: %w: %.200q", program, err, out.String())
		}
		return nil
	case <-time.After(checkWait):
		_ = cmd.Process.Kill()
		return fmt.Errorf("handover: %s --version does not end within %s", program, checkWait)
	}
}

// Start starts a program with arguments and the sockets, and waits until it says that
// it serves. One that does not within wait is ended again. The sockets are closed
// here.
func Start(program string, args []string, sockets []proxy.Socket, wait time.Duration) (*os.Process, error) {
	defer func() {
		for _, s := range sockets {
			_ = s.File.Close()
		}
	}()
	says, said, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	defer func() { _ = says.Close() }()
	cmd := exec.Command(program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{said}
	list := make([]listed, 0, len(sockets))
	for _, s := range sockets {
		cmd.ExtraFiles = append(cmd.ExtraFiles, s.File)
		list = append(list, listed{s.Network, s.Address})
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	cmd.Env = append(os.Environ(), variable+"="+string(text))
	err = cmd.Start()
	_ = said.Close()
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	_ = says.SetReadDeadline(time.Now().Add(wait))
	word := make([]byte, len(ready))
	if _, err = io.ReadFull(says, word); err == nil && string(word) == ready {
		return cmd.Process, nil
	}
	_ = cmd.Process.Kill()
	_, _ = cmd.Process.Wait()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("handover: %s did not serve within %s", program, wait)
	}
	return nil, fmt.Errorf("handover: %s ended before it served: %w", program, err)
}

// Inherited is what a process was given by the one before it.
type Inherited struct {
	mu      sync.Mutex
	pipe    *os.File // nil: it was started by somebody else, or has said that it serves
	sockets []proxy.Socket
}

// Take takes what this process was given, once. Without anything it is empty, and of
// use all the same.
func Take() (*Inherited, error) {
	h := &Inherited{}
	text, ok := os.LookupEnv(variable)
	if !ok {
		return h, nil
	}
	if err := os.Unsetenv(variable); err != nil { // its own children were given nothing
		return nil, fmt.Errorf("handover: %w", err)
	}
	var list []listed
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("handover: %s: %w", variable, err)
	}
	file := func(fd int, name string) (*os.File, error) {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return nil, fmt.Errorf("handover: %s names file %d, which is not open: %w", variable, fd, err)
		}
		return os.NewFile(uintptr(fd), name), nil
	}
	var err error
	if h.pipe, err = file(firstFile, "handover"); err != nil {
		return nil, err
	}
	for i, l := range list {
		f, err := file(firstFile+1+i, l.Address)
		if err != nil {
			return nil, err
		}
		h.sockets = append(h.sockets, proxy.Socket{Network: l.Network, Address: l.Address, File: f})
	}
	return h, nil
}

// Any reports whether there was a process before this one.
func (h *Inherited) Any() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pipe != nil
}

// Socket returns the socket of an address, once; nil if there is none.
func (h *Inherited) Socket(network, address string) *os.File {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, s := range h.sockets {
		if s.Network == network && s.Address == address {
			h.sockets = append(h.sockets[:i:i], h.sockets[i+1:]...)
			return s.File
		}
	}
	return nil
}

// Ready says to the process before, and to the system's manager, that this one
// serves. Sockets that nobody took are closed.
func (h *Inherited) Ready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sockets {
		_ = s.File.Close()
	}
	h.sockets = nil
	err := Notify(fmt.Sprintf("MAINPID=%d\nREADY=1", os.Getpid()))
	if h.pipe != nil {
		_, failed := h.pipe.WriteString(ready)
		err = errors.Join(err, failed, h.pipe.Close())
		h.pipe = nil
	}
	return err
}

// Notify tells systemd a state (sd_notify(3)), where it wants to know.
func Notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	if strings.HasPrefix(path, "@") {
		path = "\x00" + path[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("handover: tell systemd: %w", err)
	}
	_, err = c.Write([]byte(state))
	return errors.Join(err, c.Close())
}
