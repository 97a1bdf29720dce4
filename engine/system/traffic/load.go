package traffic

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// job is one request that is due.
type job struct {
	seq uint64
	at  time.Time // when it was due
}

// load is an open loop: requests go out on time even while earlier ones hang,
// as those of many users do. A closed loop, in which the next request waits for
// the last answer, would ask least when things are worst.
type load struct {
	every time.Duration
	// slots bounds the requests under way. It is more than fit into one time-out,
	// so that a listener that answers nothing does not fill it; only a host that
	// cannot keep up does, and then a due request is given up.
	slots int
	do    func(context.Context, job)
	shed  func(job)
}

// slotsMax bounds the sockets and the memory that traffic may take.
const slotsMax = 4096

func slotsFor(every, timeout time.Duration) int {
	return int(min(timeout/every+64, slotsMax))
}

// run sends until ctx ends, and returns when no request is under way any more.
func (l *load) run(ctx context.Context) error {
	p, err := newPacer(l.every)
	if err != nil {
		return err
	}
	defer p.close()
	defer context.AfterFunc(ctx, p.close)()
	work := make(chan job)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer close(work)
	begun := 0
	for seq := uint64(0); ; seq++ {
		at, err := p.due()
		if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		j := job{seq, at}
		select {
		case work <- j:
			continue
		default:
		}
		if begun == l.slots {
			l.shed(j)
			continue
		}
		begun++
		workers.Go(func() {
			for ok := true; ok; j, ok = <-work {
				l.do(ctx, j)
			}
		})
	}
}
