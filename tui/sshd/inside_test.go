package sshd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
)

// Whatever comes and goes, the gate's counts are those of who is there, its table
// is bounded, and a source is let in again in time.
func TestGate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newGate(Limits{Connections: 6, Fresh: 4, PerSource: 2, Failures: 3, FailureEvery: time.Second}.withDefaults())
		type guest struct {
			a      netip.Addr
			passed bool
		}
		var in []guest
		now := time.Unix(1000, 0)
		fresh := func(of netip.Addr) (all, own int) {
			for _, x := range in {
				if !x.passed {
					all++
					if source(x.a) == source(of) {
						own++
					}
				}
			}
			return all, own
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 700).Draw(t, "ms")) * time.Millisecond)
			a := netip.MustParseAddr(rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "::ffff:192.0.2.1"}).Draw(t, "from"))
			all, own := fresh(a)
			switch what := rapid.IntRange(0, 3).Draw(t, "what"); {
			case what <= 1:
				why := g.arrive(a, now)
				if full := len(in) >= 6 || all >= 4 || own >= 2; full && why == "" {
					t.Fatalf("%d are in, %d of them fresh, %d from %s: one more is let in", len(in), all, own, a)
				} else if !full && why != "" && !strings.Contains(why, "failed") {
					t.Fatalf("%d are in, %d fresh, %d from %s: %s", len(in), all, own, a, why)
				}
				if why == "" {
					in = append(in, guest{a: a})
				}
			case len(in) > 0:
				i := rapid.IntRange(0, len(in)-1).Draw(t, "who")
				if what == 2 && !in[i].passed {
					g.pass(in[i].a, now)
					in[i].passed = true
					continue
				}
				g.leave(in[i].a, in[i].passed, now)
				in = append(in[:i], in[i+1:]...)
			}
			all, _ = fresh(a)
			if g.open != len(in) || g.fresh != all {
				t.Fatalf("it counts %d and %d fresh; %d and %d are", g.open, g.fresh, len(in), all)
			}
		}
		for _, x := range in {
			g.leave(x.a, x.passed, now)
		}
		for p, f := range g.sources {
			if f.open != 0 || f.fresh != 0 {
				t.Fatalf("nobody is there, and of %s %d are, %d fresh", p, f.open, f.fresh)
			}
		}
		if why := g.arrive(netip.MustParseAddr("192.0.2.1"), now.Add(3*time.Second)); why != "" {
			t.Fatalf("after three seconds of peace: %s", why)
		}
	})
}

func TestGateForgets(t *testing.T) {
	g := newGate(Limits{}.withDefaults())
	now := time.Unix(1000, 0)
	bad := netip.MustParseAddr("192.0.2.1")
	for range failuresDefault {
		g.arrive(bad, now)
		g.leave(bad, false, now)
	}
	for i := range 3 * sourcesMax {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if why := g.arrive(a, now); why != "" {
			t.Fatal(why)
		}
		g.leave(a, i%3 == 0 && passes(g, a, now), now)
	}
	if len(g.sources) > sourcesMax {
		t.Errorf("it knows %d sources", len(g.sources))
	}
	if g.arrive(bad, now) == "" {
		t.Error("a flood of others makes it forget who failed")
	}
}

func passes(g *gate, a netip.Addr, now time.Time) bool {
	g.pass(a, now)
	return true
}

// held is a reader's end that can be held.
type held struct {
	mu   sync.Mutex
	got  bytes.Buffer
	free chan struct{}
}

func (h *held) Write(p []byte) (int, error) {
	if h.free != nil {
		<-h.free
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.got.Write(p)
}

// A writer that is behind never blocks; it drops once, and after it nothing.
func TestLagWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &held{free: make(chan struct{})}
		dropped := 0
		w := newLagWriter(to, 100, func() { dropped++ })
		for i := range 10 {
			if _, err := w.Write(make([]byte, 10)); err != nil {
				t.Fatalf("write %d: %v", i, err)
			}
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, errBehind) {
			t.Errorf("one byte too many: %v", err)
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("after it: %v", err)
		}
		synctest.Wait()
		if dropped != 1 {
			t.Errorf("dropped %d times", dropped)
		}
		close(to.free)
		w.finish(time.Second)
	})
}

// All bytes come, in order, whatever the sizes; one frame may be larger than the
// bound.
func TestLagWriterKeepsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &held{}
		w := newLagWriter(to, 100, func() { t.Error("dropped") })
		var want bytes.Buffer
		for i := range 50 {
			p := bytes.Repeat([]byte{byte('a' + i%26)}, i*7)
			want.Write(p)
			if _, err := w.Write(p); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		w.finish(time.Second)
		if !bytes.Equal(to.got.Bytes(), want.Bytes()) {
			t.Error("the bytes are not those that were written")
		}
	})
}

func TestStallWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		began := time.Now()
		s := stallWriter{w, time.Minute, func() { _ = w.Close() }}
		go func() { // a slow reader is waited for
			for range 3 {
				<-time.After(50 * time.Second)
				_, _ = io.ReadFull(r, make([]byte, pieceMax))
			}
		}()
		n, err := s.Write(make([]byte, 5*pieceMax))
		if !errors.Is(err, io.ErrClosedPipe) || n != 3*pieceMax || time.Since(began) != 3*50*time.Second+time.Minute {
			t.Errorf("%d bytes, %v after %s", n, err, time.Since(began))
		}
	})
}

