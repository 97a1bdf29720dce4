package auditlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/facts"
)

// group is a group's facts, and what its network may do to a command.
type group struct {
	mu    sync.Mutex
	store *facts.Store
	fate  func(facts.Command) fate // nil: all is well
	late  []facts.Command          // those that are carried out later
}

// fate is what becomes of a command.
type fate int

const (
	fine      fate = iota
	lost           // it never arrives
	unsaid         // it is carried out, and the answer is lost
	straggles      // it is carried out after what comes next
)

var errCut = errors.New("the group cannot be reached")

func newGroup() *group { return &group{store: facts.New()} }

func (g *group) Do(_ context.Context, c facts.Command) (facts.Result, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := fine
	if g.fate != nil {
		f = g.fate(c)
	}
	switch f {
	case lost:
		return facts.Result{}, errCut
	case unsaid:
		g.store.Do(c)
		return facts.Result{}, errCut
	case straggles:
		g.late = append(g.late, c)
		return facts.Result{}, errCut
	case fine:
	}
	r := g.store.Do(c)
	for _, c := range g.late {
		g.store.Do(c)
	}
	g.late = nil
	return r, nil
}

func (g *group) Ask(_ context.Context, q facts.Query) (facts.Answer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.store.Ask(q), nil
}

// acquire takes a lease and returns its token.
func (g *group) acquire(t testing.TB, lease, holder string) facts.Token {
	t.Helper()
	r, err := g.Do(t.Context(), facts.Acquire{Lease: lease, Holder: holder, TTL: 10 * time.Second})
	if err != nil || r.Reason != facts.ReasonNone {
		t.Fatalf("%s: %v, %v", lease, r, err)
	}
	return facts.Token{Lease: lease, Epoch: r.Lease.Epoch}
}

