//go:build lab

package lab_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

var binary = flag.String("binary", "../../bin/holdfast", "the binary under test")

// TestMain lets the test binary play clients inside a namespace: a process
// cannot move between namespaces thread by thread, so it is started again there.
func TestMain(m *testing.M) {
	switch os.Getenv("HOLDFAST_LAB_ROLE") {
	case "raw":
		exit(raw(os.Getenv("HOLDFAST_LAB_ADDRESS")))
	case "talk":
		n, _ := strconv.Atoi(os.Getenv("HOLDFAST_LAB_COUNT"))
		exit(talk(os.Getenv("HOLDFAST_LAB_ADDRESS"), n))
	case "slow":
		exit(slow(os.Getenv("HOLDFAST_LAB_ADDRESS")))
	case "flood":
		exit(flood(os.Getenv("HOLDFAST_LAB_ADDRESS")))
	case "clocks":
		exit(clocks())
	case "facts":
		exit(factsClients(os.Getenv("HOLDFAST_LAB_CONFIG")))
	case "replica":
		exit(replicaHost(os.Getenv("HOLDFAST_LAB_CONFIG")))
	case "idle":
		n, _ := strconv.Atoi(os.Getenv("HOLDFAST_LAB_COUNT"))
		exit(idle(os.Getenv("HOLDFAST_LAB_ADDRESS"), n))
	}
	os.Exit(lab.Supervise(func() int {
		flag.Parse()
		return m.Run()
	}))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// raw sends standard input as it is, half-closes, and prints the answer until
// the far end closes or five seconds have passed.
func raw(address string) error {
	c, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := io.Copy(c, os.Stdin); err != nil {
		fmt.Println("WRITE-ERROR")
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if _, err := io.Copy(os.Stdout, c); err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			fmt.Println("STILL-OPEN")
		}
	}
	return nil
}

// idle opens n connections, says so, and when it is told on standard input,
// asks for one page on each of them.
func idle(address string, n int) error {
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		conns[i] = c
	}
	fmt.Println("open")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	for i, c := range conns {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || len(line) < 12 || line[9:12] != "200" {
			return fmt.Errorf("connection %d: %q, %v", i, line, err)
		}
	}
	fmt.Println("served")
	return nil
}

// stage builds the stage for one test.
func stage(t *testing.T) *lab.Stage {
	t.Helper()
	dir, err := lab.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := lab.NewStage(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func holdfast(t *testing.T, s *lab.Stage, spec string, args ...string) *lab.Holdfast {
	t.Helper()
	path, err := filepath.Abs(*binary)
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Holdfast(path, "lb", spec, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("holdfast printed:\n%s", lab.Tail(h.Log(), 40))
		}
	})
	return h
}

// servers starts nginx on ports 8001 and up.
func servers(t *testing.T, s *lab.Stage, n int) ([]int, []*lab.Process) {
	t.Helper()
	var ports []int
	var all []*lab.Process
	for i := range n {
		p, err := s.Nginx(8001 + i)
		if err != nil {
			t.Fatal(err)
		}
		ports, all = append(ports, 8001+i), append(all, p)
	}
	return ports, all
}

// serves waits until the listener answers through the balancer.
func serves(t *testing.T, s *lab.Stage, url string) {
	t.Helper()
	if err := s.Answers(s.Client, url, nil); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, h *lab.Host, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	out, err := h.Run(ctx, name, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}
