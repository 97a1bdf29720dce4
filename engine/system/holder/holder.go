// Package holder says who has an address on this machine, from what the kernel
// shows of its sockets (proc(5)). Where it shows nothing, nobody is known to have
// any.
package holder

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/system/cause"
)

// Sockets are all sockets that were bound when Look looked.
type Sockets struct {
	bound  map[string][]socket // by tcp or udp
	owners map[string]int      // by inode; nil until somebody asks
}

type socket struct {
	address netip.AddrPort
	uid     int
	inode   string
}

// Holder is who has an address.
type Holder struct {
	PID     int    // 0: the kernel does not tell us
	Program string // empty with PID 0
	UID     int
}

// States of a socket that has its address for itself (include/net/tcp_states.h).
const (
	tcpListens = "0A"
	udpBound   = "07"
)

// Look reads the machine's sockets.
func Look() *Sockets {
	s := &Sockets{bound: map[string][]socket{}}
	for network, state := range map[string]string{"tcp": tcpListens, "udp": udpBound} {
		for _, file := range []string{network, network + "6"} {
			s.bound[network] = append(s.bound[network], read("/proc/net/"+file, state)...)
		}
	}
	return s
}

// read reads a table of sockets. A line that is not as proc(5) says is nobody's.
func read(file, state string) []socket {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	var all []socket
	for lines := bufio.NewScanner(f); lines.Scan(); {
		w := strings.Fields(lines.Text())
		if len(w) < 10 || w[3] != state {
			continue
		}
		a, ok := address(w[1])
		uid, err := strconv.Atoi(w[7])
		if ok && err == nil {
			all = append(all, socket{a, uid, w[9]})
		}
	}
	return all
}

// address reads 0100007F:1F90: the address as words of the machine's order, and
// the port.
func address(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4]) // little-endian, as all that we run on
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), ok
}

// Of returns who has address:port, which a wildcard has too. network is tcp or
// udp.
func (s *Sockets) Of(network, addrPort string) (Holder, bool) {
	want, err := netip.ParseAddrPort(addrPort)
	if err != nil {
		return Holder{}, false
	}
	host := want.Addr().Unmap()
	for _, x := range s.bound[network] {
		has := x.address.Addr()
		wild := has.IsUnspecified() && (has.Is6() || host.Is4())
		if x.address.Port() == want.Port() && (has == host || wild || host.IsUnspecified()) {
			return s.holder(x), true
		}
	}
	return Holder{}, false
}

func (s *Sockets) holder(x socket) Holder {
	if s.owners == nil {
		s.owners = owners()
	}
	h := Holder{UID: x.uid, PID: s.owners[x.inode]}
	if h.PID != 0 {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", h.PID))
		h.Program = cause.Printable(string(b))
	}
	return h
}

// owners are the processes that have sockets, as far as we may see, by inode.
func owners() map[string]int {
	all := map[string]int{}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(to, "socket:[") {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		inode := strings.TrimSuffix(strings.TrimPrefix(to, "socket:["), "]")
		// Who inherited it has it too; the first one had it first.
		if before, known := all[inode]; err == nil && (!known || pid < before) {
			all[inode] = pid
		}
	}
	return all
}

// Parent is the process that started another; 0 when it is not known.
func Parent(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	w := strings.Fields(rest)
	if len(w) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(w[1])
	return n
}

// String names the holder as people look for it.
func (h Holder) String() string {
	switch {
	case h.PID != 0 && h.Program != "":
		return fmt.Sprintf("process %d (%s)", h.PID, h.Program)
	case h.PID != 0:
		return fmt.Sprintf("process %d", h.PID)
	}
	if u, err := user.LookupId(strconv.Itoa(h.UID)); err == nil {
		return "a process of user " + u.Username
	}
	return fmt.Sprintf("a process of user %d", h.UID)
}
