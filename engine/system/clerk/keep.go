package clerk

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
)

// keepAgain is how often what could not be written down is tried again.
const keepAgain = 5 * time.Second

// keeping writes down the spec in force and what operators have set, off the
// fleet's loop: a disk may take its time, or be full. Whoever asked for it has
// the answer when it is on the disk, or with the word that it is not.
type keeping struct {
	store Store
	told  func(fleet.Kept)

	mu      sync.Mutex
	specs   []fleet.Keep // to be written, oldest first: each is a revision
	words   *fleet.Words // to be written
	reports []api.Drill  // to be written; the last of each drill counts
	waiting []func(error)
	wake    chan struct{}
}

func newKeeping(store Store, told func(fleet.Kept)) *keeping {
	return &keeping{store: store, told: told, wake: make(chan struct{}, 1)}
}

// want has a spec written, or words, or both; answer, which must not block, hears
// of the first try.
func (k *keeping) want(spec *fleet.Keep, words *fleet.Words, answer func(error)) {
	k.mu.Lock()
	if spec != nil {
		k.specs = append(k.specs, *spec)
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

// report has reports of drills written, if there is a place for them.
func (k *keeping) report(all []api.Drill) {
	if _, ok := k.store.(ReportStore); !ok || len(all) == 0 {
		return
	}
	k.mu.Lock()
	for i := range all {
		k.reports = slices.DeleteFunc(k.reports, func(d api.Drill) bool { return d.Name == all[i].Name })
		k.reports = append(k.reports, all[i])
	}
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
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
		if !k.write(ctx) {
			again.Reset(keepAgain)
		}
	}
}

// write writes once what is newest, and says whether all of it is written.
func (k *keeping) write(ctx context.Context) bool {
	k.mu.Lock()
	specs, w, reports, waiting := k.specs, k.words, k.reports, k.waiting
	k.specs, k.words, k.reports, k.waiting = nil, nil, nil, nil
	k.mu.Unlock()
	var failed error
	for len(specs) > 0 && failed == nil {
		failed = k.store.Keep(ctx, specs[0])
		k.told(fleet.Kept{Record: fleet.RecordSpec, Rev: specs[0].Rev, Err: Said(failed)})
		if failed == nil {
			specs = specs[1:]
		}
	}
	if w != nil {
		err := k.store.KeepWords(ctx, *w)
		k.told(fleet.Kept{Record: fleet.RecordWords, Err: Said(err)})
		if err == nil {
			w = nil
		}
		if failed == nil { // one reason is enough: it is the same disk
			failed = err
		}
	}
	// Those who wait do not wait for a report of a drill.
	for _, answer := range waiting {
		answer(failed)
	}
	if len(reports) > 0 && failed == nil {
		if failed = k.store.(ReportStore).KeepReports(ctx, reports); failed == nil {
			reports = nil
		}
	}
	k.mu.Lock()
	k.reports = append(reports, k.reports...)
	k.specs = append(specs, k.specs...) // what failed is tried again
	if k.words == nil {                 // unless there is something newer
		k.words = w
	}
	k.mu.Unlock()
	return failed == nil
}

// AgreedError is of a Store that several share, and says that something is agreed on
// and was not kept once more, for the next start.
type AgreedError struct{ Err error }

// Error says why.
func (e *AgreedError) Error() string { return e.Err.Error() }

// Unwrap returns what the second store said.
func (e *AgreedError) Unwrap() error { return e.Err }

// agreed reports whether an error leaves what was to be kept in force.
func agreed(err error) bool {
	var a *AgreedError
	return errors.As(err, &a)
}

// Said is an error in words; empty without any.
func Said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// finish gives hosts their orders and those who wait their receipts. What must be
// kept goes to the store first: its receipts always, and in a strict clerk the
// orders too, and all orders behind them.
func (c *Clerk) finish(out *fleet.Effects) {
	keeps := out.Keep != nil || out.Words != nil
	if !c.options.Strict {
		c.give(out.Hosts, out.Faults)
	} else if keeps || len(out.Hosts)+len(out.Faults) > 0 {
		// The effects are used again by the next Step.
		hosts, faults := slices.Clone(out.Hosts), slices.Clone(out.Faults)
		c.later(&order{give: func() { c.give(hosts, faults) }, kept: !keeps}, keeps)
	}
	if !keeps {
		for _, a := range out.Answers {
			c.receipt(a.Receipt)
		}
		return
	}
	receipts := make([]api.Receipt, len(out.Answers))
	for i, a := range out.Answers {
		receipts[i] = a.Receipt
	}
	mine := c.newest()
	c.keeping.want(out.Keep, out.Words, func(err error) {
		switch {
		case !c.options.Strict:
		case agreed(err):
			c.release(mine, nil)
		default:
			c.release(mine, err)
		}
		for _, r := range receipts {
			c.receipt(c.settled(r, err))
		}
	})
}

func (c *Clerk) receipt(r api.Receipt) {
	c.mu.Lock()
	ch := c.answers[r.ID] // has room for its one answer
	c.mu.Unlock()
	if ch != nil {
		ch <- r
	}
}

// settled is a receipt after its command was to be kept.
func (c *Clerk) settled(r api.Receipt, err error) api.Receipt {
	switch {
	case err == nil:
	case c.options.Strict && !agreed(err):
		r.OK, r.Done = false, ""
		r.Refusals = append(r.Refusals, api.Refusal{Reason: api.ReasonBusy, Detail: "it could not be agreed on: " + err.Error() + "; look whether it is in force before you ask again"})
	default:
		r.Done += ", which is in force but could not be kept, so that a restart would lose it (" + err.Error() + ")"
	}
	return r
}