// chain verifies all that the facts hold and returns what its records say.
func (g *group) chain(t testing.TB) []string {
	t.Helper()
	s := NewShared(SharedOptions{Store: g})
	var details []string
	var v audit.Verifier
	for after := uint64(0); ; {
		w, err := s.Since(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		if len(w.Lines) == 0 {
			if seq, hash := v.Chain().Head(); seq != w.Head.Seq || hash != w.Head.Hash {
				t.Fatalf("the lines end in record %d, the head says %d", seq, w.Head.Seq)
			}
			return details
		}
		for _, line := range w.Lines {
			r, err := v.Add(line)
			if err != nil {
				t.Fatal(err)
			}
			details, after = append(details, r.Detail), r.Seq
		}
	}
}

func TestHostsShareOneChain(t *testing.T) {
	g := newGroup()
	const hosts, each = 8, 20
	var all sync.WaitGroup
	for h := range hosts {
		s := NewShared(SharedOptions{Store: g, Host: fmt.Sprint(h)})
		all.Go(func() {
			for i := range each {
				r, err := s.Append(t.Context(), audit.Entry{Kind: audit.KindAsk, Detail: fmt.Sprintf("%d.%02d", h, i)})
				if err != nil || r.Host != fmt.Sprint(h) {
					t.Errorf("%v, %v", r, err)
				}
			}
		})
	}
	all.Wait()
	got := g.chain(t)
	slices.Sort(got)
	for i := range got {
		if want := fmt.Sprintf("%d.%02d", i/each, i%each); got[i] != want {
			t.Fatalf("record %d is %s, want %s", i, got[i], want)
		}
	}
	if len(got) != hosts*each {
		t.Errorf("%d records", len(got))
	}
}

// Whatever becomes of a command on its way: a record that was acknowledged is in
// the chain once, and one that was not is there once or not at all.
func TestCommandsAreLostOnTheirWay(t *testing.T) {
	fates := []fate{fine, lost, unsaid, straggles}
	for plan := range 4 * 4 * 4 {
		g := newGroup()
		step := 0
		g.fate = func(facts.Command) fate {
			step++
			if step > 3 {
				return fine
			}
			return fates[plan>>(2*(step-1))&3]
		}
		one, two := NewShared(SharedOptions{Store: g, Host: "one"}), NewShared(SharedOptions{Store: g, Host: "two"})
		told := map[string]bool{}
		for i := range 4 {
			for _, s := range []*Shared{one, two} {
				detail := fmt.Sprintf("%s.%d", s.o.Host, i)
				_, err := s.Append(t.Context(), audit.Entry{Kind: audit.KindAsk, Detail: detail})
				told[detail] = err == nil
				if err != nil && !errors.Is(err, ErrUnknown) {
					t.Fatalf("plan %x: %v", plan, err)
				}
			}
		}
		found := map[string]int{}
		for _, d := range g.chain(t) {
			found[d]++
		}
		for d, acknowledged := range told {
			if n := found[d]; n > 1 || acknowledged && n != 1 {
				t.Errorf("plan %x: record %s stands there %d times; acknowledged: %t", plan, d, n, acknowledged)
			}
		}
	}
}

// A coordinator that lost its lease records nothing more, also when it had the
// chain's end at hand.
func TestACoordinatorThatLostItsLease(t *testing.T) {
	g := newGroup()
	old := g.acquire(t, "coordinator", "one")
	one, two := NewShared(SharedOptions{Store: g, Host: "one"}), NewShared(SharedOptions{Store: g, Host: "two"})
	if _, err := one.Append(t.Context(), audit.Entry{Detail: "while it holds it"}, old); err != nil {
		t.Fatal(err)
	}
	if r := g.store.Do(facts.Release{Token: old}); r.Reason != facts.ReasonNone {
		t.Fatal(r.Reason.Sentence())
	}
	var lost *LostError
	if _, err := one.Append(t.Context(), audit.Entry{Detail: "in between"}, old); !errors.As(err, &lost) || lost.Lease != "coordinator" {
		t.Errorf("nobody holds it: %v", err)
	}
	now := g.acquire(t, "coordinator", "two")
	if _, err := one.Append(t.Context(), audit.Entry{Detail: "too late"}, old); !errors.As(err, &lost) {
		t.Errorf("another one holds it: %v", err)
	}
	if _, err := two.Append(t.Context(), audit.Entry{Detail: "the next one's"}, now); err != nil {
		t.Error(err)
	}
	if _, err := one.Append(t.Context(), audit.Entry{Detail: "a login, under no lease"}); err != nil {
		t.Error(err)
	}
	if got, want := g.chain(t), []string{"while it holds it", "the next one's", "a login, under no lease"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestTheWindowIsBounded(t *testing.T) {
	g := newGroup()
	s := NewShared(SharedOptions{Store: g, Host: "one"})
	fill := func(n int, e audit.Entry) {
		t.Helper()
		for range n {
			if _, err := s.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	bound := func(about string, lines int) {
		t.Helper()
		size, n := 0, 0
		for after := ""; ; {
			a := g.store.Ask(facts.List{Prefix: linePrefix, After: after})
			for _, f := range a.Facts {
				size, n, after = size+len(f.Value), n+1, f.Key
			}
			if !a.More {
				break
			}
		}
		if n > WindowMax || size > windowBytes || n < lines {
			t.Errorf("%s: facts hold %d lines with %d bytes", about, n, size)
		}
	}
	fill(WindowMax+100, audit.Entry{Kind: audit.KindAsk, Detail: "short"})
	bound("short ones", WindowMax)
	// One that has every field as long as it may be, in the letters that take most.
	long := strings.Repeat(`"`, 1024)
	fill(130, audit.Entry{Kind: audit.Kind(long), Who: long, Name: long, Role: long, From: long, Session: long, Command: long, Why: long, Outcome: long, Detail: long, Receipt: long})
	bound("long ones", 30)
	other := NewShared(SharedOptions{Store: g, Host: "two"})
	if _, err := other.Append(t.Context(), audit.Entry{Detail: "from a host that has just begun"}); err != nil {
		t.Fatal(err)
	}
	fill(1, audit.Entry{Detail: "and from the first again"})
	bound("two hosts", 30)
	w, err := s.Since(t.Context(), 3)
	if err != nil || w.First <= 4 || len(w.Lines) == 0 {
		t.Fatalf("what is behind record 3: %d lines from %d, %v", len(w.Lines), w.First, err)
	}
	if r, _, err := audit.Decode(w.Lines[0]); err != nil || r.Seq != w.First {
		t.Errorf("the lines begin with record %d, not %d: %v", r.Seq, w.First, err)
	}
}

// A head that is not ours is nothing to build on.
func TestAHeadOfAnotherKind(t *testing.T) {
	for _, value := range []string{"", "{}", `{"seq":3,"hash":"00","first":1}`, `{"seq":3,"hash":"` + strings.Repeat("0", 64) + `","first":4}`} {
		g := newGroup()
		g.store.Do(facts.Txn{Ops: []facts.Op{{Key: HeadKey, Value: []byte(value)}}})
		s := NewShared(SharedOptions{Store: g, Host: "one"})
		if _, err := s.Append(t.Context(), audit.Entry{}); err == nil || !strings.Contains(err.Error(), HeadKey) {
			t.Errorf("%q: %v", value, err)
		}
		if _, err := s.Head(t.Context()); err == nil {
			t.Errorf("%q is a head", value)
		}
	}
}

func TestRecordingEndsWithItsContext(t *testing.T) {
	g := newGroup()
	ctx, cancel := context.WithCancel(t.Context())
	g.fate = func(facts.Command) fate { cancel(); return lost }
	s := NewShared(SharedOptions{Store: g, Host: "one"})
	if _, err := s.Append(ctx, audit.Entry{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	g.fate = func(facts.Command) fate { return lost }
	if _, err := s.Append(t.Context(), audit.Entry{}); !errors.Is(err, errCut) {
		t.Errorf("%v", err)
	}
	g.fate = nil
	if _, err := s.Append(t.Context(), audit.Entry{Detail: "after it"}); err != nil {
		t.Error(err)
	}
	if got := g.chain(t); !slices.Equal(got, []string{"after it"}) {
		t.Errorf("%q", got)
	}
}
