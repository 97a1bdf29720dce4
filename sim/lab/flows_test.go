//go:build lab

package lab_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

// role starts this test binary again inside a host's namespace.
func role(ctx context.Context, h *lab.Host, name, address string, more ...string) (*bytes.Buffer, func(stdin string) error) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	var out bytes.Buffer
	return &out, func(stdin string) error {
		cmd := h.Command(ctx, self)
		cmd.Env = append(os.Environ(), append(more, "HOLDFAST_LAB_ROLE="+name, "HOLDFAST_LAB_ADDRESS="+address)...)
		cmd.Stdin = strings.NewReader(stdin)
		cmd.Stdout, cmd.Stderr = &out, &out
		return cmd.Run()
	}
}

// send sends raw bytes to an address and returns what came back.
func send(t *testing.T, s *lab.Stage, address, bytes string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, do := role(ctx, s.Client, "raw", address)
	if err := do(bytes); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return out.String()
}

// TestWebSocket: a client that is not ours talks through the balancer to one of
// our services.
func TestWebSocket(t *testing.T) {
	s := stage(t)
	h := holdfast(t, s, services("http", ""))
	serves(t, s, front+"/health")
	script := filepath.Join(s.Dir, "ws.py")
	if err := os.WriteFile(script, []byte(fmt.Sprintf(`
import websocket
ws = websocket.create_connection("ws://%s:8080/ws", timeout=5)
for n in (1, 125, 126, 65535, 65536, 300000):
    ws.send("x" * n)
    got = ws.recv()
    assert got == "x" * n, (n, len(got))
ws.send_binary(bytes(range(256)))
assert ws.recv() == bytes(range(256))
ws.close()
print("echoed")
`, lab.FrontAddress)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(t, s.Client, "/usr/bin/python3", script); !strings.Contains(out, "echoed") {
		t.Errorf("the WebSocket client printed %q; holdfast: %s", out, lab.Tail(h.Log(), 5))
	}
}

// services is a fleet whose backends are its own processes.
func services(protocol, listener string) string {
	kind := protocol
	if listener != "" {
		listener = "    " + listener + "\n"
	}
	return fmt.Sprintf(`fleet: lab
sites: [{name: lab, hosts: [{name: balancer, address: %s}]}]
pools:
  - name: web
    site: lab
    backends:
      - {name: web-1, host: balancer, address: 127.0.0.1, port: 9081, service: {kind: %s}}
      - {name: web-2, host: balancer, address: 127.0.0.1, port: 9082, service: {kind: %s}}
listeners:
  - name: web
    site: lab
    protocol: %s
    port: 8080
    pool: web
%s`, lab.FrontAddress, kind, kind, protocol, listener)
}

// TestUDP: each client's datagrams come back from one backend.
func TestUDP(t *testing.T) {
	s := stage(t)
	holdfast(t, s, services("udp", ""))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := map[string]bool{}
	err := lab.Until(ctx, func() error {
		out, err := s.Client.Run(ctx, "sh", "-c", fmt.Sprintf("printf 'hello' | socat -t 1 - UDP:%s:8080", lab.FrontAddress))
		if err != nil {
			return err
		}
		if !strings.Contains(out, "hello") {
			return fmt.Errorf("socat got %q", out)
		}
		seen[strings.Fields(out)[0]] = true
		if len(seen) < 2 {
			return fmt.Errorf("only %v answered", seen)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestProxyProtocol: haproxy before us and nginx behind us, v1 and v2.
func TestProxyProtocol(t *testing.T) {
	s := stage(t)
	servers(t, s, 1)
	for _, version := range []string{"v1", "v2"} {
		t.Run("to nginx "+version, func(t *testing.T) {
			h := holdfast(t, s, lab.Spec("tcp", 8080, []int{9001}, []string{"upstream: {proxy_protocol: " + version + "}"}, nil))
			defer h.Stop()
			serves(t, s, front+"/")
			if out := run(t, s.Client, "curl", "-s", front+"/"); !strings.Contains(out, "peer="+lab.ClientAddress) {
				t.Errorf("nginx saw %q", out)
			}
		})
		t.Run("from haproxy "+version, func(t *testing.T) {
			h := holdfast(t, s, lab.Spec("http", 8080, []int{8001}, nil, []string{"proxy_protocol: any", "trust_from: [10.99.1.0/24]"}))
			defer h.Stop()
			option := map[string]string{"v1": "send-proxy", "v2": "send-proxy-v2"}[version]
			ha, err := s.Haproxy("front-"+version, 16384, fmt.Sprintf("listen web\n  mode tcp\n  bind %s:7000\n  server s %s:8080 %s source %s\n", lab.FrontAddress, lab.FrontAddress, option, lab.FrontAddress))
			if err != nil {
				t.Fatal(err)
			}
			defer ha.Stop()
			serves(t, s, "http://"+lab.FrontAddress+":7000/")
			if out := run(t, s.Client, "curl", "-s", "http://"+lab.FrontAddress+":7000/seen"); !strings.Contains(out, "xff="+lab.ClientAddress) {
				t.Errorf("nginx saw %q, want the client's address from haproxy's PROXY header", out)
			}
			if out := send(t, s, lab.FrontAddress+":8080", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); strings.Contains(out, "200") {
				t.Errorf("a connection without a PROXY header was served: %q", out)
			}
		})
	}
}

// TestHalfClose: a client that has finished sending still gets its answer.
func TestHalfClose(t *testing.T) {
	s := stage(t)
	servers(t, s, 1)
	holdfast(t, s, lab.Spec("tcp", 8080, []int{8001}, nil, nil))
	serves(t, s, front+"/")
	out := send(t, s, lab.FrontAddress+":8080", "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if !strings.Contains(out, "server 8001") {
		t.Errorf("the half-closed client got %q", out)
	}
}

// TestIdleConnections: 10,000 connections that say nothing are kept until their
// time-out, cost little, and the balancer serves others meanwhile.
func TestIdleConnections(t *testing.T) {
	// Behind tcp each costs the balancer two descriptors, and the machine's limit
	// may be 20,000.
	for protocol, count := range map[string]int{"http": 10_000, "tcp": 9_500} {
		t.Run(protocol, func(t *testing.T) {
			s := stage(t)
			servers(t, s, 1)
			listener := []string{"header: 60s", "idle: 60s"}
			if protocol == "tcp" {
				listener = nil
			}
			h := holdfast(t, s, lab.Spec(protocol, 8080, []int{8001}, nil, listener))
			serves(t, s, front+"/")
			before := resident(t, h.PID())
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			cmd := s.Client.Command(ctx, self)
			cmd.Env = append(os.Environ(), "HOLDFAST_LAB_ROLE=idle", fmt.Sprintf("HOLDFAST_LAB_COUNT=%d", count), "HOLDFAST_LAB_ADDRESS="+lab.FrontAddress+":8080")
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 16)
			if n, err := stdout.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "open") {
				t.Fatalf("the idle client printed %q, %v", buf[:n], err)
			}
			each := (resident(t, h.PID()) - before) / count
			t.Logf("%d idle %s connections: %d bytes each", count, protocol, each)
			if each > 40<<10 {
				t.Errorf("an idle %s connection costs %d bytes; 40 KiB are the limit", protocol, each)
			}
			if out := run(t, s.Client, "curl", "-s", "--max-time", "15", front+"/"); !strings.Contains(out, "server 8001") {
				t.Errorf("with %d idle connections another client got %q", count, out)
			}
			if _, err := stdin.Write([]byte("go\n")); err != nil {
				t.Fatal(err)
			}
			n, _ := stdout.Read(buf)
			if err := cmd.Wait(); err != nil || !strings.HasPrefix(string(buf[:n]), "served") {
				t.Errorf("the idle connections were not all served: %q, %v", buf[:n], err)
			}
		})
	}
}

// resident is a process's resident memory in bytes (proc(5), statm).
func resident(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
