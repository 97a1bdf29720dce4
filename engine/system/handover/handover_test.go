package handover_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/handover"
	"github.com/holdfast-edge/holdfast/engine/system/proxy"
)

// TestMain lets the test's own binary be the next version, of several kinds.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		os.Exit(0)
	}
	if len(os.Args) > 2 && os.Args[1] == "next" {
		os.Exit(next(os.Args[2]))
	}
	os.Exit(m.Run())
}

func next(kind string) int {
	switch kind {
	case "ends":
		return 3
	case "hangs":
		select {}
	}
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	h, err := handover.Take()
	if err != nil {
		return fail(err)
	}
	f := h.Socket("tcp", kind)
	if f == nil || h.Socket("tcp", kind) != nil {
		return fail(fmt.Errorf("there is not one socket of %s", kind))
	}
	l, err := net.FileListener(f)
	if err != nil {
		return fail(err)
	}
	if err := h.Ready(); err != nil {
		return fail(err)
	}
	c, err := l.Accept()
	if err != nil {
		return fail(err)
	}
	_, _ = fmt.Fprintf(c, "from %d\n", os.Getpid())
	_ = c.Close()
	return 0
}

func listening(t *testing.T) (proxy.Socket, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	return proxy.Socket{Network: "tcp", Address: l.Addr().String(), File: f}, l.Addr().String()
}

func TestTheNextServes(t *testing.T) {
	s, address := listening(t)
	// A client that came before the next process was there is answered by it.
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	p, err := handover.Start(os.Args[0], []string{"next", address}, []proxy.Socket{s}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || line != fmt.Sprintf("from %d\n", p.Pid) || p.Pid == os.Getpid() {
		t.Errorf("%q, %v; the next is %d", line, err, p.Pid)
	}
	if st, err := p.Wait(); err != nil || st.ExitCode() != 0 {
		t.Errorf("it ended with %v, %v", st, err)
	}
}

func TestANextThatDoesNotServe(t *testing.T) {
	for kind, want := range map[string]string{"ends": "ended before", "hangs": "did not serve"} {
		s, _ := listening(t)
		wait := time.Minute
		if kind == "hangs" {
			wait = 300 * time.Millisecond
		}
		if _, err := handover.Start(os.Args[0], []string{"next", kind}, []proxy.Socket{s}, wait); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if err := handover.Check("/nowhere/holdfast"); err == nil {
		t.Error("a program that is not there is good")
	}
	if err := handover.Check(os.Args[0]); err != nil {
		t.Error(err)
	}
}

func TestNobodyBefore(t *testing.T) {
	h, err := handover.Take()
	if err != nil || h.Socket("tcp", "127.0.0.1:1") != nil {
		t.Fatalf("%v", err)
	}
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := h.Ready(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 256)
	n, err := l.Read(b)
	if want := fmt.Sprintf("MAINPID=%d\nREADY=1", os.Getpid()); err != nil || string(b[:n]) != want {
		t.Errorf("systemd hears %q, %v", b[:n], err)
	}
	t.Setenv("HOLDFAST_HANDOVER", "nonsense")
	if _, err := handover.Take(); err == nil {
		t.Error("nonsense is taken")
	}
}
