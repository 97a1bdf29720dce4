//go:build lab

package lab_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/sim/lab"
)

// TestCertificateReloadUnderLoad: the files of a certificate are replaced under
// handshakes, its chain before its key; no handshake fails, and new ones get the
// new one.
func TestCertificateReloadUnderLoad(t *testing.T) {
	s := stage(t)
	ports, _ := servers(t, s, 1)
	chain, key := certificate(t, s, "shop.example.test")
	spec := lab.Spec("https", 8443, ports, nil, []string{fmt.Sprintf("tls: {certificates: [{chain: %s, key: %s}]}", chain, key)})
	holdfast(t, s, spec)
	address := lab.FrontAddress + ":8443"
	serves(t, s, "https://"+address+"/")
	serial := func() string {
		return run(t, s.Client, "sh", "-c", "openssl s_client -servername shop.example.test -connect "+address+" </dev/null 2>/dev/null | openssl x509 -noout -serial")
	}
	before := serial()
	load := wrk(s, 8, "8s", "https://"+address+"/", "-H", "Connection: close")
	keep := wrk(s, 8, "8s", "https://"+address+"/")
	dir := filepath.Join(s.Dir, "next")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, s.Client, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=shop.example.test", "-addext", "subjectAltName=DNS:shop.example.test", "-keyout", filepath.Join(dir, "key"), "-out", filepath.Join(dir, "chain"))
	for from, to := range map[string]string{"chain": chain, "key": key} {
		if err := os.Rename(filepath.Join(dir, from), to); err != nil {
			t.Fatal(err)
		}
		for range 20 { // handshakes with a chain and a key that do not fit
			if now := serial(); to == chain && now == "" {
				t.Error("no certificate between the two files")
			}
		}
	}
	eventually(t, "the new certificate", func() error {
		if now := serial(); now == before || !strings.HasPrefix(now, "serial=") {
			return fmt.Errorf("it is %q", now)
		}
		return nil
	})
	clean(t, "a certificate's change, to new connections", <-load)
	clean(t, "a certificate's change, to old connections", <-keep)
}

// talk is a client of long-lived flows: it opens n connections, and asks on each
// of them again and again until it is told to stop on standard input. It prints
// "ready", and in the end for each server how many of its connections broke, and
// after how long the first of them.
func talk(address string, n int) error {
	var mu sync.Mutex
	lost, held, first := map[string]int{}, map[string]int{}, map[string]time.Duration{}
	began := time.Now()
	stop := make(chan struct{})
	var ready, done sync.WaitGroup
	for range n {
		ready.Add(1)
		done.Go(func() {
			server := "unserved"
			err := func() error {
				isReady := sync.OnceFunc(ready.Done)
				defer isReady()
				c, err := net.DialTimeout("tcp", address, 5*time.Second)
				if err != nil {
					return err
				}
				defer c.Close()
				r := bufio.NewReader(c)
				for tick := time.NewTicker(50 * time.Millisecond); ; {
					_ = c.SetDeadline(time.Now().Add(5 * time.Second))
					if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
						return err
					}
					for {
						line, err := r.ReadString('\n')
						if err != nil {
							return err
						}
						if name, ok := strings.CutPrefix(line, "server "); ok {
							server = strings.TrimSpace(name)
							break
						}
					}
					isReady()
					select {
					case <-tick.C:
					case <-stop:
						return nil
					}
				}
			}()
			mu.Lock()
			defer mu.Unlock()
			held[server]++
			if err != nil {
				lost[server]++
				if _, ok := first[server]; !ok {
					first[server] = time.Since(began)
				}
			}
		})
	}
	ready.Wait()
	mu.Lock()
	began = time.Now()
	mu.Unlock()
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	close(stop)
	done.Wait()
	for server := range held {
		fmt.Printf("%s %d %d %.1f\n", server, held[server], lost[server], first[server].Seconds())
	}
	return nil
}

// TestDrainUnderLoad: a backend is drained for three seconds while flows last
// for longer. Until the deadline none is cut, then those of the drained backend
// alone; short requests never fail.
func TestDrainUnderLoad(t *testing.T) {
	s := stage(t)
	ports, _ := servers(t, s, 2)
	h := holdfast(t, s, lab.Spec("tcp", 8080, ports, []string{"probe: web", "scheduler: rr"}, nil,
		"  - {name: short, site: lab, protocol: http, port: 8081, pool: web}\n"))
	serves(t, s, front+"/")
	waitPool(t, h, "2 up", func(b backends) bool { return b.state("web-1") == "ok" && b.state("web-2") == "ok" })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := s.Client.Command(ctx, self)
	cmd.Env = append(os.Environ(), "HOLDFAST_LAB_ROLE=talk", "HOLDFAST_LAB_COUNT=20", "HOLDFAST_LAB_ADDRESS="+lab.FrontAddress+":8080")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the flows' client printed %q", lines.Text())
	}
	load := wrk(s, 16, "6s", "http://"+lab.FrontAddress+":8081/")
	c := dial(t, h)
	began := time.Now()
	r, err := c.Do(ctx, api.Request{Command: api.Drain{Target: id.To(id.KindBackend, "web-1"), For: 3 * time.Second}, By: api.Actor{Name: "lab"}, Why: "test"})
	if err != nil || !r.OK {
		t.Fatalf("%v, %+v", err, r)
	}
	eventually(t, "it is drained", func() error {
		st, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if b, ok := st.Backend("web-1"); !ok || b.Phase != api.PhaseDrained {
			return errors.New("not yet")
		}
		return nil
	})
	took := time.Since(began)
	clean(t, "a drain", <-load)
	if _, err := io.WriteString(stdin, "stop\n"); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for lines.Scan() {
		var server string
		var held, lost int
		var first float64
		if _, err := fmt.Sscan(lines.Text(), &server, &held, &lost, &first); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		seen[server] = true
		t.Logf("%d flows on %s: %d were cut, the first %.1f s after the drain", held, server, lost, first)
		switch {
		case held == 0 || server != "8001" && server != "8002":
			t.Errorf("flows on %s", server)
		case server == "8002" && lost > 0:
			t.Errorf("%d flows of the other backend were cut", lost)
		case server == "8001" && (lost != held || first < 2.5):
			t.Errorf("%d of %d flows were cut, the first after %.1f s; want all, after 3 s", lost, held, first)
		}
	}
	if err := cmd.Wait(); err != nil || len(seen) != 2 {
		t.Errorf("flows on %v, %v", seen, err)
	}
	if took < 2900*time.Millisecond {
		t.Errorf("it was drained after %v, with flows open", took)
	}
}