// scripted is a fleet whose stream a test writes.
type scripted struct {
	api.Client
	streams chan chan api.Update
}

func (s *scripted) Watch(ctx context.Context, _ api.Seq) (<-chan api.Update, error) {
	in := <-s.streams
	if in == nil {
		return nil, api.ErrUnreachable
	}
	out := make(chan api.Update)
	go func() {
		defer close(out)
		for {
			select {
			case u, ok := <-in:
				if !ok {
					return
				}
				select {
				case out <- u:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func picture(events ...api.Seq) api.Update {
	u := api.Update{Status: &api.Status{}}
	for _, q := range events {
		u.Events = append(u.Events, api.Event{Seq: q})
		u.Status.Seq = q
	}
	return u
}

// Watchers that begin whenever, and read as slowly as they like, see each event
// once and in order, and the newest picture.
func TestHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &scripted{streams: make(chan chan api.Update, 4)}
		first := make(chan api.Update)
		up.streams <- first
		h := newHub(up)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() { first <- picture(1, 2, 3) }()
		early, err := h.Watch(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := func(from <-chan api.Update) string {
			t.Helper()
			synctest.Wait()
			select {
			case u, ok := <-from:
				if !ok {
					return "over"
				}
				var all []api.Seq
				for _, e := range u.Events {
					all = append(all, e.Seq)
				}
				return fmt.Sprint(all, u.Status.Seq, u.Missed)
			default:
				return "nothing"
			}
		}
		want := func(got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		want(got(early), "[1 2 3] 3 0")
		late, err := h.Watch(ctx, 2)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		first <- picture(4)
		synctest.Wait()
		first <- picture(5, 6)
		want(got(early), "[4] 4 0") // it was offered before there was more
		want(got(early), "[5 6] 6 0")
		want(got(early), "nothing")
		want(got(late), "[3] 3 0")
		want(got(late), "[4 5 6] 6 0")
		// A gap of the fleet's own is said.
		first <- api.Update{Status: &api.Status{Seq: 11}, Events: []api.Event{{Seq: 10}, {Seq: 11}}, Missed: 3}
		want(got(late), "[10 11] 11 3")
		close(first)
		want(got(late), "over")
		// The next one to look begins another stream, of another life of the fleet.
		second := make(chan api.Update, 1)
		second <- picture(1)
		up.streams <- second
		again, err := h.Watch(ctx, 11)
		if err != nil {
			t.Fatal(err)
		}
		want(got(again), "[1] 1 0")
		cancel()
		want(got(again), "over")
		<-time.After(2 * linger)
		if h.latest() != nil {
			t.Error("nobody watches, and the stream goes on")
		}
		up.streams <- nil
		if _, err := h.Watch(context.Background(), 0); !errors.Is(err, api.ErrUnreachable) {
			t.Errorf("no fleet: %v", err)
		}
		<-time.After(2 * linger)
	})
}

// What strangers do is recorded one by one at first, and counted afterwards.
func TestRefusalsAreCounted(t *testing.T) {
	now := time.Unix(1000, 0)
	var all []audit.Entry
	r := newRecorder(func(e audit.Entry) (audit.Record, error) { all = append(all, e); return audit.Record{}, nil }, nil, func() time.Time { return now })
	for range 1000 {
		r.refuse(audit.Entry{Detail: "x"})
	}
	if len(all) != refusalsAtOnce {
		t.Fatalf("%d records", len(all))
	}
	now = now.Add(refusalEvery)
	r.refuse(audit.Entry{Detail: "y"})
	if got := all[len(all)-1].Detail; got != fmt.Sprintf("y; %d more before it were not recorded one by one", 1000-refusalsAtOnce) {
		t.Errorf("the next one says %q", got)
	}
	r.refuse(audit.Entry{})
	r.rest()
	if got := all[len(all)-1].Detail; got != "1 were not recorded one by one" {
		t.Errorf("the last one says %q", got)
	}
}

func TestCellsOfAll(t *testing.T) {
	p := newPeople(Limits{}.withDefaults())
	n := 0
	for p.draw(0, cellsMax) {
		n++
	}
	if n != cellsTotal/cellsMax {
		t.Errorf("%d of the largest terminals are drawn for", n)
	}
	if !p.draw(cellsMax, 100) || !p.draw(0, 100) || p.draw(100, cellsMax) {
		t.Error("what one gives back another may take, and no more")
	}
}

// A command's pace is its key's, and a stranger's commands slow nobody else.
func TestPace(t *testing.T) {
	var p pace
	now := time.Unix(1000, 0)
	for range commandsAtOnce {
		if !p.take("a", now) {
			t.Fatal("too slow")
		}
	}
	if p.take("a", now) || !p.take("b", now) || !p.take("a", now.Add(commandEvery)) {
		t.Error("it is nobody's pace")
	}
	for i := range 2 * paceKeysMax {
		p.take(fmt.Sprint(i), now)
	}
	if len(p.keys) > paceKeysMax {
		t.Errorf("it knows %d keys", len(p.keys))
	}
}
