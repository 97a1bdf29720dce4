package quorum

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/journal"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
)

// ProtocolName is the protocol's between hosts, as in ALPN.
const ProtocolName = "holdfast-replica/1"

// segmentSize is the journal's segment unless Options say otherwise. Facts are small,
// and two segments are written full of zeros when a host starts.
const segmentSize = 4 << 20

// Options of Open.
type Options struct {
	Host  string
	Dir   string // of the journal
	Clock *loop.Clock
	Log   *slog.Logger
	// Holder is who this host is. Nil: a host alone, which calls nobody.
	Holder *identity.Holder
	// Address is where a host's agent listens. It may not be known for a while.
	Address func(host string) (address string, ok bool)
	// Seats are the hosts that may have a replica of a group, to hand requests to
	// when this host has none. Nil: nobody is known.
	Seats func(replica.GroupID) []string
	// Admit reports whether a host may have a place in a group at all; see
	// replica.Config. Nil: any host of the fleet may.
	Admit func(group replica.GroupID, host string) bool
	// Timing of a group. Nil: replica.Near for all.
	Timing func(replica.GroupID) replica.Timing
	// Note hears what is for people. It must not wait. Nil: the log only.
	Note func(replica.Note)
	// SegmentSize of the journal; 0: segmentSize.
	SegmentSize int64
}

// Quorum is a host's replicas.
type Quorum struct {
	o       Options
	life    uint64
	files   *journal.Files
	machine *machine
	loop    *loop.Loop[event, replica.Effects]
	disk    *disk
	peers   *peers
	callers *callers

	mu      sync.Mutex
	running sync.WaitGroup
	ctx     context.Context // of everything that runs; ends with Run
	cancel  context.CancelCauseFunc
	holds   map[holdName]bool
	closing sync.Once

	refusals quiet // the loop's
}

// refusalsEach and refusalsFor bound what a peer's nonsense may write into the log.
const (
	refusalsEach = 20
	refusalsFor  = 10 * time.Second
)

// quiet says of something that strangers cause whether it is still worth a line.
type quiet struct {
	since instant.Instant
	said  int
}

func (q *quiet) say(now instant.Instant) bool {
	if now.Sub(q.since) > refusalsFor {
		q.since, q.said = now, 0
	}
	q.said++
	return q.said <= refusalsEach
}

// errEnded is why things end when Run does.
var errEnded = errors.New("quorum: this host's replicas have ended")

// Open reads the journal, which belongs to this process from then on, and takes the
// replicas up where they were. Nothing happens before Run.
func Open(o Options) (*Quorum, error) {
	if o.SegmentSize == 0 {
		o.SegmentSize = segmentSize
	}
	if o.Address == nil {
		o.Address = func(string) (string, bool) { return "", false }
	}
	if o.Seats == nil {
		o.Seats = func(replica.GroupID) []string { return nil }
	}
	if o.Note == nil {
		o.Note = func(replica.Note) {}
	}
	files, found, err := journal.Open(o.Dir, o.SegmentSize)
	if err != nil {
		return nil, fmt.Errorf("quorum: %w", err)
	}
	q := &Quorum{o: o, files: files, holds: map[holdName]bool{}}
	for q.life == 0 {
		q.life = rand.Uint64()
	}
	q.ctx, q.cancel = context.WithCancelCause(context.Background())
	groups := replica.New(replica.Config{
		Host: o.Host, Boot: q.life, Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		Machine: func(replica.GroupID) replica.Machine { return facts.New() },
		Timing:  o.Timing, Admit: o.Admit, SegmentSize: o.SegmentSize,
	}, o.Clock.Now(), found)
	q.machine = newMachine(groups)
	q.disk = newDisk(q)
	q.peers = newPeers(q)
	q.callers = &callers{q: q, all: map[string]*caller{}, served: map[replica.GroupID]string{}, failed: map[string]instant.Instant{}}
	q.loop = loop.New(loop.Options[event, replica.Effects]{
		Name: "quorum " + o.Host, Clock: o.Clock, Log: o.Log, Machine: q.machine,
		Wake: event{ev: replica.Wake{}}, Reset: (*replica.Effects).Reset, Carry: q.carry,
	})
	return q, nil
}

// yieldFor is how long a host that ends waits for others to take its leads.
const yieldFor = 300 * time.Millisecond

// Run runs the replicas until ctx ends, and returns when everything of them has
// ended and the journal is closed. Unless the cause is loop.ErrPowerCut, leads are
// handed over first. An error says that the replicas broke a promise.
func (q *Quorum) Run(ctx context.Context) error {
	defer q.Close()
	q.start(q.disk.run)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		if !errors.Is(context.Cause(ctx), loop.ErrPowerCut) {
			q.yield()
		}
		stop()
	})()
	err := q.loop.Run(running)
	q.end()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("quorum: %s: %w", q.o.Host, err)
}

