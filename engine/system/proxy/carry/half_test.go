package carry

import (
	"testing"

	"pgregory.net/rapid"
)

// TestNextOfAHalf: what is asked for in each state, and what an answer changes.
func TestNextOfAHalf(t *testing.T) {
	ready := half{readable: true, writable: true}
	with := func(set func(*half)) half {
		h := ready
		set(&h)
		return h
	}
	for _, row := range []struct {
		name string
		half half
		op   op
		n    int
		r    result
		next op
	}{
		{"a piece is written", ready, opRead, 100, done, opWrite},
		{"nothing came", ready, opRead, 0, blocked, opWait},
		{"the sender ended", ready, opRead, 0, ended, opShut},
		{"the sender broke", ready, opRead, 0, failed, opNone},
		{"the sender ended, but had broken", with(func(h *half) { h.cut = true }), opRead, 0, ended, opNone},
		{"a long body is spliced", with(func(h *half) { h.run = spliceAfter }), opFill, 100, done, opDrain},
		{"no pipe: a buffer will do", with(func(h *half) { h.run = spliceAfter }), opFill, 0, done, opRead},
		{"the receiver took some", with(func(h *half) { h.held = 10 }), opWrite, 4, done, opWait},
		{"the pipe's receiver may take more", with(func(h *half) { h.held, h.piped = 10, true }), opDrain, 4, done, opDrain},
		{"the receiver took nothing", with(func(h *half) { h.held = 10 }), opWrite, 0, blocked, opWait},
		{"the receiver took all", with(func(h *half) { h.held = 10 }), opWrite, 10, done, opRead},
		{"the receiver broke", with(func(h *half) { h.held = 10 }), opWrite, 0, failed, opNone},
		{"the end was said", with(func(h *half) { h.ended = true }), opShut, 0, done, opNone},
		{"what is held goes before the end", with(func(h *half) { h.ended, h.held = true, 1 }), opWrite, 1, done, opShut},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := row.half
			if got := h.next(); got != row.op {
				t.Fatalf("asks for op %d, want %d", got, row.op)
			}
			if h.did(row.op, row.n, row.r); h.next() != row.next {
				t.Errorf("then asks for op %d, want %d: %+v", h.next(), row.next, h)
			}
		})
	}
}

// kernel is what a half sees of two sockets, with the edges that are on their
// way to it.
type kernel struct {
	half half

	sent    int // by the sender, in all
	queued  int // of it, not read yet
	mark    int // bytes before an urgent mark, at which a read stops; 0 none
	fin     bool
	reset   bool
	pipe    int // what a pipe takes now
	room    int // the receiver's
	nospace bool
	got     int // by the receiver
	shut    bool

	edgeIn, edgeMore, edgeOut bool
}

const kernelPipe = 8 * bufferSize

func (k *kernel) arrives(n int) { k.sent, k.queued, k.edgeIn = k.sent+n, k.queued+n, true }

func (k *kernel) drains(n int) {
	k.room += n
	k.edgeOut = k.edgeOut || k.nospace
	k.nospace = false
}

// edges are told, some time later.
func (k *kernel) edges() {
	k.half.readable = k.half.readable || k.edgeIn || k.edgeMore
	k.half.more = k.half.more || k.edgeMore
	k.half.writable = k.half.writable || k.edgeOut
	k.edgeIn, k.edgeMore, k.edgeOut = false, false, false
}

// step does one op; false when there is nothing to do.
func (k *kernel) step() bool {
	o := k.half.next()
	switch o {
	case opWait, opNone:
		return false
	case opRead, opFill:
		n := min(k.queued, bufferSize)
		if o == opFill {
			n = min(k.queued, k.pipe)
		}
		if k.mark > 0 {
			n = min(n, k.mark)
			k.mark -= n
		}
		k.queued -= n
		switch {
		case n > 0:
			k.half.did(o, n, done)
		case o == opFill && k.pipe == 0:
			k.half.did(o, 0, done)
		case k.reset:
			k.half.did(o, 0, failed)
		case k.fin:
			k.half.did(o, 0, ended)
		default:
			k.half.did(o, 0, blocked)
		}
	case opWrite, opDrain:
		n := min(k.half.held, k.room)
		k.room -= n
		k.got += n
		k.nospace = k.nospace || n < k.half.held
		if n == 0 {
			k.half.did(o, 0, blocked)
		} else {
			k.half.did(o, n, done)
		}
	case opShut:
		k.shut = true
		k.half.did(o, 0, done)
	}
	return true
}

