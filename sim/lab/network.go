package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Network is a set of hosts in namespaces of their own.
type Network struct {
	// Dir holds the files of the run: configurations, logs.
	Dir string

	mu    sync.Mutex
	hosts []*Host
	links int
	ends  []io.Closer // of what the lab itself runs there
}

// New prepares an empty network, in place of the one before. dir must exist; see
// TempDir.
func New(dir string) (*Network, error) {
	if os.Getenv(dirVariable) == "" {
		return nil, errors.New("lab: a network needs Supervise, or nobody cleans up after it")
	}
	if err := sweepNamespaces(); err != nil {
		return nil, err
	}
	return &Network{Dir: dir}, nil
}

func removeNamespace(name string) error {
	pids, _ := exec.Command("ip", "netns", "pids", name).Output()
	for _, pid := range strings.Fields(string(pids)) {
		if pid == strconv.Itoa(os.Getpid()) {
			continue // its first thread is a client there just now: see inside
		}
		_ = exec.Command("kill", "-KILL", pid).Run()
	}
	return ip("netns", "del", name)
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("lab: ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// Host is one network namespace.
type Host struct {
	Name string
	// Address on the switch of its site; only hosts of a Fleet have one.
	Address netip.Addr
	net     *Network
	site    *Site
	port    string // its port of the switch

	mu        sync.Mutex
	processes []*Process
}

// Host adds a host with nothing but its loopback interface.
func (n *Network) Host(name string) (*Host, error) {
	h := &Host{Name: name, net: n}
	if err := ip("netns", "add", prefix+name); err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.hosts = append(n.hosts, h)
	n.mu.Unlock()
	// Not every kernel lets a namespace set each of them; the run says by its
	// results whether that mattered.
	_ = h.Command(context.Background(), "sysctl", "-eqw", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1", "net.core.somaxconn=4096",
		"net.ipv4.ip_forward=1", "net.ipv4.ping_group_range=0 2147483647", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0").Run()
	return h, h.ip("link", "set", "lo", "up")
}

func (h *Host) ip(args ...string) error {
	return ip(append([]string{"-n", prefix + h.Name}, args...)...)
}

func (h *Host) sysctl(set string) error {
	if out, err := h.Command(context.Background(), "sysctl", "-qw", set).CombinedOutput(); err != nil {
		return fmt.Errorf("lab: %s: sysctl %s: %w: %s", h.Name, set, err, bytes.TrimSpace(out))
	}
	return nil
}

// batch carries out several ip commands in the namespace, with one program.
func (h *Host) batch(lines ...string) error {
	cmd := exec.Command("ip", "-n", prefix+h.Name, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lab: %s: ip %s: %w: %s", h.Name, strings.Join(lines, "; "), err, bytes.TrimSpace(out))
	}
	return nil
}

// Link joins two hosts by a veth pair with an address on each side.
func (n *Network) Link(a *Host, at netip.Prefix, b *Host, bt netip.Prefix) error {
	n.mu.Lock()
	n.links++
	ifa, ifb := fmt.Sprintf("%s%da", prefix, n.links), fmt.Sprintf("%s%db", prefix, n.links)
	n.mu.Unlock()
	if err := ip("link", "add", ifa, "netns", prefix+a.Name, "type", "veth", "peer", "name", ifb, "netns", prefix+b.Name); err != nil {
		return err
	}
	for _, end := range []struct {
		h    *Host
		name string
		addr netip.Prefix
	}{{a, ifa, at}, {b, ifb, bt}} {
		if err := end.h.ip("addr", "add", end.addr.String(), "dev", end.name); err != nil {
			return err
		}
		if err := end.h.ip("link", "set", end.name, "up"); err != nil {
			return err
		}
	}
	return nil
}

// Route sends a prefix through a neighbour.
func (h *Host) Route(to netip.Prefix, via netip.Addr) error {
	return h.ip("route", "add", to.String(), "via", via.String())
}

// Command prepares a program to run on the host. It ends with ctx.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", prefix + h.Name, name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// Run runs a program to its end and returns what it printed. The error holds
// its standard error.
func (h *Host) Run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := h.Command(ctx, name, args...)
	var out, bad bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &bad
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("lab: %s: %s %s: %w: %s", h.Name, name, strings.Join(args, " "), err, bytes.TrimSpace(bad.Bytes()))
	}
	return out.String(), nil
}

// Process is a program that runs until it is stopped.
type Process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error

	clock uint64 // where the seconds are by which its clock is stepped; 0: not stepped yet
}

