// Package load puts facts as fast as clients can and says what they saw. It is the
// same for every store that is compared: a program connects it to one, and takes
// orders on its standard input, a line of JSON each.
package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Store is what facts are put into. One connection carries it all.
type Store interface {
	// Connect leaves what there was and connects to one of some hosts; with several,
	// it finds another by itself when one dies.
	Connect(hosts []string) error
	// Put returns nil when the fact is durable on a majority.
	Put(ctx context.Context, key string, value []byte) error
	// Get returns what was acknowledged last, or something newer.
	Get(ctx context.Context, key string) ([]byte, error)
}

// What an Order can be.
const (
	// First waits for the first acknowledged put, while nobody may be there yet.
	First = "first"
	// Busy lets clients put one after another.
	Busy = "busy"
	// Steady begins a put at each Every, whatever became of those before.
	Steady = "steady"
	// Check reads everything that was acknowledged so far.
	Check = "check"
)

// Order is something to do.
type Order struct {
	What    string
	Hosts   []string // connect to them first; nil: stay
	Clients int
	For     time.Duration
	Every   time.Duration
	Size    int // of a value
}

// Report is what came of it. Moments are wall-clock nanoseconds: all processes of
// a comparison are on one machine.
type Report struct {
	Error  string `json:",omitempty"`
	Puts   int
	Failed int
	Rate   float64 // acknowledged, a second
	P50    time.Duration
	P99    time.Duration
	Acks   [][2]int64 `json:",omitempty"` // of Steady and First: begun, acknowledged
	Facts  int        // of Check
	Lost   int
}

// Times of single puts.
const (
	putFor   = 2 * time.Second
	firstFor = time.Minute
	pause    = 5 * time.Millisecond // between two tries of First
)

// steadyMax is how many puts of Steady are under way at once.
const steadyMax = 1024

type loader struct {
	store Store
	mu    sync.Mutex
	acked map[string]int // the highest number that was acknowledged, by key
	turn  int
}

// Serve carries out orders until the input ends.
func Serve(in io.Reader, out io.Writer, store Store) error {
	l := &loader{store: store, acked: map[string]int{}}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var o Order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		r, err := l.do(o)
		if err != nil {
			r.Error = err.Error()
		}
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (l *loader) do(o Order) (Report, error) {
	if o.Hosts != nil {
		if err := l.store.Connect(o.Hosts); err != nil {
			return Report{}, err
		}
	}
	switch o.What {
	case First:
		return l.first(o)
	case Busy:
		return l.busy(o), nil
	case Steady:
		return l.steady(o), nil
	case Check:
		return l.check()
	}
	return Report{}, fmt.Errorf("load: there is no order %q", o.What)
}

// put puts the next number of a key, and notes it when it is acknowledged.
func (l *loader) put(ctx context.Context, key string, number, size int) error {
	b := strconv.AppendInt(make([]byte, 0, size), int64(number), 10)
	for len(b) < size {
		b = append(b, ' ')
	}
	if err := l.store.Put(ctx, key, b); err != nil {
		return err
	}
	l.mu.Lock()
	l.acked[key] = max(l.acked[key], number)
	l.mu.Unlock()
	return nil
}

func (l *loader) first(o Order) (Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), firstFor)
	defer cancel()
	for last := errors.New("no put was tried"); ; {
		begun := time.Now()
		one, done := context.WithTimeout(ctx, 100*time.Millisecond)
		err := l.put(one, "first", 1, o.Size)
		done()
		if err == nil {
			return Report{Puts: 1, Acks: [][2]int64{{begun.UnixNano(), time.Now().UnixNano()}}}, nil
		}
		if ctx.Err() != nil {
			return Report{}, fmt.Errorf("load: nobody acknowledges: %w", last)
		}
		last = err
		wait(ctx, pause)
	}
}

// keysEach is how many keys one client of Busy has.
const keysEach = 16

func (l *loader) busy(o Order) Report {
	l.turn++
	turn := l.turn
	begun := time.Now()
	end := begun.Add(o.For)
	all := make([][]time.Duration, o.Clients)
	failed := make([]int, o.Clients)
	var clients sync.WaitGroup
	for c := range o.Clients {
		clients.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				ctx, done := context.WithTimeout(context.Background(), putFor)
				at := time.Now()
				err := l.put(ctx, fmt.Sprintf("busy/%d/%d", c, n%keysEach), turn<<32+n, o.Size)
				done()
				if err != nil {
					failed[c]++
					continue
				}
				all[c] = append(all[c], time.Since(at))
			}
		})
	}
	clients.Wait()
	took := time.Since(begun)
	r := Report{}
	var spans []time.Duration
	for c := range all {
		spans = append(spans, all[c]...)
		r.Failed += failed[c]
	}
	slices.Sort(spans)
	r.Puts = len(spans)
	r.Rate = float64(r.Puts) / took.Seconds()
	if r.Puts > 0 {
		r.P50, r.P99 = spans[r.Puts/2], spans[r.Puts*99/100]
	}
	return r
}

func (l *loader) steady(o Order) Report {
	l.turn++
	turn := l.turn
	var r Report
	var mu sync.Mutex
	var all sync.WaitGroup
	room := make(chan struct{}, steadyMax)
	ctx, cancel := context.WithTimeout(context.Background(), o.For)
	defer cancel()
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		all.Go(func() {
			defer func() { <-room }()
			one, done := context.WithTimeout(context.Background(), putFor)
			defer done()
			at := time.Now()
			err := l.put(one, fmt.Sprintf("steady/%d/%d", turn, n), 1, o.Size)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				r.Failed++
				return
			}
			r.Puts++
			r.Acks = append(r.Acks, [2]int64{at.UnixNano(), time.Now().UnixNano()})
		})
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	all.Wait()
	slices.SortFunc(r.Acks, func(a, b [2]int64) int { return int(a[1] - b[1]) })
	return r
}

func (l *loader) check() (Report, error) {
	var r Report
	for key, number := range l.acked {
		ctx, done := context.WithTimeout(context.Background(), firstFor)
		b, err := l.store.Get(ctx, key)
		done()
		if err != nil {
			return r, err
		}
		r.Facts++
		if got, _ := strconv.Atoi(strings.TrimSpace(string(b))); got < number {
			r.Lost++
		}
	}
	return r, nil
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
