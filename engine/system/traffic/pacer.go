package traffic

import "time"

// pacer says when requests are due: one every interval, whatever became of the
// earlier ones.
type pacer struct {
	every time.Duration
	tick  ticker
	zero  time.Time // when request 0 is due
	sent  uint64
}

// ticker wakes at a steady pace.
type ticker interface {
	// wait returns after the next tick; an error once it is closed.
	wait() error
	close()
}

const (
	// tickMin bounds how often the pacer wakes; of a faster pace several requests
	// are due at each tick.
	tickMin = time.Millisecond
	// behindMax bounds how much is made up for after this process itself stood
	// still (a laptop that slept): what is older is not sent at all.
	behindMax = time.Second
)

func newPacer(every time.Duration) (*pacer, error) {
	// Taken before the timer is set, so that a request is due just before its
	// tick and not just after it.
	zero := time.Now().Add(every)
	t, err := newTicker(max(every, tickMin))
	if err != nil {
		return nil, err
	}
	return &pacer{every: every, tick: t, zero: zero}, nil
}

// due returns when the next request is or was due. It waits until then.
func (p *pacer) due() (time.Time, error) {
	for {
		at := p.zero.Add(time.Duration(p.sent) * p.every)
		behind := time.Since(at)
		if behind > behindMax {
			p.sent += uint64(behind / p.every)
			continue
		}
		if behind >= 0 {
			p.sent++
			return at, nil
		}
		if err := p.tick.wait(); err != nil {
			return time.Time{}, err
		}
	}
}

func (p *pacer) close() { p.tick.close() }
