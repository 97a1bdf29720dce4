package quorum

import (
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// diskQueue is how much the journal's goroutine is given at once: there is one write
// in flight, and a drop behind it; the rest is room.
const diskQueue = 16

// disk carries out writes outside of the loop: a flush takes as long as the disk
// does.
type disk struct {
	q     *Quorum
	work  chan func()
	carry func(replica.Write) replica.Event
}

func newDisk(q *Quorum) *disk {
	return &disk{q: q, work: make(chan func(), diskQueue), carry: q.files.Carry}
}

func (d *disk) run() {
	for {
		select {
		case f := <-d.work:
			f()
		case <-d.q.ctx.Done():
			return
		}
	}
}

// write makes a write durable and tells the replicas what became of it.
func (d *disk) write(w replica.Write) {
	d.work <- func() {
		d.q.loop.Tell(d.q.ctx, event{ev: d.carry(w)})
	}
}

// drop frees segments. What could not be freed is freed with the next drop.
func (d *disk) drop(below uint64) {
	select {
	case d.work <- func() {
		if err := d.q.files.Drop(below); err != nil {
			d.q.o.Log.Warn("segments of the journal that nobody needs stay for now", "err", err)
		}
	}:
	default:
	}
}