// Start runs a program in the background; what it prints goes to NAME.log in
// the network's directory.
func (h *Host) Start(label, name string, args ...string) (*Process, error) {
	return h.start(label, h.Command(context.Background(), name, args...), true)
}

// Talk is Start with a program that is talked to: in is its standard input, and
// out what it prints there. Its environment has more.
func (h *Host) Talk(label string, more []string, name string, args ...string) (in io.Writer, out io.Reader, p *Process, err error) {
	cmd := h.Command(context.Background(), name, args...)
	cmd.Env = append(os.Environ(), more...)
	if in, err = cmd.StdinPipe(); err != nil {
		return nil, nil, nil, fmt.Errorf("lab: %w", err)
	}
	// Not StdoutPipe: that ends with the program, whether all was read or not.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("lab: %w", err)
	}
	defer w.Close()
	cmd.Stdout = w
	p, err = h.start(label, cmd, false)
	return in, r, p, err
}

func (h *Host) start(label string, cmd *exec.Cmd, whole bool) (*Process, error) {
	path := filepath.Join(h.net.Dir, h.Name+"-"+label+".log")
	// A program that is started again goes on in the same file.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	p := &Process{cmd: cmd, log: path, done: make(chan struct{})}
	cmd.Stderr = f
	if whole {
		cmd.Stdout = f
	}
	if err := cmd.Start(); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lab: start %s on %s: %w", cmd.Path, h.Name, err)
	}
	go func() {
		p.err = cmd.Wait()
		_ = f.Close()
		close(p.done)
	}()
	h.mu.Lock()
	h.processes = append(h.processes, p)
	h.mu.Unlock()
	return p, nil
}

// PID of the program itself: ip netns exec replaces itself by it.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the program and its children.
func (p *Process) Signal(s syscall.Signal) error { return syscall.Kill(-p.cmd.Process.Pid, s) }

// Stop asks the program to end, and kills it after five seconds.
func (p *Process) Stop() {
	_ = p.Signal(syscall.SIGCONT)
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		_ = p.Signal(syscall.SIGKILL)
		<-p.done
	}
}

// Ended reports whether the program has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Log returns what the program printed so far.
func (p *Process) Log() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// CPU returns the processor time that the program and its children that ended
// have used.
func (p *Process) CPU() (time.Duration, error) { return cpuOf(p.PID()) }

// cpuOf reads fields 14 to 17 of /proc/PID/stat (proc(5)), in ticks of 10 ms.
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("lab: %w", err)
	}
	_, rest, ok := strings.Cut(string(b), ") ")
	if !ok {
		return 0, fmt.Errorf("lab: /proc/%d/stat is not as proc(5) says", pid)
	}
	fields := strings.Fields(rest)
	var ticks, n int64
	for _, f := range fields[11:15] {
		if _, err := fmt.Sscan(f, &n); err != nil {
			return 0, fmt.Errorf("lab: /proc/%d/stat: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// Resident returns the memory of the program, in bytes.
func (p *Process) Resident() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
	if err != nil {
		return 0, fmt.Errorf("lab: %w", err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0, fmt.Errorf("lab: /proc/%d/statm: %w", p.PID(), err)
	}
	return resident * int64(os.Getpagesize()), nil
}

// closes has Close end something.
func (n *Network) closes(c io.Closer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ends = append(n.ends, c)
}

// Close ends everything that the network started and removes it.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var first error
	for _, c := range n.ends {
		_ = c.Close()
	}
	for _, h := range n.hosts {
		for _, p := range h.processes {
			p.Stop()
		}
		if err := removeNamespace(prefix + h.Name); err != nil && first == nil {
			first = err
		}
	}
	n.hosts = nil
	return errors.Join(first, unmount(n.Dir))
}

// Until polls until done returns nil, and returns its last error when ctx ends
// first. It waits for a condition that can be seen, never for a time.
func Until(ctx context.Context, done func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := done()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lab: waited in vain: %w", err)
		case <-tick.C:
		}
	}
}

// Write writes a file of the run.
func (n *Network) Write(name, text string) (string, error) {
	path := filepath.Join(n.Dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	return path, nil
}

// Tail returns the end of a log for a failure message.
func Tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

var _ io.Closer = (*Network)(nil)
