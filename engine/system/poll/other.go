//go:build !linux || (!amd64 && !arm64)

package poll

import (
	"errors"
	"net/netip"
	"sync"
)

// Poll is not to be had on this system.
type Poll struct {
	mu          sync.Mutex
	alarms      alarms
	ringing     []*Alarm
	busy, ended bool
}

// ErrEnded says that a Poll does not work any more.
var ErrEnded = errors.New("poll: ended")

var errNone = errors.New("poll: there is none on this system")

// New says that there is none on this system; whoever wants one does without.
func New() (*Poll, error) { return nil, errNone }

// Run is never called.
func (p *Poll) Run() error { return errNone }

// Close is never called.
func (p *Poll) Close() {}

// Watch is never called.
func (p *Poll) Watch(int, bool, func()) error { return errNone }

// Forget is never called.
func (p *Poll) Forget(int) {}

// Release is never called.
func (p *Poll) Release(int) {}

func (p *Poll) arm() {}

// Dial is never called.
func Dial(netip.AddrPort) (int, error) { return -1, errNone }

// DialUDP is never called.
func DialUDP(netip.AddrPort) (int, error) { return -1, errNone }

// Send is never called.
func Send(int, []byte) (int, error) { return 0, errNone }

// Receive is never called.
func Receive(int, []byte) (int, error) { return 0, errNone }

// Reset is never called.
func Reset(int) {}

// Close is never called.
func Close(int) {}
