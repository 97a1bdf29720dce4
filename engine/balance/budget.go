package balance

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// Budget limits retries to a share of requests, so that a pool that fails as a
// whole is not hit twice as hard. The zero value allows BudgetFloor a second.
type Budget struct {
	Share float64 // 0 to 1

	tokens float64
	at     instant.Instant
	begun  bool
}

// BudgetFloor is how many retries a second are always allowed: a small pool's
// share would be none.
const BudgetFloor = 3

// budgetDepth bounds what is saved up, in seconds of the floor.
const budgetDepth = 10

// Request counts one first attempt.
func (b *Budget) Request() {
	b.tokens = min(b.tokens+b.Share, b.most())
}

// most is how many tokens can be saved up: a burst is when they are needed.
func (b *Budget) most() float64 { return BudgetFloor*budgetDepth + 1000*b.Share }

// Take reports whether one retry is allowed, and counts it.
func (b *Budget) Take(now instant.Instant) bool {
	if !b.begun {
		b.begun, b.at, b.tokens = true, now, b.tokens+BudgetFloor*budgetDepth
	}
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.tokens+BudgetFloor*float64(d)/float64(time.Second), b.most())
		b.at = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