// yield hands every lead to another host, as far as there is one that follows.
func (q *Quorum) yield() {
	ctx, done := context.WithTimeout(q.ctx, yieldFor)
	defer done()
	var all sync.WaitGroup
	for _, g := range q.Status().Groups {
		if g.Leads {
			all.Go(func() {
				_ = q.order(ctx, g.Group, func(n uint64) replica.Event { return replica.Yield{Request: n, Group: g.Group} })
			})
		}
	}
	all.Wait()
}

// start runs f until Run ends, which waits for it. It reports false when it is too
// late.
func (q *Quorum) start(f func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ctx.Err() != nil {
		return false
	}
	q.running.Go(f)
	return true
}

// end ends all that runs and waits for it.
func (q *Quorum) end() {
	q.mu.Lock()
	q.cancel(errEnded)
	q.mu.Unlock()
	q.peers.close()
	q.callers.close()
	q.running.Wait()
}

// Close closes the journal, for who opened it and did not Run. Run does it itself.
func (q *Quorum) Close() {
	q.closing.Do(func() {
		q.end()
		q.files.Close()
	})
}

// carry carries out what the replicas ask for. Nothing in it waits.
func (q *Quorum) carry(_ instant.Instant, out *replica.Effects) {
	for _, s := range out.Sends {
		q.peers.send(s)
	}
	for _, below := range out.Drops {
		q.disk.drop(below)
	}
	for _, w := range out.Writes {
		q.disk.write(w)
	}
	for _, n := range out.Notes {
		q.note(n)
	}
	q.machine.tell(out)
}

// note says to the log what is for people.
func (q *Quorum) note(n replica.Note) {
	if n.Reason == replica.ReasonRefused && !q.refusals.say(q.o.Clock.Now()) {
		return
	}
	level := slog.LevelWarn
	// All others are worth a look.
	//exhaustive:ignore
	switch n.Reason {
	case replica.ReasonLeads:
		level = slog.LevelInfo
	case replica.ReasonHalted, replica.ReasonJournalFailed, replica.ReasonJournalRotten:
		level = slog.LevelError
	}
	q.o.Log.Log(context.Background(), level, n.Reason.Sentence(), "group", string(n.Group), "reason", string(n.Reason), "detail", n.Text)
	q.o.Note(n)
}

// Status returns a copy of the replicas' state.
func (q *Quorum) Status() replica.Status { return q.machine.status() }

// Changed returns a channel that is closed when next it changes who leads a group,
// who is in one, or whether this host takes part. Take the channel first and look
// at Status then, so that nothing is missed.
func (q *Quorum) Changed() <-chan struct{} { return q.machine.moved.wait() }

// patience is how long something is tried whose context has no end.
const patience = 10 * time.Second

// left is how long a context leaves for trying, a little less than all of it, so
// that the reason why not still comes.
func left(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return patience
	}
	d := time.Until(end)
	return max(d-min(d/16, 50*time.Millisecond), time.Millisecond)
}

// ask gives the replicas a request and waits for its end.
func (q *Quorum) ask(ctx context.Context, of func(request uint64) replica.Event) (replica.Answer, error) {
	done := make(chan replica.Answer, 1)
	if !q.loop.Tell(ctx, event{ask: of, done: done}) {
		return replica.Answer{}, cmp.Or(ctx.Err(), errEnded)
	}
	select {
	case a := <-done:
		return a, nil
	case <-ctx.Done():
	case <-q.loop.Done():
	}
	select {
	case a := <-done:
		return a, nil
	default:
		return replica.Answer{Reason: replica.ReasonUnknown}, nil
	}
}

// Create founds a group on this host. Every host of the seats must be given the same
// ones in the same order, once; see replica.Create.
func (q *Quorum) Create(ctx context.Context, group replica.GroupID, seats []replica.Seat) error {
	return q.order(ctx, group, func(request uint64) replica.Event {
		return replica.Create{Request: request, Group: group, Seats: seats}
	})
}

// Change gives a group other seats. Only the host that leads can. A host that was
// not heard yet is waited for as long as ctx lives, and so is an earlier change.
// When it returns nil the change is decided; Status says when everybody took their
// place.
func (q *Quorum) Change(ctx context.Context, group replica.GroupID, seats []replica.Seat) error {
	for {
		err := q.order(ctx, group, func(request uint64) replica.Event {
			return replica.Change{Request: request, Group: group, Seats: seats}
		})
		if why := ReasonOf(err); why != replica.ReasonUnheard && why != replica.ReasonChangePending || !sleep(ctx, changeAgain) {
			return err
		}
	}
}

// changeAgain is how long to wait for a host that was greeted.
const changeAgain = 100 * time.Millisecond

// Transfer hands the lead of a group to another host. Only the host that leads can.
func (q *Quorum) Transfer(ctx context.Context, group replica.GroupID, to string) error {
	return q.order(ctx, group, func(request uint64) replica.Event {
		return replica.Transfer{Request: request, Group: group, To: to}
	})
}

func (q *Quorum) order(ctx context.Context, group replica.GroupID, make func(request uint64) replica.Event) error {
	a, err := q.ask(ctx, make)
	if err != nil {
		return err
	}
	return refused(group, a)
}

// sleep waits and reports whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
