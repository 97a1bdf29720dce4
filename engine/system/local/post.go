package local

import (
	"context"
	"time"

	"github.com/holdfast-edge/holdfast/engine/host"
)

// startWait is how long hosts wait for processes that were just started. A
// process serves within a few milliseconds; one that does not within this is
// trouble that people should see.
const startWait = 2 * time.Second

// post carries events to hosts, each host's in order, off the fleet's loop. It
// holds them back while the processes of a spec start, so that no host finds a
// backend down that was never up.
type post struct{ letters chan letter }

// letter is an event for a host, or something to wait for before the next one.
type letter struct {
	to    *running
	event host.Event
	await <-chan struct{}
}

// postMax bounds the letters under way. Past it the fleet's loop waits for the
// hosts; commands are the only thing that makes many.
const postMax = 4096

func newPost() *post { return &post{make(chan letter, postMax)} }

func (p *post) send(l letter) { p.letters <- l }

// run delivers until the fleet's loop, which is the one that sends, has ended.
func (p *post) run(ctx context.Context, fleetEnded <-chan struct{}) {
	for {
		select {
		case l := <-p.letters:
			p.deliver(ctx, l)
		case <-fleetEnded:
			return
		}
	}
}

func (p *post) deliver(ctx context.Context, l letter) {
	if l.await == nil {
		l.to.Tell(l.to.ctx, l.event)
		return
	}
	t := time.NewTimer(startWait)
	defer t.Stop()
	select {
	case <-l.await:
	case <-t.C:
	case <-ctx.Done():
	}
}
