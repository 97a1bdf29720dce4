package lab

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"
)

// The stage's addresses: clients and balancer on one link, balancer and
// servers on the other.
const (
	ClientAddress = "10.99.1.1"
	FrontAddress  = "10.99.1.2" // the balancer, as clients see it
	BackAddress   = "10.99.2.2" // the balancer, as servers see it
	ServerAddress = "10.99.2.1"
)

// Stage is the network of most tests: a client, a balancer, a server, each a
// host of its own, with the balancer between the others.
type Stage struct {
	*Network
	Client, Balancer, Server *Host
}

// NewStage builds the stage. dir holds its files.
func NewStage(dir string) (*Stage, error) {
	n, err := New(dir)
	if err != nil {
		return nil, err
	}
	s := &Stage{Network: n}
	for _, make := range []struct {
		to   **Host
		name string
	}{{&s.Client, "client"}, {&s.Balancer, "balancer"}, {&s.Server, "server"}} {
		if *make.to, err = n.Host(make.name); err != nil {
			_ = n.Close()
			return nil, err
		}
	}
	front := netip.MustParsePrefix("10.99.1.0/24")
	back := netip.MustParsePrefix("10.99.2.0/24")
	at := func(a string, p netip.Prefix) netip.Prefix {
		return netip.PrefixFrom(netip.MustParseAddr(a), p.Bits())
	}
	for _, do := range []func() error{
		func() error { return n.Link(s.Client, at(ClientAddress, front), s.Balancer, at(FrontAddress, front)) },
		func() error { return n.Link(s.Balancer, at(BackAddress, back), s.Server, at(ServerAddress, back)) },
		func() error { return s.Client.Route(back, netip.MustParseAddr(FrontAddress)) },
		func() error { return s.Server.Route(front, netip.MustParseAddr(BackAddress)) },
	} {
		if err := do(); err != nil {
			_ = n.Close()
			return nil, err
		}
	}
	return s, nil
}

// Nginx starts an nginx on the server that answers "/" with a short body that
// names the port, "/10m" with 10 MiB, and "/seen" with what arrived: the
// client's address and the forwarding headers, or "/read" with the same once the
// whole body is there. It accepts PROXY v1 and v2 on
// port+1000.
func (s *Stage) Nginx(port int) (*Process, error) {
	root := filepath.Join(s.Dir, fmt.Sprintf("www%d", port))
	if _, err := s.Server.Run(context.Background(), "sh", "-c", fmt.Sprintf("mkdir -p %[1]s && chmod 755 %[1]s %[2]s && [ -f %[1]s/10m ] || head -c 10485760 /dev/urandom > %[1]s/10m", root, s.Dir)); err != nil {
		return nil, err
	}
	conf, err := s.Write(fmt.Sprintf("nginx%d.conf", port), fmt.Sprintf(`daemon off; worker_processes 1; worker_rlimit_nofile 65536;
pid %[2]s/nginx%[1]d.pid; error_log %[2]s/nginx%[1]d.err warn; user root;
events { worker_connections 32768; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_requests 100000000; keepalive_timeout 300s;
  client_body_temp_path %[2]s/tmp%[1]d; proxy_temp_path %[2]s/tmp%[1]d; fastcgi_temp_path %[2]s/tmp%[1]d; uwsgi_temp_path %[2]s/tmp%[1]d; scgi_temp_path %[2]s/tmp%[1]d;
  server {
    listen %[3]s:%[1]d backlog=4096; root %[4]s; default_type text/plain;
    location = / { return 200 "server %[1]d\n"; }
    location = /seen { return 200 "peer=$remote_addr xff=$http_x_forwarded_for proto=$http_x_forwarded_proto host=$http_host te=$http_transfer_encoding cl=$http_content_length\n"; }
    location = /read { proxy_pass http://%[3]s:%[1]d/seen; proxy_set_header Host $http_host; }
    location = /health { return 200 "ok\n"; }
  }
  server {
    listen %[3]s:%[5]d proxy_protocol backlog=4096; root %[4]s; default_type text/plain;
    location / { return 200 "proxied peer=$proxy_protocol_addr port=$proxy_protocol_port\n"; }
  }
}
`, port, s.Dir, ServerAddress, root, port+1000))
	if err != nil {
		return nil, err
	}
	p, err := s.Server.Start(fmt.Sprintf("nginx%d", port), "nginx", "-c", conf)
	if err != nil {
		return nil, err
	}
	return p, s.Answers(s.Balancer, fmt.Sprintf("http://%s:%d/health", ServerAddress, port), p)
}

