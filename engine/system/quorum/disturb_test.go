package quorum_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/identity/identitytest"
	"github.com/holdfast-edge/holdfast/engine/system/loop"
	"github.com/holdfast-edge/holdfast/engine/system/quorum"
)

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

// framed is bytes behind their length.
func framed(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// Whoever calls and whatever they say: leader and term stay, and the facts too.
func TestNoiseDisturbsNothing(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3")
	names := []string{"tokyo-1", "tokyo-2", "tokyo-3"}
	r.host("tokyo-1").put("key", "value")
	leads := r.leader(names...)
	term := leads.Status().Groups[0].Term
	foreign := identitytest.New(t, "demo") // of the same name, by another authority
	removed := r.fleet.Host(t, "tokyo-8")
	r.fleet.Remove("host/tokyo-8")
	for name, c := range map[string]struct {
		who  *identity.Holder // nil: no TLS at all
		says []byte
	}{
		"bytes":                 {nil, noise(10_000)},
		"another fleet's host":  {foreign.Host(t, "tokyo-1"), append(quorum.Hello(quorum.LanePrompt, 1), framed(noise(100))...)},
		"a person":              {r.fleet.Person(t, "mika", api.RoleAdmin), append(quorum.Hello(quorum.LanePrompt, 1), framed(noise(100))...)},
		"a removed host":        {removed, append(quorum.Hello(quorum.LanePrompt, 1), framed(noise(100))...)},
		"a host's noise":        {r.fleet.Host(t, "tokyo-9"), noise(10_000)},
		"a host's prompt noise": {r.fleet.Host(t, "tokyo-9"), append(quorum.Hello(quorum.LanePrompt, 1), noise(10_000)...)},
		"a bulk of noise":       {r.fleet.Host(t, "tokyo-9"), append(quorum.Hello(quorum.LaneBulk, 1), framed(noise(10_000))...)},
		"a question of noise":   {r.fleet.Host(t, "tokyo-9"), append(quorum.Hello(quorum.LaneAsk, 1), framed(noise(10_000))...)},
		"a lane of the future":  {r.fleet.Host(t, "tokyo-9"), append(quorum.Hello(77, 1), noise(10_000)...)},
		"a length and no more":  {r.fleet.Host(t, "tokyo-9"), append(quorum.Hello(quorum.LanePrompt, 1), 3, 0xff, 0xff, 0xff)},
	} {
		for _, host := range names {
			address, _ := r.address("", host)
			var conn net.Conn
			var err error
			if c.who == nil {
				conn, err = net.Dial("tcp", address)
			} else {
				conn, err = identitytest.Dial(c.who, address, quorum.ProtocolName, nil)
			}
			if err != nil {
				continue // refused already
			}
			_ = conn.SetDeadline(time.Now().Add(wait))
			_, _ = conn.Write(c.says) // it may be closed already
			if tcp, ok := conn.(interface{ CloseWrite() error }); ok {
				_ = tcp.CloseWrite()
			}
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
		if now := r.leader(names...); now != leads || now.Status().Groups[0].Term != term {
			t.Errorf("after %s %s leads in term %d, and it was %s in term %d", name, now.name, now.Status().Groups[0].Term, leads.name, term)
		}
	}
	for _, name := range names {
		r.host(name).put("by/"+name, name)
		if got := r.host(name).get("key"); got != "value" {
			t.Errorf("%s gets %q", name, got)
		}
	}
	if strings.Contains(r.log.String(), "ERROR") {
		t.Error("something broke; see the log")
	}
}

// A host of the fleet that founds a group of the same name by itself, with the
// others' names in it, disturbs nothing.
func TestFalseFounder(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3", "tokyo-9")
	names := []string{"tokyo-1", "tokyo-2", "tokyo-3"}
	r.host("tokyo-1").put("key", "value")
	leads := r.leader(names...)
	term := leads.Status().Groups[0].Term
	liar := r.host("tokyo-9")
	if err := liar.Create(r.ctx(wait), group, []replica.Seat{{Host: "tokyo-9"}, {Host: "tokyo-1"}, {Host: "tokyo-2"}}); err != nil {
		t.Fatal(err)
	}
	// It stands for election again and again, and asks them for their votes.
	for range 3 {
		ctx, done := context.WithTimeout(context.Background(), 400*time.Millisecond)
		if _, err := liar.facts.Do(ctx, facts.Txn{Ops: []facts.Op{{Key: "key", Value: []byte("a lie")}}}); err == nil {
			t.Error("the liar carries out commands")
		}
		done()
	}
	if now := r.leader(names...); now != leads || now.Status().Groups[0].Term != term || liar.Status().Groups[0].Leads {
		t.Errorf("%s leads in term %d, and it was %s in term %d", now.name, now.Status().Groups[0].Term, leads.name, term)
	}
	r.host("tokyo-2").put("key", "another")
}

// TestHangingHostIsPassedOver: a host that was asked, and whose process hangs, costs one
// question, and not each one after it.
func TestHangingHostIsPassedOver(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3", "tokyo-4")
	away, asks := r.host("tokyo-3"), r.host("tokyo-4")
	away.kill()
	r.leader("tokyo-1", "tokyo-2")
	defer stalled(t, away)()
	for _, ask := range []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := asks.facts.Do(ctx, facts.Txn{Ops: []facts.Op{{Key: "key", Value: []byte("value")}}})
			return err
		},
		func(ctx context.Context) error {
			_, err := asks.facts.Ask(ctx, facts.Get{Key: "key"})
			return err
		},
	} {
		asks.Prefer(group, "tokyo-3")
		if err := ask(r.ctx(200 * time.Millisecond)); err == nil {
			t.Fatal("a host that hangs has answered")
		}
		began := time.Now()
		if err := ask(r.ctx(wait)); err != nil || time.Since(began) > wait/2 {
			t.Errorf("the next question: %v after %v", err, time.Since(began))
		}
	}
}

