package sshd

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// hub is an api.Client whose watchers share one Watch of the client behind it, so
// that every picture is decoded once, and held once.
type hub struct {
	api.Client

	mu     sync.Mutex
	stream *stream // nil: nobody watches
}

// stream is one Watch of the fleet, for as long as somebody looks and the fleet
// answers.
type stream struct {
	end    context.CancelFunc
	first  chan struct{} // closed with the first picture, or at the end
	gone   chan struct{} // closed at the end
	err    error         // why there was never a picture
	status *api.Status
	events tail
	eyes   map[chan struct{}]bool
}

// linger is how long a stream goes on without a watcher: for consoles that
// connect again, and for commands between each other.
const linger = 5 * time.Second

func newHub(c api.Client) *hub { return &hub{Client: c} }

// latest is the newest picture, nil without a stream.
func (h *hub) latest() *api.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stream == nil {
		return nil
	}
	return h.stream.status
}

// Watch implements api.Client.
func (h *hub) Watch(ctx context.Context, from api.Seq) (<-chan api.Update, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	st, eye := h.join()
	select {
	case <-st.first:
	case <-ctx.Done():
		h.quit(st, eye)
		return nil, ctx.Err()
	}
	h.mu.Lock()
	err := st.err
	h.mu.Unlock()
	if err != nil {
		h.quit(st, eye)
		return nil, err
	}
	out := make(chan api.Update)
	go h.serve(ctx, st, eye, from, out)
	return out, nil
}

// join adds a watcher to the stream, which begins with the first one.
func (h *hub) join() (*stream, chan struct{}) {
	eye := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stream == nil {
		ctx, end := context.WithCancel(context.Background())
		h.stream = &stream{end: end, first: make(chan struct{}), gone: make(chan struct{}), eyes: map[chan struct{}]bool{}}
		go h.run(ctx, h.stream)
	}
	h.stream.eyes[eye] = true
	return h.stream, eye
}

// quit takes a watcher off its stream. The last one ends it, a while later.
func (h *hub) quit(st *stream, eye chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(st.eyes, eye)
	if len(st.eyes) > 0 {
		return
	}
	time.AfterFunc(linger, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(st.eyes) == 0 {
			h.drop(st)
		}
	})
}

// drop ends a stream; the next watcher begins another one. h.mu is held.
func (h *hub) drop(st *stream) {
	st.end()
	if h.stream == st {
		h.stream = nil
	}
}

// run reads the fleet's stream.
func (h *hub) run(ctx context.Context, st *stream) {
	var err error
	for again := true; again; {
		again, err = h.read(ctx, st)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(st)
	if st.status == nil {
		if err == nil {
			err = fmt.Errorf("%w: it ended the connection", api.ErrUnreachable)
		}
		st.err = err
		close(st.first)
	}
	close(st.gone)
}

// read reads one Watch to its end, and reports whether another one is to bring all
// that there is: events are numbered another way by now.
func (h *hub) read(ctx context.Context, st *stream) (again bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates, err := h.Client.Watch(ctx, 0)
	if err != nil {
		return false, err
	}
	first := true
	for u := range updates {
		if !h.take(st, u, first) {
			return true, nil
		}
		first = first && u.Status == nil
	}
	return false, nil
}

// take keeps an update, and reports false for one of another ring, of whose events
// it does not bring all. The first one of a Watch does.
func (h *hub) take(st *stream, u api.Update, first bool) bool {
	if u.Status == nil {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if st.status != nil && u.Status.Ring != st.status.Ring {
		if st.events = nil; !first {
			return false
		}
	}
	for _, e := range u.Events {
		st.events.add(e)
	}
	opens := st.status == nil
	st.status = u.Status
	if opens {
		close(st.first)
	}
	for eye := range st.eyes {
		select {
		case eye <- struct{}{}:
		default: // it has not seen the one before
		}
	}
	return true
}

// serve sends one watcher its updates: the newest picture, and the events that it
// has not had.
func (h *hub) serve(ctx context.Context, st *stream, eye chan struct{}, from api.Seq, out chan<- api.Update) {
	defer close(out)
	defer h.quit(st, eye)
	var sent *api.Status
	for {
		h.mu.Lock()
		u := api.Update{Status: st.status}
		u.Events, u.Missed = st.events.after(from)
		h.mu.Unlock()
		if u.Status != sent {
			select {
			case out <- u:
				sent = u.Status
				if n := len(u.Events); n > 0 {
					from = u.Events[n-1].Seq
				}
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-eye:
		case <-st.gone:
			return
		case <-ctx.Done():
			return
		}
	}
}

// tail is the newest events, without a gap. What it hands out is not changed
// afterwards.
type tail []api.Event

func (t *tail) add(e api.Event) {
	if n := len(*t); n > 0 && e.Seq != (*t)[n-1].Seq+1 {
		*t = nil // the fleet was faster than this reader, or began anew
	}
	if len(*t) >= 2*api.EventRing {
		*t = append(tail(nil), (*t)[len(*t)-api.EventRing:]...)
	}
	*t = append(*t, e)
}

// after returns the events after one, the newest api.EventRing at most, and how
// many it cannot return.
func (t tail) after(from api.Seq) (events []api.Event, missed uint64) {
	if len(t) == 0 {
		return nil, 0
	}
	last := t[len(t)-1].Seq
	if from > last {
		from = 0 // it is of another life of the fleet
	}
	first := max(t[0].Seq, last-min(last, api.EventRing)+1)
	if from+1 < first {
		return t[len(t)-int(last+1-first):], uint64(first - from - 1)
	}
	return t[len(t)-int(last-from):], 0
}
