//go:build lab

package lab_test

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

const front = "http://" + lab.FrontAddress + ":8080"

// certificate makes a self-signed certificate for a name.
func certificate(t *testing.T, s *lab.Stage, name string) (chain, key string) {
	t.Helper()
	chain, key = filepath.Join(s.Dir, name+".pem"), filepath.Join(s.Dir, name+".key")
	run(t, s.Client, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-days", "2", "-subj", "/CN="+name, "-addext", "subjectAltName=DNS:"+name, "-keyout", key, "-out", chain)
	return chain, key
}

// TestCurl: the protocols, as curl speaks them, and what the server sees.
func TestCurl(t *testing.T) {
	s := stage(t)
	ports, _ := servers(t, s, 2)
	chain, key := certificate(t, s, "shop.example.test")
	holdfast(t, s, lab.Spec("http", 8080, ports, []string{"probe: web"}, nil,
		fmt.Sprintf("  - {name: secure, site: lab, protocol: https, port: 8443, pool: web, tls: {certificates: [{chain: %s, key: %s}]}}\n", chain, key),
		"  - {name: moved, site: lab, protocol: http, port: 8081, redirect: {port: 8443}}\n"))
	serves(t, s, front+"/health")
	secure := []string{"-s", "--cacert", chain, "--resolve", "shop.example.test:8443:" + lab.FrontAddress}

	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"HTTP/1.1", []string{"-s", "-w", " %{http_version}", front + "/seen"}, `xff=10\.99\.1\.1 proto=http host=10\.99\.1\.2:8080 .* 1\.1$`},
		{"HTTP/2 by prior knowledge", []string{"-s", "--http2-prior-knowledge", "-w", " %{http_version}", front + "/seen"}, `xff=10\.99\.1\.1 .* 2$`},
		{"a forged X-Forwarded-For is replaced", []string{"-s", "-H", "X-Forwarded-For: 6.6.6.6", front + "/seen"}, `xff=10\.99\.1\.1 `},
		{"HTTPS speaks HTTP/2", append(secure, "-w", " %{http_version} %{ssl_verify_result}", "https://shop.example.test:8443/seen"), `proto=https .* 2 0$`},
		{"HTTPS speaks HTTP/1.1 when asked", append(secure, "--http1.1", "-w", " %{http_version}", "https://shop.example.test:8443/seen"), `proto=https .* 1\.1$`},
		{"redirect", []string{"-s", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "http://" + lab.FrontAddress + ":8081/a?b=c"}, `^308 https://10\.99\.1\.2:8443/a\?b=c$`},
		{"a chunked upload arrives", []string{"-s", "-H", "Transfer-Encoding: chunked", "-d", "hello", front + "/seen"}, `(te=chunked|cl=5)`},
		{"HEAD has no body", []string{"-s", "-I", front + "/"}, `^HTTP/1\.1 200`},
	} {
		t.Run(row.name, func(t *testing.T) {
			out := strings.TrimSpace(strings.ReplaceAll(run(t, s.Client, "curl", row.args...), "\n", " "))
			out = strings.ReplaceAll(out, "  ", " ")
			if !regexp.MustCompile(row.want).MatchString(out) {
				t.Errorf("curl %s printed %q, want %s", strings.Join(row.args, " "), out, row.want)
			}
		})
	}
	t.Run("a 10 MiB body is the same byte for byte", func(t *testing.T) {
		sums := run(t, s.Client, "sh", "-c", fmt.Sprintf("for i in 1 2 3 4; do curl -s %s/10m | sha256sum; done | sort -u; sha256sum < %s/www8001/10m; sha256sum < %s/www8002/10m", front, s.Dir, s.Dir))
		lines := strings.Fields(strings.ReplaceAll(sums, "-", ""))
		known := lines[len(lines)-2:]
		for _, sum := range lines[:len(lines)-2] {
			if sum != known[0] && sum != known[1] {
				t.Errorf("a body arrived changed: %s is neither %v", sum, known)
			}
		}
	})
	t.Run("h2load", func(t *testing.T) {
		out := run(t, s.Client, "h2load", "-n", "20000", "-c", "20", "-m", "10", front+"/")
		if !strings.Contains(out, "20000 succeeded, 0 failed, 0 errored, 0 timeout") {
			t.Errorf("h2load printed:\n%s", out)
		}
	})
	t.Run("openssl s_client", func(t *testing.T) {
		out := run(t, s.Client, "sh", "-c", fmt.Sprintf("printf 'GET /health HTTP/1.1\\r\\nHost: shop.example.test\\r\\nConnection: close\\r\\n\\r\\n' | openssl s_client -quiet -verify_return_error -servername shop.example.test -CAfile %s -connect %s:8443 2>/dev/null", chain, lab.FrontAddress))
		if !strings.HasPrefix(out, "HTTP/1.1 200") {
			t.Errorf("s_client printed %q", out)
		}
	})
}

// TestThousandChangesUnderLoad: weights, drains and whole specs change a
// thousand times; no request fails.
func TestThousandChangesUnderLoad(t *testing.T) {
	s := stage(t)
	ports, _ := servers(t, s, 3)
	spec := func(n int) string {
		return lab.Spec("http", 8080, ports[:n], []string{"probe: web"}, nil)
	}
	h := holdfast(t, s, spec(3))
	serves(t, s, front+"/health")
	waitPool(t, h, "3 up", func(b backends) bool {
		return b.state("web-1") == "ok" && b.state("web-2") == "ok" && b.state("web-3") == "ok"
	})
	two, err := s.Write("two.yaml", spec(2))
	if err != nil {
		t.Fatal(err)
	}
	three, err := s.Write("three.yaml", spec(3))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan string, 1)
	load := wrk(s, 16, "30s", front+"/")
	go func() { out := <-load; cancel(); ended <- out }()
	c := dial(t, h)
	changes := 0
	for changes < 1000 && ctx.Err() == nil {
		changes += change(ctx, t, c, changes, two, three)
	}
	clean(t, fmt.Sprintf("%d changes", changes), <-ended)
	if changes < 1000 {
		t.Errorf("%d changes in the time of the load, want 1000", changes)
	}
}