// stalled stands for a host whose process hangs, until the function that it returns is
// called.
func stalled(t *testing.T, h *host) func() {
	l := must(net.Listen("tcp", h.address))
	return identitytest.Serve(t, h.holder, slog.New(slog.DiscardHandler), l, identity.Protocol{
		Name: quorum.ProtocolName,
		Serve: func(ctx context.Context, conn *tls.Conn, _ identity.Peer) {
			b := make([]byte, len(quorum.Hello(0, 0)))
			if _, err := io.ReadFull(conn, b); err == nil {
				_, _ = conn.Write(b)
			}
			<-ctx.Done()
		},
	})
}

// A peer that takes connections and then neither reads nor answers, as a stopped
// process does, holds up nobody; when it is back it learns what it missed.
func TestStalledPeer(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3")
	r.leader("tokyo-1", "tokyo-2", "tokyo-3")
	away := r.host("tokyo-3")
	away.kill()
	stop := stalled(t, away)
	for i := range 16 {
		r.host("tokyo-1").put(fmt.Sprint("key", i%8), strings.Repeat("v", 128<<10))
		if i%8 == 0 {
			r.host("tokyo-2").put("small", fmt.Sprint(i))
		}
	}
	r.host("tokyo-2").put("last", "one")
	stop()
	r.start("tokyo-3")
	r.until("it knows everything", func() bool {
		a, ok := away.facts.Local(facts.Get{Key: "last"})
		return ok && len(a.Facts) == 1
	})
}