// Answers waits until a URL answers, seen from a host; it gives up at once when
// p, which may be nil, ends.
func (s *Stage) Answers(from *Host, url string, p *Process) error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	return Until(ctx, func() error {
		if p != nil && p.Ended() {
			cancel()
			return fmt.Errorf("lab: it ended before %s answered: %s", url, Tail(p.Log(), 20))
		}
		_, err := from.Run(ctx, "curl", "-skf", "--max-time", "1", "-o", "/dev/null", url)
		return err
	})
}

// Haproxy starts haproxy on the balancer with a configuration's body below
// fitting global and defaults sections.
func (s *Stage) Haproxy(label string, bufsize int, body string) (*Process, error) {
	return s.HaproxyOn(s.Balancer, label, bufsize, body)
}

// HaproxyOn is Haproxy on another host.
func (s *Stage) HaproxyOn(h *Host, label string, bufsize int, body string) (*Process, error) {
	conf, err := s.Write("haproxy-"+label+".cfg", fmt.Sprintf(`global
  maxconn 8000
  tune.bufsize %d
  log stderr format raw local0 err
defaults
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 15s
  timeout http-request 10s
%s
`, bufsize, body))
	if err != nil {
		return nil, err
	}
	return h.Start("haproxy-"+label, "haproxy", "-db", "-f", conf)
}

// Holdfast is a running binary with its state directory.
type Holdfast struct {
	*Process
	Binary string
	State  string
	host   *Host
}

// Holdfast starts the binary on the balancer with a spec.
func (s *Stage) Holdfast(binary, label, spec string, args ...string) (*Holdfast, error) {
	path, err := s.Write(label+".yaml", spec)
	if err != nil {
		return nil, err
	}
	h := &Holdfast{Binary: binary, State: filepath.Join(s.Dir, "state-"+label), host: s.Balancer}
	h.Process, err = s.Balancer.Start("holdfast-"+label, binary, append([]string{"up", "--headless", "--state", h.State, path}, args...)...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	return h, Until(ctx, func() error {
		if h.Ended() {
			cancel()
			return fmt.Errorf("lab: holdfast ended: %s", Tail(h.Log(), 20))
		}
		_, err := h.Do(ctx, "get", "pools", "-o", "json")
		return err
	})
}

// Do runs the command line against the running fleet and returns what it
// printed.
func (h *Holdfast) Do(ctx context.Context, args ...string) (string, error) {
	return h.host.Run(ctx, h.Binary, append([]string{"--state", h.State}, args...)...)
}

// Spec writes the spec of one balancer host with a pool of external backends.
// Lines of pool and listener are added to theirs.
func Spec(protocol string, port int, backends []int, pool, listener []string, more ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "fleet: lab\nsites:\n  - name: lab\n    hosts:\n      - {name: balancer, address: %s}\n", FrontAddress)
	b.WriteString("probes:\n  - {name: web, kind: http, http: {path: /health}}\n")
	b.WriteString("pools:\n  - name: web\n    site: lab\n")
	for _, line := range pool {
		b.WriteString("    " + line + "\n")
	}
	b.WriteString("    backends:\n")
	for i, p := range backends {
		fmt.Fprintf(&b, "      - {name: web-%d, address: %s, port: %d}\n", i+1, ServerAddress, p)
	}
	fmt.Fprintf(&b, "listeners:\n  - name: web\n    site: lab\n    protocol: %s\n    port: %d\n    pool: web\n", protocol, port)
	for _, line := range listener {
		b.WriteString("    " + line + "\n")
	}
	for _, m := range more {
		b.WriteString(m)
	}
	return b.String()
}
