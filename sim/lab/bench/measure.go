package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

// contender is one way from the client to the server.
type contender struct {
	name    string
	address string       // host:port the client connects to
	process *lab.Process // whose processor time is counted; nil for direct
}

// scenario is one kind of load.
type scenario struct {
	name  string
	title string
	args  []string // of wrk
	path  string
	per   string // what the processor time is counted for
	cost  func(result) float64
}

func perWork(r result) float64 { return r.perWork.Seconds() }
func perGiB(r result) float64  { return r.perGiB.Seconds() }

var scenarios = []scenario{
	{"keepalive", "keep-alive requests, 64 connections, short answers", []string{"-c", "64"}, "/", "100k", perWork},
	{"connections", "a new connection for each request, 32 at a time", []string{"-c", "32", "-H", "Connection: close"}, "/", "100k", perWork},
	{"bodies", "10 MiB bodies, 8 connections", []string{"-c", "8"}, "/10m", "GiB", perGiB},
}

// result is one measurement.
type result struct {
	rate    float64 // requests per second
	bytes   float64 // bytes per second, of bodies and heads
	p50     time.Duration
	p99     time.Duration
	errors  int
	perWork time.Duration // balancer processor time per 100,000 requests
	perGiB  time.Duration
}

// start starts every contender. All of them forward to one nginx.
func start(s *lab.Stage, binary string) ([]contender, error) {
	server := lab.ServerAddress + ":8001"
	all := []contender{{name: "direct", address: server}}
	haproxy := func(label, mode string, port, buffers int) error {
		p, err := s.Haproxy(label, buffers, fmt.Sprintf("listen web\n  mode %s\n  bind %s:%d\n  server s %s\n", mode, lab.FrontAddress, port, server))
		if err == nil {
			all = append(all, contender{"haproxy " + label, fmt.Sprintf("%s:%d", lab.FrontAddress, port), p})
		}
		return err
	}
	holdfast := func(label, protocol string, port int) error {
		if binary == "" {
			return nil
		}
		h, err := s.Holdfast(binary, label, lab.Spec(protocol, port, []int{8001}, []string{"probe: web"}, nil))
		if err == nil {
			all = append(all, contender{"holdfast " + label, fmt.Sprintf("%s:%d", lab.FrontAddress, port), h.Process})
		}
		return err
	}
	if err := errors.Join(
		haproxy("tcp", "tcp", 7001, 16384), haproxy("http", "http", 7002, 16384),
		haproxy("tcp-128k", "tcp", 7003, 131072), haproxy("http-128k", "http", 7004, 131072),
		holdfast("tcp", "tcp", 7005), holdfast("http", "http", 7006),
	); err != nil {
		return nil, err
	}
	for _, c := range all {
		err := s.Answers(s.Client, "http://"+c.address+"/", c.process)
		if err != nil {
			return nil, fmt.Errorf("%s does not answer: %w", c.name, err)
		}
	}
	return all, nil
}

func measure(s *lab.Stage, sc scenario, c contender, length time.Duration) (result, error) {
	var before time.Duration
	var err error
	if c.process != nil {
		if before, err = c.process.CPU(); err != nil {
			return result{}, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), length+20*time.Second)
	defer cancel()
	args := append([]string{"-t", "1", "-d", fmt.Sprintf("%.0fs", length.Seconds()), "--latency", "--timeout", "10s"}, sc.args...)
	out, err := s.Client.Run(ctx, "wrk", append(args, "http://"+c.address+sc.path)...)
	if err != nil {
		return result{}, err
	}
	r, requests, bytes, err := parseWrk(out)
	if err != nil {
		return result{}, err
	}
	if c.process != nil {
		after, err := c.process.CPU()
		if err != nil {
			return result{}, err
		}
		used := after - before
		if requests > 0 {
			r.perWork = time.Duration(float64(used) * 1e5 / requests)
		}
		if bytes > 0 {
			r.perGiB = time.Duration(float64(used) * (1 << 30) / bytes)
		}
	}
	return r, nil
}

var (
	wrkTotal  = regexp.MustCompile(`(\d+) requests in ([\d.]+)(ms|s|m), ([\d.]+)(B|KB|MB|GB|TB) read`)
	wrkRate   = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkErrors = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	wrkBad    = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	wrkShare  = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+)(us|ms|s)`)
)

// parseWrk reads wrk's report.
func parseWrk(out string) (r result, requests, bytes float64, err error) {
	total := wrkTotal.FindStringSubmatch(out)
	rate := wrkRate.FindStringSubmatch(out)
	if total == nil || rate == nil {
		return r, 0, 0, fmt.Errorf("wrk's report is not as expected: %s", strings.TrimSpace(out))
	}
	requests, _ = strconv.ParseFloat(total[1], 64)
	took, _ := strconv.ParseFloat(total[2], 64)
	took *= map[string]float64{"ms": 1e-3, "s": 1, "m": 60}[total[3]]
	bytes, _ = strconv.ParseFloat(total[4], 64)
	bytes *= map[string]float64{"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}[total[5]]
	r.rate, _ = strconv.ParseFloat(rate[1], 64)
	r.bytes = bytes / took
	for _, m := range wrkShare.FindAllStringSubmatch(out, -1) {
		v, _ := strconv.ParseFloat(m[2], 64)
		d := time.Duration(v * float64(map[string]time.Duration{"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second}[m[3]]))
		if m[1] == "50" {
			r.p50 = d
		} else {
			r.p99 = d
		}
	}
	if m := wrkErrors.FindStringSubmatch(out); m != nil {
		for _, n := range m[1:] {
			e, _ := strconv.Atoi(n)
			r.errors += e
		}
	}
	if m := wrkBad.FindStringSubmatch(out); m != nil {
		e, _ := strconv.Atoi(m[1])
		r.errors += e
	}
	return r, requests, bytes, nil
}
