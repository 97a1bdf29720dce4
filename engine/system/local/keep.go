package local

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// keepAgain is how often what could not be written down is tried again.
const keepAgain = 5 * time.Second

// keeping writes down the spec in force and what operators have set, off the
// fleet's loop: a disk may take its time, or be full. Whoever asked for it has
// the answer when it is on the disk, or with the word that it is not.
type keeping struct {
	state *statedir.Dir
	told  func(fleet.Kept)

	mu      sync.Mutex
	spec    *fleet.Keep  // to be written
	words   *fleet.Words // to be written
	waiting []func(error)
	wake    chan struct{}
}

func newKeeping(state *statedir.Dir, told func(fleet.Kept)) *keeping {
	return &keeping{state: state, told: told, wake: make(chan struct{}, 1)}
}

// want has a spec written, or words, or both; answer, which must not block, hears
// of the first try.
func (k *keeping) want(spec *fleet.Keep, words *fleet.Words, answer func(error)) {
	k.mu.Lock()
	if spec != nil {
		k.spec = spec
	}
	if words != nil {
		k.words = words
	}
	k.waiting = append(k.waiting, answer)
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

// write writes once what is newest.
func (k *keeping) write() bool {
	k.mu.Lock()
	s, w, waiting := k.spec, k.words, k.waiting
	k.spec, k.words, k.waiting = nil, nil, nil
	k.mu.Unlock()
	var failed error
	if s != nil {
		err := k.state.Keep(statedir.Kept{Revision: s.Rev, Name: s.Name, Dir: s.Dir, By: s.By, Why: s.Why, At: s.At, Text: s.Text})
		k.told(fleet.Kept{Record: fleet.RecordSpec, Rev: s.Rev, Err: said(err)})
		if err == nil {
			s = nil
		}
		failed = err
	}
	if w != nil {
		err := k.state.KeepWords(*w)
		k.told(fleet.Kept{Record: fleet.RecordWords, Err: said(err)})
		if err == nil {
			w = nil
		}
		if failed == nil { // one reason is enough: it is the same disk
			failed = err
		}
	}
	k.mu.Lock()
	if k.spec == nil { // what failed is tried again, unless there is something newer
		k.spec = s
	}
	if k.words == nil {
		k.words = w
	}
	k.mu.Unlock()
	for _, answer := range waiting {
		answer(failed)
	}
	return failed == nil
}

// said is an error in words; empty without any.
func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// answer hands receipts to those who wait for them; that of what must be kept
// when it is.
func (f *Fleet) answer(out *fleet.Effects) {
	for _, a := range out.Answers {
		f.mu.Lock()
		ch := f.answers[a.Receipt.ID] // has room for its one answer
		f.mu.Unlock()
		give := func(r api.Receipt) {
			if ch != nil {
				ch <- r
			}
		}
		if out.Keep == nil && out.Words == nil {
			give(a.Receipt)
			continue
		}
		f.keeping.want(out.Keep, out.Words, func(err error) { give(unkept(a.Receipt, err)) })
	}
	if len(out.Answers) == 0 && out.Words != nil { // nobody asked: the start dropped some
		f.keeping.want(nil, out.Words, func(error) {})
	}
}

// unkept adds to a receipt that what was done does not outlive the fleet.
func unkept(r api.Receipt, err error) api.Receipt {
	if err != nil {
		r.Done += ", which is in force but could not be kept, so that a restart would lose it (" + err.Error() + ")"
	}
	return r
}
