// Package keeper runs the fleet's own backends as processes of the same binary,
// breaks them on purpose, and sees to it that none outlives the fleet.
package keeper

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/keep"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Options of New.
type Options struct {
	Log *slog.Logger
	Now func() instant.Instant
	// Mine says whether a backend is kept here; nil: all are.
	Mine func(*spec.Backend) bool
	// Command is the program and its first arguments; name, kind and address of
	// the backend follow.
	Command []string
	// Changed is told of each process that was started or ended. It must not
	// block.
	Changed func(fleet.Process)
	// Done is told how a fault order ended. It must not block.
	Done func(fleet.FaultDone)
	// Started and Ended record processes for a successor.
	Started, Ended func(pid int)
}

// Keeper keeps the processes.
type Keeper struct {
	options Options
	starts  chan func() // carried out on one thread; see threads
	// foreign is why an address is not its backend's, for those who probe it.
	foreign atomic.Pointer[map[string]string]

	mu       sync.Mutex
	children map[string]*child
	stopped  bool
	all      sync.WaitGroup
}

// Ready is the line by which a process says on its standard output that it
// serves.
const Ready = "ready"

// New returns a Keeper without processes.
func New(o Options) *Keeper {
	k := &Keeper{options: o, children: map[string]*child{}, starts: make(chan func())}
	go k.threads()
	return k
}

// threads carries out starts on one operating system thread that stays: a
// child's parent-death signal is sent when the thread that started it ends
// (prctl(2)), and the runtime ends threads as it likes.
func (k *Keeper) threads() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for f := range k.starts {
		f()
	}
}

// Apply starts and stops processes as a spec says. It does not wait for the
// starts: a process takes milliseconds, and there may be hundreds. The channel
// that it returns is closed when each process that is new has said that it
// serves, or has failed to.
func (k *Keeper) Apply(f *spec.Fleet) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	settled := make(chan struct{})
	if k.stopped {
		close(settled)
		return settled
	}
	wanted := map[string]bool{}
	var fresh []*child
	for i := range f.Pools {
		for j := range f.Pools[i].Backends {
			b := &f.Pools[i].Backends[j]
			if b.Service == nil || k.options.Mine != nil && !k.options.Mine(b) {
				continue
			}
			wanted[b.Name] = true
			c, ok := k.children[b.Name]
			if ok && c.kind == string(b.Service.Kind) && c.address == b.AddrPort() {
				continue
			}
			if ok {
				k.stop(c)
				k.take(c, "")
			}
			c = &child{name: b.Name, kind: string(b.Service.Kind), address: b.AddrPort(), settled: make(chan struct{})}
			k.children[b.Name] = c
			fresh = append(fresh, c)
		}
	}
	for name, c := range k.children {
		if !wanted[name] {
			k.stop(c)
			delete(k.children, name)
			k.take(c, "")
		}
	}
	slices.SortFunc(fresh, func(a, b *child) int { return cmp.Compare(a.name, b.name) })
	k.all.Add(1)
	go func() {
		defer k.all.Done()
		defer close(settled)
		for _, c := range fresh {
			k.mu.Lock()
			if !c.left {
				k.step(c, keep.Wanted{})
			}
			k.mu.Unlock()
		}
		for _, c := range fresh {
			<-c.settled
		}
	}()
	return settled
}

// Close ends every process and waits until they are gone.
func (k *Keeper) Close(ctx context.Context) error {
	k.mu.Lock()
	k.stopped = true
	for _, c := range k.children {
		k.stop(c)
	}
	k.mu.Unlock()
	gone := make(chan struct{})
	go func() { k.all.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-ctx.Done():
		return fmt.Errorf("keeper: processes are left: %w", ctx.Err())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.starts != nil {
		close(k.starts)
		k.starts = nil
	}
	return nil
}