// TestNoEdgeIsLost: whatever comes in whatever order between any two calls, all
// that was sent arrives, the end behind it, and the half never waits while there
// is something that it could do.
func TestNoEdgeIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := &kernel{half: half{readable: true, writable: true}, pipe: kernelPipe, room: 3 * bufferSize}
		size := rapid.OneOf(rapid.IntRange(1, 300), rapid.IntRange(bufferSize-1, bufferSize+1), rapid.IntRange(1, 10*bufferSize))
		t.Repeat(map[string]func(*rapid.T){
			"step":  func(*rapid.T) { k.step() },
			"edges": func(*rapid.T) { k.edges() },
			"arrives": func(t *rapid.T) {
				if k.fin || k.reset {
					t.Skip("it has ended")
				}
				k.arrives(size.Draw(t, "bytes"))
			},
			"urgent": func(t *rapid.T) {
				if k.fin || k.reset || k.queued == 0 {
					t.Skip("nothing to mark")
				}
				k.mark, k.edgeMore = rapid.IntRange(1, k.queued).Draw(t, "before"), true
			},
			"drains":  func(t *rapid.T) { k.drains(size.Draw(t, "room")) },
			"no pipe": func(*rapid.T) { k.pipe = 0 },
			"a pipe":  func(*rapid.T) { k.pipe = kernelPipe },
			"fin":     func(*rapid.T) { k.fin, k.edgeMore = true, true },
			"reset": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
					t.Skip("not now")
				}
				k.reset, k.edgeMore = true, true
			},
			"": func(t *rapid.T) {
				if most := max(bufferSize, kernelPipe); k.half.held > most {
					t.Fatalf("%d bytes are held", k.half.held)
				}
				if !k.half.over && k.got+k.half.held+k.queued != k.sent {
					t.Fatalf("of %d bytes %d arrived, %d are held, %d wait", k.sent, k.got, k.half.held, k.queued)
				}
				if k.shut && (k.queued > 0 || k.half.held > 0 || !k.fin) {
					t.Fatal("the end was said too early")
				}
			},
		})
		// Now the sender ends, and the receiver takes all that comes.
		k.fin, k.edgeMore = true, true
		for range 10_000 {
			k.edges()
			if !k.step() && !k.edgeIn && !k.edgeMore && !k.edgeOut {
				if k.half.over {
					break
				}
				k.drains(bufferSize)
			}
		}
		switch {
		case !k.half.over:
			t.Fatalf("it waits for ever: %+v", k)
		case k.reset && !k.shut:
			if k.half.bad != badSender || k.got != k.sent {
				t.Fatalf("before the reset came %d bytes and %d arrived: %+v", k.sent, k.got, k.half)
			}
		case k.got != k.sent || !k.shut || k.half.bad != sound:
			t.Fatalf("of %d bytes %d arrived, the end was said: %v, %+v", k.sent, k.got, k.shut, k.half)
		}
	})
}

// TestAHalfGoesBackToBuffers: small pieces end a splice, and a long body
// begins one.
func TestAHalfGoesBackToBuffers(t *testing.T) {
	h := half{readable: true, writable: true}
	pass := func(n int) op {
		o := h.next()
		h.did(o, n, done)
		h.did(h.next(), n, done)
		h.readable = true // the next piece has come
		return o
	}
	for range spliceAfter / bufferSize {
		if o := pass(bufferSize); o != opRead {
			t.Fatalf("it begins with op %d", o)
		}
	}
	for range 3 {
		if o := pass(10 * bufferSize); o != opFill {
			t.Fatalf("a long body is moved by op %d", o)
		}
		pass(100)
		pass(100)
	}
	if o := pass(10 * bufferSize); o != opFill {
		t.Fatalf("two small pieces ended the splice: op %d", o)
	}
	for range spliceSmall {
		pass(100)
	}
	if o := pass(100); o != opRead {
		t.Errorf("after %d small pieces op %d", spliceSmall, o)
	}
}
