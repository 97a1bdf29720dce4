package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab/bench/load"
)

// contender is a store with its settings.
type contender struct {
	name                string
	program             string
	heartbeat, election time.Duration
}

// hosts of a store, and the addresses of them: not those of a local fleet.
var hosts = map[string]string{"h1": "127.14.0.1", "h2": "127.14.0.2", "h3": "127.14.0.3"}

// visitor is the client's name.
const visitor = "visitor"

// cluster is three processes of a store and one of its clients.
type cluster struct {
	c      contender
	dir    string
	certs  string
	stderr bytes.Buffer
	procs  map[string]*exec.Cmd
	client *exec.Cmd
	orders io.WriteCloser
	says   *bufio.Reader

	mu   sync.Mutex
	lead string
}

func newCluster(c contender, dir, certs string) (*cluster, error) {
	x := &cluster{c: c, dir: dir, certs: certs, procs: map[string]*exec.Cmd{}}
	m := x.member(visitor)
	x.client = exec.Command(c.program, m.Args("client")...)
	x.client.Stderr = os.Stderr
	var err error
	if x.orders, err = x.client.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := x.client.StdoutPipe()
	if err != nil {
		return nil, err
	}
	x.says = bufio.NewReader(out)
	return x, x.client.Start()
}

func (x *cluster) member(name string) load.Member {
	return load.Member{Name: name, Dir: filepath.Join(x.dir, name), Certs: x.certs, At: hosts, Heartbeat: x.c.heartbeat, Election: x.c.election}
}

// start starts the process of a host.
func (x *cluster) start(name string) error {
	m := x.member(name)
	cmd := exec.Command(x.c.program, m.Args("member")...)
	cmd.Stderr = &x.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	x.procs[name] = cmd
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == load.Leads {
				x.mu.Lock()
				x.lead = name
				x.mu.Unlock()
			}
		}
	}()
	return nil
}

func (x *cluster) startAll() error {
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		if err := x.start(name); err != nil {
			return err
		}
	}
	return nil
}

// kill ends a process as a lost power supply would, but for the disk's caches.
func (x *cluster) kill(name string) {
	if cmd := x.procs[name]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		delete(x.procs, name)
	}
}

func (x *cluster) close() {
	for name := range x.procs {
		x.kill(name)
	}
	_ = x.orders.Close()
	_ = x.client.Process.Kill()
	_ = x.client.Wait()
}

// leader returns the host that led last, once there is one that is not without.
func (x *cluster) leader(without string) (string, error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		x.mu.Lock()
		lead := x.lead
		x.mu.Unlock()
		if lead != "" && lead != without {
			return lead, nil
		}
		time.Sleep(time.Millisecond)
	}
	return "", fmt.Errorf("%s: nobody leads: %s", x.c.name, x.stderr.String())
}

// order lets the client do something; the result comes by the second function.
func (x *cluster) order(o load.Order) func() (load.Report, error) {
	b, err := json.Marshal(o)
	if err == nil {
		_, err = x.orders.Write(append(b, '\n'))
	}
	return func() (r load.Report, _ error) {
		if err != nil {
			return r, err
		}
		line, err := x.says.ReadBytes('\n')
		if err != nil {
			return r, fmt.Errorf("%s: the client ended: %w", x.c.name, err)
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return r, err
		}
		if r.Error != "" {
			return r, fmt.Errorf("%s: %s; the hosts say: %s", x.c.name, r.Error, x.stderr.String())
		}
		return r, nil
	}
}

// memory returns what the hosts' processes have in memory, in bytes: all, and what
// is not a file's, the median of the three.
func (x *cluster) memory() (all, own float64, err error) {
	var rss, anon []float64
	for _, cmd := range x.procs {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			return 0, 0, err
		}
		rss, anon = append(rss, field(b, "VmRSS:")), append(anon, field(b, "RssAnon:"))
	}
	if len(rss) == 0 {
		return 0, 0, errors.New("nobody is there to be measured")
	}
	return median(rss), median(anon), nil
}

func field(status []byte, name string) float64 {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kb, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb * 1024
		}
	}
	return 0
}
