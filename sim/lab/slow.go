//go:build linux

package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// slowness is the delay of what a host sends. Not every kernel has netem, so
// packets to a slow place are routed into a TUN device, wait here, and go back
// into the same device, from where the kernel forwards them as ever.
type slowness struct {
	dev   *os.File
	rules string // in force

	mu    sync.Mutex
	lanes []*lane
}

// lane is one way's packets in their order.
type lane struct {
	to            netip.Prefix
	delay, jitter time.Duration
	queue         chan packet
}

type packet struct {
	due  time.Time
	data []byte
}

const (
	// laneMax bounds the packets that wait on one way, as a router's buffer does:
	// what is more is lost.
	laneMax = 4096
	// slowTable is the routing table of what is to wait, slowPref the place of the
	// rules that look there.
	slowTable = "100"
	slowPref  = "100"
	packetMax = 1 << 16
)

// delay brings a host's delays to what the faults say.
func (f *Fleet) delay(h *Host, ways []LinkFault) error {
	var lanes []*lane
	rules := ""
	for _, x := range ways {
		if x.Delay <= 0 && x.Jitter <= 0 || !x.From.at().Contains(h.Address) || x.To.at() == h.at() {
			continue
		}
		rules += fmt.Sprintf("%s %v %v\n", x.To.at(), x.Delay, x.Jitter)
		i := slices.IndexFunc(lanes, func(l *lane) bool { return l.to == x.To.at() })
		if i < 0 {
			i, lanes = len(lanes), append(lanes, &lane{to: x.To.at(), queue: make(chan packet, laneMax)})
		}
		lanes[i].delay += x.Delay
		lanes[i].jitter += x.Jitter
	}
	s := f.slow[h]
	if s == nil {
		if len(lanes) == 0 {
			return nil
		}
		var err error
		if s, err = h.slow(); err != nil {
			return err
		}
		f.slow[h] = s
	}
	if rules == s.rules {
		return nil
	}
	was := s.set(nil)
	for range was {
		if err := h.ip("rule", "del", "pref", slowPref); err != nil {
			return err
		}
	}
	s.set(lanes)
	for _, l := range lanes {
		if err := h.ip("rule", "add", "pref", slowPref, "iif", "lo", "to", l.to.String(), "lookup", slowTable); err != nil {
			return err
		}
	}
	s.rules = rules
	return nil
}

// set replaces the lanes, and returns how many there were. What waits on those
// still comes.
func (s *slowness) set(lanes []*lane) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := len(s.lanes)
	for _, l := range s.lanes {
		close(l.queue)
	}
	s.lanes = lanes
	for _, l := range lanes {
		go l.carry(s.dev)
	}
	return was
}

// slow gives a host its TUN device.
func (h *Host) slow() (*slowness, error) {
	fd := -1
	err := h.inside(func() (err error) {
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("lab: %s: /dev/net/tun: %w", h.Name, err)
		}
		req, err := unix.NewIfreq("slow")
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	})
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	s := &slowness{dev: os.NewFile(uintptr(fd), "slow")}
	for _, set := range []string{"net.ipv4.conf.slow.rp_filter=0", "net.ipv4.conf.slow.accept_local=1"} {
		if err := h.sysctl(set); err != nil {
			return nil, err
		}
	}
	if err := h.batch("link set slow up", fmt.Sprintf("route add default dev slow src %s table %s", h.Address, slowTable)); err != nil {
		return nil, err
	}
	go s.receive()
	return s, nil
}

// receive takes what the kernel sends into the device, until that is gone.
func (s *slowness) receive() {
	buf := make([]byte, packetMax)
	for {
		n, err := s.dev.Read(buf)
		if err != nil {
			return
		}
		if n < 20 || buf[0]>>4 != 4 {
			continue
		}
		s.enqueue(netip.AddrFrom4([4]byte(buf[16:20])), append([]byte(nil), buf[:n]...))
	}
}

func (s *slowness) enqueue(to netip.Addr, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		if l.to.Contains(to) {
			wait := l.delay
			if l.jitter > 0 {
				wait += rand.N(l.jitter)
			}
			select {
			case l.queue <- packet{time.Now().Add(wait), data}:
			default: // the buffer is full
			}
			return
		}
	}
	// It was on its way when its lane went.
	_, _ = s.dev.Write(data)
}

// carry gives packets back at their time, until the lane has ended.
func (l *lane) carry(dev *os.File) {
	for p := range l.queue {
		time.Sleep(time.Until(p.due))
		// A device that is gone has nobody who waits for its packets.
		_, _ = dev.Write(p.data)
	}
}

// close takes the device away.
func (s *slowness) close() error {
	s.set(nil)
	return s.dev.Close()
}
