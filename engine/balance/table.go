package balance

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/maglev"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Table is what the data path of one host reads. It is immutable: the world
// swaps one pointer. Listeners and Pools are sorted by name, Backends by pool and
// then by name.
type Table struct {
	Generation uint64
	Listeners  []Listener
	Pools      []Pool
	// Backends of all pools. The data path keeps its counters per name, so they
	// outlive a table.
	Backends []Backend
}

// Listener is a listener with its pools looked up.
type Listener struct {
	Spec *spec.Listener // immutable
	// Bind is the address:port this host binds.
	Bind string
	Pool int // index into Table.Pools; -1 without one
	// SNI routes, in the spec's order: the pool's index for each.
	SNI []int
}

// Backend is a backend as the data path needs it.
type Backend struct {
	Spec    *spec.Backend // immutable
	Address string        // address:port
	Pool    int           // index into Table.Pools
	Up      bool          // by its health in force, whatever its weight or an ejection says
	// Usable: up, weight over 0, not draining, not ejected; or the pool panics.
	Usable bool
	// Stays: flows that persistence ties to it may still go there: it is up and
	// not ejected, also with weight 0 and while it drains, until it is drained.
	Stays  bool
	Weight int // in force, slow start included; 0 to 100 (times WeightScale)
	// Backup backends are picked when nobody else of the pool is usable.
	Backup bool

	turns  int  // the weight as the pool's scheduler sees it
	member bool // of its pool's Members
}

// WeightScale is the unit of Backend.Weight: slow start needs steps finer than
// one hundredth.
const WeightScale = 16

// WeightMax is the largest weight of a backend.
const WeightMax = 100

// Pool is a pool with everything that a pick needs computed ahead.
type Pool struct {
	Spec *spec.Pool // immutable
	// First and Count delimit the pool's backends in Table.Backends.
	First, Count int
	// Members are the indexes of the backends that new flows may go to: the
	// usable ones, or the backups when there are none.
	Members []int
	Panic   bool

	order  []int32       // rr, wrr, p2c: members in smoothly interleaved turns
	hashed *maglev.Table // sch, qch, iqch: hash to place in the pool, from First
	late   bool          // hashed is of earlier members or weights; see hashEvery
}

// Loads is what the data path knows of the backends at this moment, by index
// into Table.Backends.
type Loads interface {
	// Active is the number of open flows.
	Active(backend int) int64
	// Latency is the moving average (EWMA) of the time to first byte; 0 unknown.
	Latency(backend int) time.Duration
}

// Query is one new flow.
type Query struct {
	// Key is a hash of what the pool's scheduler hashes: HashSource of the client
	// address for sch, HashQUIC of the datagram for qch and iqch. Others ignore it.
	Key uint64
	// Turn counts the pool's picks; the data path adds one per pick. rr and wrr
	// read it.
	Turn uint64
	// Random is any random number. p2c reads it.
	Random uint64
	// Stick is the index of the backend that persistence asks for, -1 none. It
	// is honoured while that backend is up, also while it drains.
	Stick int
	// Tried are backends not to be picked again: retries.
	Tried []int
}

// None means that no backend can take the flow.
const None = -1