// A host that comes back without its disk is refilled by a snapshot, which goes on a
// lane of its own.
func TestHostWithoutItsDiskIsRefilled(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3")
	names := []string{"tokyo-1", "tokyo-2", "tokyo-3"}
	r.leader(names...)
	for i := range 4 {
		r.host("tokyo-1").put(fmt.Sprint("key", i), strings.Repeat("v", 100<<10))
	}
	away := r.host("tokyo-3")
	away.kill()
	if err := os.RemoveAll(away.dir); err != nil {
		t.Fatal(err)
	}
	r.start("tokyo-3")
	r.until("it knows everything again", func() bool {
		a, ok := away.facts.Local(facts.Get{Key: "key3"})
		return ok && len(a.Facts) == 1
	})
	r.until("it votes again, as another member", func() bool {
		for _, m := range r.leader(names...).Status().Groups[0].Members {
			if m.Host == "tokyo-3" && m.Role == replica.Voter && m.ID > 3 {
				return true
			}
		}
		return false
	})
	if !strings.Contains(r.log.String(), "lane=2") {
		t.Error("nothing went on the bulk lane")
	}
}

// A leader that is cut off refuses, the others go on, and healed all agree.
func TestPartition(t *testing.T) {
	r := newRig(t, 3, "tokyo-1", "tokyo-2", "tokyo-3")
	names := []string{"tokyo-1", "tokyo-2", "tokyo-3"}
	for round := range 3 {
		leads := r.leader(names...)
		leads.put("key", fmt.Sprint("before ", round))
		r.isolate(leads.name, true)
		var rest []string
		for _, name := range names {
			if name != leads.name {
				rest = append(rest, name)
			}
		}
		r.host(rest[0]).put("key", fmt.Sprint("during ", round))
		ctx, done := context.WithTimeout(context.Background(), time.Second)
		a, err := leads.facts.Ask(ctx, facts.Get{Key: "key"})
		if err == nil {
			t.Errorf("who is cut off answers %q", a.Facts[0].Value)
		}
		_, err = leads.facts.Do(ctx, facts.Txn{Ops: []facts.Op{{Key: "key", Value: []byte("alone")}}})
		if err == nil {
			t.Error("who is cut off carries out a command")
		}
		done()
		r.isolate(leads.name, false)
		if got := leads.get("key"); got != fmt.Sprint("during ", round) {
			t.Errorf("healed, it reads %q", got)
		}
	}
}

// While a host's disk is full the others go on without it; with room it takes part
// again by itself.
func TestFullDisk(t *testing.T) {
	r := newRig(t, 0, "tokyo-1", "tokyo-2", "tokyo-3")
	names := []string{"tokyo-1", "tokyo-2", "tokyo-3"}
	var full atomic.Bool
	h := r.host("tokyo-1")
	h.kill()
	h.disk = func(w replica.Write, carry func(replica.Write) replica.Event) replica.Event {
		if full.Load() {
			return replica.WriteFailed{Op: w.Op, Err: "no space left on device", Retry: true}
		}
		return carry(w)
	}
	r.start("tokyo-1")
	r.found(names...)
	r.leader(names...)
	if err := r.leader(names...).Transfer(r.ctx(wait), group, "tokyo-1"); err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	r.host("tokyo-2").put("key", "while full")
	// Asked here, somebody else answers.
	if got := h.get("key"); got != "while full" {
		t.Errorf("got %q", got)
	}
	h.put("key", "by way of others")
	r.until("it says so", func() bool { return h.Status().Mute == replica.ReasonJournalFull })
	full.Store(false)
	r.until("it takes part again", func() bool {
		a, ok := h.facts.Local(facts.Get{Key: "key"})
		return h.Status().Mute == "" && ok && len(a.Facts) == 1 && string(a.Facts[0].Value) == "by way of others"
	})
}

// A host alone needs no identity and no address.
func TestAlone(t *testing.T) {
	q, err := quorum.Open(quorum.Options{Host: "tokyo-1", Dir: filepath.Join(t.TempDir(), "journal"), Clock: loop.NewClock(), Log: slog.New(slog.DiscardHandler), SegmentSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx) }()
	if err := q.Create(ctx, group, []replica.Seat{{Host: "tokyo-1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Facts(group).Do(ctx, facts.Txn{Ops: []facts.Op{{Key: "key", Value: []byte("value")}}}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := q.Facts(group).Do(t.Context(), facts.Txn{}); err == nil {
		t.Error("after its end it carries out commands")
	}
}
