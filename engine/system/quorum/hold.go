package quorum

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// Holding a lease.
const (
	// renewals is how often a lease is renewed within its length: two may fail.
	renewals = 3
	// renewAgain is the pause after a renewal that failed.
	renewAgain = 50 * time.Millisecond
)

// ErrHeldHere is why a lease cannot be held twice by one process.
var ErrHeldHere = errors.New("quorum: this process holds the lease already, or waits for it")

type holdName struct {
	group replica.GroupID
	lease string
}

// Held is one tenure of a lease: from when it was acquired until it was lost or
// given back. Its epoch is the token by which whoever is written to refuses an
// earlier holder.
type Held struct {
	f     *Facts
	name  holdName
	token facts.Token
	ttl   time.Duration

	mu    sync.Mutex
	until instant.Instant
	ended bool
	lost  chan struct{}
	stop  context.CancelFunc
	over  chan struct{} // nothing renews any more
}

// Hold waits until nobody holds a lease, for as long as ctx lives, acquires it in
// this host's name and keeps it until Release, or until it is lost.
func (f *Facts) Hold(ctx context.Context, lease string, ttl time.Duration) (*Held, error) {
	name := holdName{f.group, lease}
	q := f.q
	q.mu.Lock()
	taken := q.holds[name]
	q.holds[name] = true
	q.mu.Unlock()
	if taken {
		return nil, ErrHeldHere
	}
	h, err := f.acquire(ctx, name, ttl)
	if err != nil {
		q.unhold(name)
		return nil, err
	}
	renewing, stop := context.WithCancel(q.ctx)
	h.stop = stop
	if !q.start(func() { h.keep(renewing) }) {
		h.lose()
		close(h.over)
		q.unhold(name)
		return nil, errEnded
	}
	return h, nil
}

func (q *Quorum) unhold(name holdName) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.holds, name)
}

// acquire takes the lease when it is free.
func (f *Facts) acquire(ctx context.Context, name holdName, ttl time.Duration) (*Held, error) {
	for {
		asked := f.q.o.Clock.Now()
		try, done := context.WithTimeout(ctx, ttl)
		r, err := f.Do(try, facts.Acquire{Lease: name.lease, Holder: f.q.o.Host, TTL: ttl})
		done()
		switch {
		case ctx.Err() != nil && err != nil:
			return nil, err
		case err != nil:
			if !sleep(ctx, jitter(renewAgain)) {
				return nil, err
			}
		case r.Reason == facts.ReasonNone:
			return &Held{
				f: f, name: name, token: facts.Token{Lease: name.lease, Epoch: r.Lease.Epoch}, ttl: ttl,
				until: facts.HeldUntil(asked, ttl), lost: make(chan struct{}), over: make(chan struct{}),
			}, nil
		case r.Reason == facts.ReasonHeld && r.Lease.Holder == f.q.o.Host:
			// An earlier life of this host held it, or an answer to this one got lost.
			// Nobody acts under it any more.
			_, _ = f.Do(ctx, facts.Release{Token: facts.Token{Lease: name.lease, Epoch: r.Lease.Epoch}})
		case r.Reason == facts.ReasonHeld:
			f.free(ctx, name.lease, r.Revision, r.Lease.TTL)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		default:
			return nil, &Refused{Group: f.group, Reason: replica.ReasonRefused, Detail: r.Reason.Sentence()}
		}
	}
}

// free waits until a lease changed since a revision, or until it is worth asking
// anyway.
func (f *Facts) free(ctx context.Context, lease string, since uint64, ttl time.Duration) {
	ctx, done := context.WithTimeout(ctx, max(ttl, facts.TTLMin))
	defer done()
	for l := (look{prefix: lease, since: since}); ctx.Err() == nil; {
		answers, ok := f.look(ctx, l)
		if !ok {
			sleep(ctx, jitter(watchAgain))
			continue
		}
		last := answers[len(answers)-1]
		if last.Forgotten && last.Revision >= l.since {
			return
		}
		for _, c := range last.Changes {
			if c.Lease && c.Gone && c.Key == lease {
				return
			}
		}
		if last.Forgotten {
			sleep(ctx, watchAgain/4) // this replica is behind
			continue
		}
		l.since = last.Revision
		if n := len(last.Changes); n > 0 && last.More {
			l.since = last.Changes[n-1].Revision
		}
	}
}

// Token is the lease and the epoch of this tenure.
func (h *Held) Token() facts.Token { return h.token }

// Until is the instant of this host's clock until which its holder may act.
func (h *Held) Until() instant.Instant {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return 0
	}
	return h.until
}

// Holds reports whether its holder may act now.
func (h *Held) Holds() bool { return h.f.q.o.Clock.Now().Before(h.Until()) }

// Lost is closed when the tenure is over, for whatever reason.
func (h *Held) Lost() <-chan struct{} { return h.lost }

func (h *Held) lose() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended {
		h.ended = true
		close(h.lost)
	}
}

// keep renews until the tenure is over.
func (h *Held) keep(ctx context.Context) {
	defer close(h.over)
	defer h.f.q.unhold(h.name)
	defer h.lose()
	clock := h.f.q.o.Clock
	wait := h.ttl / renewals
	for {
		// No longer than it may act, so that Lost is closed in time.
		if !sleep(ctx, min(wait, h.Until().Sub(clock.Now()))) || !h.Holds() {
			return
		}
		asked := clock.Now()
		one, done := context.WithTimeout(ctx, h.Until().Sub(asked))
		r, err := h.f.Do(one, facts.Renew{Token: h.token})
		done()
		switch {
		case err != nil:
			wait = jitter(renewAgain)
		case r.Reason != facts.ReasonNone:
			return
		default:
			wait = h.ttl / renewals
			h.mu.Lock()
			h.until = max(h.until, facts.HeldUntil(asked, h.ttl))
			h.mu.Unlock()
		}
	}
}

// Release ends the tenure, here at once and for the others as soon as the group was
// told. Without an answer the lease ends by itself. It may be called more than once.
func (h *Held) Release(ctx context.Context) error {
	h.lose()
	h.stop()
	select {
	case <-h.over:
	case <-ctx.Done():
		return ctx.Err()
	}
	r, err := h.f.Do(ctx, facts.Release{Token: h.token})
	if err == nil && r.Reason != facts.ReasonNone && r.Reason != facts.ReasonOldEpoch {
		err = &Refused{Group: h.name.group, Reason: replica.ReasonRefused, Detail: r.Reason.Sentence()}
	}
	return err
}
