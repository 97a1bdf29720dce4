package local

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// keepAgain is how often a spec that could not be written down is tried again.
const keepAgain = 5 * time.Second

// keeping writes the spec in force down, off the fleet's loop: a disk may take
// its time, or be full. Whoever applied a spec has the answer when it is on the
// disk, or with the word that it is not.
type keeping struct {
	keep func(statedir.Kept) error
	told func(fleet.Kept)

	mu      sync.Mutex
	newest  *fleet.Keep // to be written
	waiting []func(error)
	wake    chan struct{}
}

func newKeeping(keep func(statedir.Kept) error, told func(fleet.Kept)) *keeping {
	return &keeping{keep: keep, told: told, wake: make(chan struct{}, 1)}
}

// want has a spec written; answer, which must not block, hears of the first try.
func (k *keeping) want(spec *fleet.Keep, answer func(error)) {
	k.mu.Lock()
	k.newest, k.waiting = spec, append(k.waiting, answer)
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default: // it is woken already
	}
}

// run writes until ctx ends.
func (k *keeping) run(ctx context.Context) {
	again := time.NewTimer(keepAgain)
	again.Stop()
	defer again.Stop()
	for {
		select {
		case <-k.wake:
		case <-again.C:
		case <-ctx.Done():
			return
		}
		if !k.write() {
			again.Reset(keepAgain)
		}
	}
}

// write writes the newest spec once.
func (k *keeping) write() bool {
	k.mu.Lock()
	s, waiting := k.newest, k.waiting
	k.waiting = nil
	k.mu.Unlock()
	if s == nil {
		return true
	}
	err := k.keep(statedir.Kept{Revision: s.Rev, Name: s.Name, Dir: s.Dir, By: s.By, Why: s.Why, At: s.At, Text: s.Text})
	if err == nil {
		k.mu.Lock()
		if k.newest == s {
			k.newest = nil
		}
		k.mu.Unlock()
	}
	k.told(fleet.Kept{Rev: s.Rev, Err: notKept(err)})
	for _, answer := range waiting {
		answer(err)
	}
	return err == nil
}

// notKept is why a spec could not be written, in words.
func notKept(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// answer hands receipts to those who wait for them; that of a spec when it is
// kept.
func (f *Fleet) answer(all []fleet.Answer, keep *fleet.Keep) {
	for _, a := range all {
		f.mu.Lock()
		ch := f.answers[a.Receipt.ID] // has room for its one answer
		f.mu.Unlock()
		if keep == nil || keep.Receipt != a.Receipt.ID {
			if ch != nil {
				ch <- a.Receipt
			}
			continue
		}
		f.keeping.want(keep, func(err error) {
			if ch != nil {
				ch <- unkept(a.Receipt, err)
			}
		})
	}
}

// unkept adds to a receipt that what was done does not outlive the fleet.
func unkept(r api.Receipt, err error) api.Receipt {
	if err != nil {
		r.Done += ", which is in force but could not be kept, so that a restart would lose it (" + err.Error() + ")"
	}
	return r
}
