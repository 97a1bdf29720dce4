package lab_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/sim/lab"
)

// bank is facts in memory. A fault is planted in it.
type bank struct {
	mu    sync.Mutex
	store *facts.Store
	stale *facts.Store // what a host that is behind has
	rand  *rand.Rand
	plant string
}

func (b *bank) Do(_ context.Context, txn facts.Txn) (facts.Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.rand.IntN(20) == 0
	switch {
	case one && b.plant == "acknowledged and lost":
		return facts.Result{Revision: 1}, nil
	case one && b.plant == "refused and done":
		txn.If = nil
		b.store.Do(txn)
		return facts.Result{Reason: facts.ReasonChanged}, nil
	case one && b.rand.IntN(2) == 0: // as on a network: done or not, nobody says
		b.store.Do(txn)
		return facts.Result{}, &lab.UnknownError{Err: errors.New("planted")}
	case one:
		return facts.Result{}, &lab.UnknownError{Err: errors.New("planted")}
	case b.rand.IntN(20) == 0:
		return facts.Result{}, errors.New("nothing was done")
	}
	if b.rand.IntN(4) > 0 {
		b.stale.Do(txn)
	}
	return b.store.Do(txn), nil
}

func (b *bank) Ask(_ context.Context, query facts.Get) (facts.Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.store
	if b.plant == "read from one that is behind" && b.rand.IntN(4) == 0 {
		from = b.stale
	}
	return from.Ask(query), nil
}

// TestFactsCheckerFindsPlantedFaults: a sound store passes, also one whose answers
// get lost; each planted fault is found.
func TestFactsCheckerFindsPlantedFaults(t *testing.T) {
	for _, plant := range []string{"", "acknowledged and lost", "refused and done", "read from one that is behind"} {
		t.Run("planted: "+plant, func(t *testing.T) {
			b := &bank{store: facts.New(), stale: facts.New(), rand: rand.New(rand.NewPCG(1, 2)), plant: plant}
			var all []*lab.Operation
			began := time.Now()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := &lab.Workload{Keys: 3, Think: time.Microsecond, Patience: time.Minute, Clock: func() time.Duration { return time.Since(began) }}
			w.Done = func(o *lab.Operation) {
				if all = append(all, o); len(all) == 2000 {
					cancel()
				}
			}
			var clients sync.WaitGroup
			for i, name := range []string{"a", "b", "c"} {
				clients.Go(func() { w.Run(ctx, name, b, rand.New(rand.NewPCG(uint64(i), 7))) })
			}
			clients.Wait()
			err := lab.CheckFacts(all, time.Minute)
			if plant == "" && err != nil {
				t.Error(err)
			}
			if plant != "" && err == nil {
				t.Errorf("%d operations, and the fault was not found", len(all))
			}
		})
	}
}
