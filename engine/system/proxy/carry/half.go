package carry

// Sizes of a copy. A read of 16 KiB takes most requests and answers whole. Once
// spliceAfter bytes came without a pause it is a long body, and the kernel moves
// its bytes without showing them: that costs two calls and a pipe for each
// piece, and pays only for large pieces. So spliceSmall pieces below a buffer's
// size in a row end it.
const (
	bufferSize  = 16 << 10
	spliceAfter = 4 * bufferSize
	spliceSmall = 3
)

// op is one thing to be done for a half.
type op int

const (
	opWait  op = iota // nothing, until a socket is ready
	opRead            // read into a buffer
	opWrite           // write what is held
	opFill            // splice into a pipe
	opDrain           // splice out of the pipe
	opShut            // say that no more will come
	opNone            // nothing ever again
)

// result is how an op went.
type result int

const (
	done    result = iota // n bytes; a fill of none found no pipe
	blocked               // the socket was not ready
	ended                 // the sender will send no more
	failed                // the socket broke
)

// half is one direction of a pair: what is known of its two sockets, and what is
// to be done next. It does nothing itself.
type half struct {
	readable bool // until a call says otherwise
	writable bool
	// more says that a short read need not be the last: an end, an error or an
	// urgent mark is behind it, and no edge will come for that.
	more bool

	held  int  // bytes that were read and are not written yet
	piped bool // they are in a pipe
	run   int  // bytes that came without a pause
	small int  // pieces that were too small for a splice, in a row

	ended bool // the sender has sent all
	cut   bool // the sender broke, which a write to it was told: no end of it counts
	over  bool
	bad   fault
}

// fault says which end of a half broke.
type fault int

const (
	sound fault = iota
	badSender
	badReceiver
)

// next says what is to be done.
func (h *half) next() op {
	switch {
	case h.over:
		return opNone
	case h.held > 0:
		switch {
		case !h.writable:
			return opWait
		case h.piped:
			return opDrain
		}
		return opWrite
	case h.ended:
		return opShut
	case !h.readable:
		return opWait
	case h.run >= spliceAfter:
		return opFill
	}
	return opRead
}

// did says how what next asked for went.
func (h *half) did(o op, n int, r result) {
	switch o {
	case opRead, opFill:
		h.took(o, n, r)
	case opWrite, opDrain:
		switch r {
		case blocked:
			h.writable = false
		case failed, ended:
			h.fail(badReceiver)
		case done:
			h.held -= n
			if o == opWrite && h.held > 0 {
				h.writable = false // the kernel took what fits, and will say when more does
			}
		}
	case opShut:
		h.over = true
	case opWait, opNone:
	}
}

// took is did for what comes from the sender.
func (h *half) took(o op, n int, r result) {
	switch r {
	case blocked:
		h.readable = false
		h.run = 0
	case ended:
		if h.ended = true; h.cut {
			h.fail(badSender)
		}
	case failed:
		h.fail(badSender)
	case done:
		h.held, h.piped = n, o == opFill
		switch {
		case n >= bufferSize:
			h.run, h.small = h.run+n, 0
		case o == opRead:
			h.run = 0
			h.readable = h.more
		default:
			if h.small++; n == 0 || h.small == spliceSmall {
				h.run, h.small = 0, 0
			}
		}
	}
}

// fail ends the half before its time.
func (h *half) fail(which fault) {
	if !h.over {
		h.over, h.bad = true, which
	}
}
