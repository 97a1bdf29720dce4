package replicas

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// The lease that every host wants, and the key that only its holder writes.
const (
	leaseName = "lead"
	guardKey  = "guarded"
)

// holder is the part of a host that wants the fleet's lease. It believes to hold
// it until its own clock says that it must stop.
type holder struct {
	h     *host
	life  uint64
	epoch uint64
	until instant.Instant // local; 0: it does not hold the lease
}

func newHolder(h *host) *holder {
	x := &holder{h: h}
	h.w.after(h.w.upTo(time.Second), x.act)
	return x
}

// holds reports whether it believes so.
func (x *holder) holds() bool {
	return x.h.up && x.life == x.h.life && x.epoch != 0 && x.h.local() < x.until
}

func (x *holder) act() {
	w, h := x.h.w, x.h
	if x.life != h.life {
		x.life, x.epoch = h.life, 0
	}
	if !h.up {
		w.after(100*time.Millisecond, x.act)
		return
	}
	if x.epoch != 0 && h.local() >= x.until {
		x.epoch = 0
	}
	wait := w.upTo(w.knobs.TTL / 8)
	if w.calm && w.now > w.check.calmed.Add(recoverBy/2) {
		return // long enough
	}
	life, asked, epoch := h.life, h.local(), x.epoch
	var c facts.Command
	switch {
	case epoch == 0:
		c = facts.Acquire{Lease: leaseName, Holder: h.name, TTL: w.knobs.TTL}
		wait = w.upTo(20 * time.Millisecond)
	case w.rand.IntN(12) == 0:
		x.epoch = 0 // from here on it does nothing under it
		w.check.dropped(x)
		c = facts.Release{Token: facts.Token{Lease: leaseName, Epoch: epoch}}
	case w.rand.IntN(3) == 0:
		c = facts.Renew{Token: facts.Token{Lease: leaseName, Epoch: epoch}}
	case w.rand.IntN(3) == 0:
		// It forgets to renew, and may lose the lease.
		w.after(w.knobs.TTL/2, x.act)
		return
	default:
		x.write(epoch)
		w.after(wait, x.act)
		return
	}
	h.ask(func(request uint64) replica.Event {
		return replica.Propose{Request: request, Group: groupFleet, Command: facts.Encode(c), For: w.knobs.TTL}
	}, func(a replica.Answer) {
		w.after(wait, x.act)
		if a.Reason != "" || h.life != life || !h.up {
			return
		}
		r, err := facts.DecodeResult(a.Result)
		if err != nil {
			w.fail("answers", "%v", err)
			return
		}
		switch {
		case r.Reason == facts.ReasonOldEpoch && x.epoch == epoch:
			x.epoch = 0
			w.check.dropped(x)
		case r.Reason == facts.ReasonNone && (r.Lease.Epoch != 0):
			x.epoch = r.Lease.Epoch
			x.until = max(x.until, w.plant.heldUntil(asked, h.local(), w.knobs.TTL))
			if x.epoch != epoch {
				x.until = w.plant.heldUntil(asked, h.local(), w.knobs.TTL)
			}
			w.check.holds(x)
		}
	})
}

// write writes under the lease. It may come late: the token says under which
// epoch, and the facts refuse an old one.
func (x *holder) write(epoch uint64) {
	w, h := x.h.w, x.h
	t := facts.Txn{
		Under: []facts.Token{{Lease: leaseName, Epoch: epoch}},
		Ops:   []facts.Op{{Key: guardKey, Value: append([]byte(nil), facts.EncodeQuery(facts.Since{Revision: epoch})...)}},
	}
	if w.plant.unfenced {
		t.Under = nil
	}
	// Some of them sleep just before they write.
	w.after(w.upTo(oneOf(w.rand, time.Millisecond, 2*w.knobs.TTL)), func() {
		h.ask(func(request uint64) replica.Event {
			return replica.Propose{Request: request, Group: groupFleet, Command: facts.Encode(t), For: w.knobs.TTL}
		}, func(replica.Answer) {})
	})
}
