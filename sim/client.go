package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/bus"
)

// Options of NewClient.
type Options struct {
	// Spec is the fleet as YAML, Name the file that it is from. Backends without a
	// service are nobody's here, and refuse connections.
	Spec, Name string
	Seed       uint64
	// Knobs of the world; the zero value is a calm one.
	Knobs Knobs
	// Speed is how many virtual seconds pass in a real one; 0: none but by Advance.
	Speed float64
}

// Client is an api.Client of a simulation, so that a console can watch one.
type Client struct {
	bus    *bus.Bus
	ending context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex // of what follows
	world   *World
	picture *api.Status // not published yet; nil: none
	closed  bool
}

// publishEvery is how often pictures are shown while time passes by itself: at
// most ten times a second, however fast it passes.
const publishEvery = 100 * time.Millisecond

// NewClient starts a simulation.
func NewClient(o Options) (*Client, error) {
	s, err := spec.Parse(o.Name, []byte(o.Spec))
	if err != nil {
		return nil, err
	}
	if o.Speed < 0 || o.Speed > 1000 {
		return nil, fmt.Errorf("sim: a speed of %g; expected 0 to 1000 virtual seconds in a real one", o.Speed)
	}
	if o.Knobs.LoopMax == 0 {
		o.Knobs = Calm()
	}
	c := &Client{bus: bus.New(), ended: make(chan struct{})}
	r := rand.New(rand.NewPCG(o.Seed, 0x686f6c6466617374))
	c.world = newWorld(o.Knobs, r, s, o.Spec, nil, honest())
	c.world.publish = func(s *api.Status, events []api.Event) {
		c.bus.Add(events)
		if s != nil {
			c.picture = s
		}
	}
	c.world.revise = c.bus.Revise
	c.bus.Revise(c.world.revs)
	c.picture = c.world.picture
	c.bus.Add(c.world.begun)
	c.world.storm()
	c.show()
	ctx, cancel := context.WithCancel(context.Background())
	c.ending = cancel
	go c.run(ctx, o.Speed)
	return c, nil
}

// run lets time pass.
func (c *Client) run(ctx context.Context, speed float64) {
	defer close(c.ended)
	if speed == 0 {
		<-ctx.Done()
		return
	}
	t := time.NewTicker(publishEvery)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case now := <-t.C:
			// A machine that was suspended does not run after the lost time.
			passed := min(now.Sub(last), time.Second)
			last = now
			c.Advance(time.Duration(float64(passed) * speed))
		case <-ctx.Done():
			return
		}
	}
}

// Advance lets virtual time pass, and shows what became of it.
func (c *Client) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.world.advance(c.world.now.Add(d))
	c.show()
	if c.world.failure != nil {
		c.bus.Close() // what it shows from here on would be a lie
	}
}

// show publishes the newest picture. The caller holds the lock, but for the first
// time.
func (c *Client) show() {
	if c.picture == nil {
		return
	}
	c.bus.Publish(c.picture)
	c.picture = nil
}

// Err is the promise that the simulation found broken; nil while there is none.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.world.failure
}

// Close ends the simulation.
func (c *Client) Close() {
	c.ending()
	<-c.ended
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.bus.Close()
}

// Status implements api.Client.
func (c *Client) Status(ctx context.Context) (*api.Status, error) { return c.bus.Status(ctx) }

// Watch implements api.Client.
func (c *Client) Watch(ctx context.Context, from api.Seq) (<-chan api.Update, error) {
	return c.bus.Watch(ctx, from)
}

// Events implements api.Client.
func (c *Client) Events(ctx context.Context, from api.Seq, most int) ([]api.Event, error) {
	return c.bus.Events(ctx, from, most)
}

// Revisions implements api.Client.
func (c *Client) Revisions(ctx context.Context, texts ...uint64) ([]api.Revision, error) {
	return c.bus.Revisions(ctx, texts...)
}

// Do implements api.Client. The fleet is asked at once, whatever the time.
func (c *Client) Do(ctx context.Context, req api.Request) (api.Receipt, error) {
	if req.Command == nil {
		return api.Receipt{}, errors.New("sim: a request without a command")
	}
	if err := ctx.Err(); err != nil {
		return api.Receipt{}, err
	}
	answer := make(chan api.Receipt, 1)
	c.mu.Lock()
	if c.closed || c.world.failure != nil || c.world.fleet.dead {
		c.mu.Unlock()
		return api.Receipt{}, api.ErrUnreachable
	}
	c.world.fleet.take(c.world.people.request(req, func(r api.Receipt) { answer <- r }))
	c.mu.Unlock()
	select {
	case r := <-answer:
		return r, nil
	case <-c.ended:
		return api.Receipt{}, api.ErrUnreachable
	case <-ctx.Done():
		return api.Receipt{}, ctx.Err()
	}
}

var _ api.Client = (*Client)(nil)
