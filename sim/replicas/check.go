package replicas

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// checks are the promises, each looked at whenever it could be broken.
type checks struct {
	w       *World
	history []*operation
	leaders map[string]string // host by group and term
	states  map[string]uint64 // hash of the machine by group and index
	guard   map[string]uint64 // the highest epoch seen in the guarded key, by host and life
	hurt    map[string]bool   // hosts whose memory was taken
	spans   []span            // of holding the lease
	leases  int
	tangled bool
	refills int
	calmed  instant.Instant
}

func newChecks(w *World) *checks {
	return &checks{w: w, leaders: map[string]string{}, states: map[string]uint64{}, guard: map[string]uint64{}, hurt: map[string]bool{}}
}

// noted looks at what a host says for people.
func (c *checks) noted(h *host, n replica.Note) {
	// The other notes break no promise.
	//exhaustive:ignore
	switch n.Reason {
	case replica.ReasonLeads:
		key := fmt.Sprintf("%s, %s", n.Group, n.Text)
		if other, led := c.leaders[key]; led && other != h.name {
			c.w.fail("leaders", "%s and %s both lead %s", other, h.name, key)
		}
		c.leaders[key] = h.name
	case replica.ReasonHalted:
		c.w.fail("halted", "%s: %s: %s", h.name, n.Group, n.Text)
	case replica.ReasonRefused:
		c.w.fail("refused", "%s: %s: %s", h.name, n.Group, n.Text)
	case replica.ReasonLost:
		if !c.hurt[h.name] {
			c.w.fail("memory", "%s lost its memory of %s by itself: %s", h.name, n.Group, n.Text)
		}
	case replica.ReasonJournalRotten:
		if !c.hurt[h.name] {
			c.w.fail("memory", "%s finds rot where there is none: %s", h.name, n.Text)
		}
	case replica.ReasonRefill:
		c.refills++
	}
}

// stepped compares the machines of one index: they must be equal, byte for byte.
func (c *checks) stepped(h *host) {
	if len(h.out.Applied) == 0 {
		return
	}
	for _, g := range h.groups.Status().Groups {
		if !slices.Contains(h.out.Applied, g.Group) || g.Witness || g.Reason != "" {
			continue
		}
		m := h.groups.Machine(g.Group)
		if m == nil {
			continue
		}
		sum := fnv.New64a()
		_, _ = sum.Write(m.Snapshot())
		key := fmt.Sprintf("%s, entry %d", g.Group, g.Applied)
		if want, known := c.states[key]; known && want != sum.Sum64() {
			c.w.fail("equal", "%s differs from the others at %s", h.name, key)
		}
		c.states[key] = sum.Sum64()
		if g.Group == groupFleet {
			c.guarded(h, m)
		}
	}
}

// guarded looks at the key that only holders write: an earlier holder never
// writes over a later one.
func (c *checks) guarded(h *host, m replica.Machine) {
	a, err := facts.DecodeAnswer(m.Query(facts.EncodeQuery(facts.Get{Key: guardKey})))
	if err != nil || len(a.Facts) == 0 {
		return
	}
	q, err := facts.DecodeQuery(a.Facts[0].Value)
	if err != nil {
		c.w.fail("guard", "%v", err)
		return
	}
	key := fmt.Sprintf("%s/%d/%d", h.name, h.life, h.memberOf(groupFleet))
	epoch := q.(facts.Since).Revision
	if epoch < c.guard[key] {
		c.w.fail("guard", "on %s epoch %d writes over epoch %d", h.name, epoch, c.guard[key])
	}
	c.guard[key] = epoch
}

func (h *host) memberOf(g replica.GroupID) uint64 {
	for _, x := range h.groups.Status().Groups {
		if x.Group == g {
			return x.Member
		}
	}
	return 0
}

// look looks at all hosts.
func (c *checks) look() {
	for _, x := range c.w.holders {
		if !x.holds() {
			continue
		}
		for _, y := range c.w.holders {
			if x != y && y.holds() && x.h.name < y.h.name {
				c.w.fail("lease", "%s (epoch %d) and %s (epoch %d) hold the lease", x.h.name, x.epoch, y.h.name, y.epoch)
			}
		}
	}
	for _, h := range c.w.hosts {
		if !h.up || !c.hurt[h.name] {
			continue
		}
		if c.whole(h) {
			delete(c.hurt, h.name)
		}
	}
}

// whole reports whether whoever leads counts on a host in every group again.
func (c *checks) whole(h *host) bool {
	for _, g := range []replica.GroupID{groupFleet, groupSite} {
		ok, member := false, false
		for _, o := range c.w.hosts {
			if !o.up {
				continue
			}
			for _, st := range o.groups.Status().Groups {
				if st.Group != g || !st.Leads {
					continue
				}
				ok = settled(st)
				for _, m := range st.Members {
					member = member || m.Host == h.name
				}
			}
		}
		if !ok {
			return false
		}
		if !member {
			continue
		}
		own := slices.ContainsFunc(h.groups.Status().Groups, func(st replica.GroupStatus) bool { return st.Group == g && st.Reason == "" && st.Applied > 0 })
		if !own {
			return false
		}
	}
	return true
}

// settled reports whether a leader sees everybody where they are to be.
func settled(st replica.GroupStatus) bool {
	if st.Joint {
		return false
	}
	for _, m := range st.Members {
		if m.Role != m.Goal || !m.Whole || m.Match+8 < st.Last {
			return false
		}
	}
	return true
}

// unsettled says what has not come right yet.
func (c *checks) unsettled() string {
	for _, g := range []replica.GroupID{groupFleet, groupSite} {
		leader := ""
		for _, h := range c.w.hosts {
			if !h.up {
				return h.name + " is down"
			}
			st := h.groups.Status()
			if st.Mute != "" {
				return fmt.Sprintf("%s is mute: %s", h.name, st.Mute)
			}
			if st.Segments > c.w.knobs.SegmentsKept+3 {
				return fmt.Sprintf("the journal of %s has %d segments", h.name, st.Segments)
			}
			for _, x := range st.Groups {
				if x.Group != g {
					continue
				}
				if x.Reason != "" {
					return fmt.Sprintf("%s is out of %s: %s", h.name, g, x.Reason)
				}
				if x.Leads {
					leader = h.name
					if !settled(x) {
						return fmt.Sprintf("the members of %s are %+v; the last entry is %d", g, x.Members, x.Last)
					}
				}
			}
		}
		if leader == "" {
			return fmt.Sprintf("nobody leads %s", g)
		}
	}
	for _, h := range c.w.hosts {
		if c.hurt[h.name] {
			return h.name + " is not whole"
		}
	}
	return ""
}

func (c *checks) died(h *host) {
	for _, x := range c.w.holders {
		if x.h == h {
			c.dropped(x)
		}
	}
}

// span is a time in which a host might act under the lease.
type span struct {
	holder      string
	epoch       uint64
	from, until instant.Instant // true time
}

// holds notes that a holder believes to hold the lease from now on.
func (c *checks) holds(x *holder) {
	until := x.h.trueAt(x.until)
	if until <= c.w.now {
		return
	}
	for i := range c.spans {
		if s := &c.spans[i]; s.holder == x.h.name && s.epoch == x.epoch && s.until >= c.w.now {
			s.until = max(s.until, until)
			c.overlap(*s)
			return
		}
	}
	s := span{x.h.name, x.epoch, c.w.now, until}
	c.leases++
	c.overlap(s)
	c.spans = append(c.spans, s)
}

// dropped notes that it stops.
func (c *checks) dropped(x *holder) {
	for i := range c.spans {
		if s := &c.spans[i]; s.holder == x.h.name && s.until > c.w.now {
			s.until = c.w.now
		}
	}
}

// overlap looks for anybody else who believes the same at the same time. What
// another did not give back by now counts until its end.
func (c *checks) overlap(s span) {
	for _, o := range c.spans {
		if o.epoch != s.epoch && o.from < s.until && s.from < o.until && o.until > c.w.now {
			c.w.fail("lease", "%s holds epoch %d until %.4fs, and %s epoch %d from %.4fs", o.holder, o.epoch, float64(o.until)/1e9, s.holder, s.epoch, float64(s.from)/1e9)
		}
	}
}

// end looks at what can only be looked at whole.
func (c *checks) end() {
	var operations []porcupine.Operation
	for i, o := range c.history {
		returned := int64(o.returned)
		operations = append(operations, porcupine.Operation{ClientId: i, Input: o, Output: o, Call: int64(o.called), Return: returned})
	}
	switch porcupine.CheckOperationsTimeout(model, operations, 5*time.Second) {
	case porcupine.Illegal:
		c.w.fail("linearizable", "no order explains what clients saw: %s", c.worst(operations))
	case porcupine.Ok:
	case porcupine.Unknown:
		c.tangled = true // too many answers are unknown; nothing is proved
	}
	final := map[string][]byte{}
	for _, h := range c.w.hosts {
		for _, st := range h.groups.Status().Groups {
			m := h.groups.Machine(st.Group)
			if m == nil || st.Witness {
				continue
			}
			key := fmt.Sprintf("%s %d", st.Group, st.Applied)
			if want, known := final[key]; known && !bytes.Equal(want, m.Snapshot()) {
				c.w.fail("equal", "%s ends with other facts than the others in %s", h.name, st.Group)
			}
			final[key] = m.Snapshot()
		}
	}
}

// worst names a key whose history is impossible.
func (c *checks) worst(all []porcupine.Operation) string {
	for _, part := range model.Partition(all) {
		if !porcupine.CheckOperations(model, part) {
			var b bytes.Buffer
			for _, x := range part {
				fmt.Fprintf(&b, "\n  %s", x.Input.(*operation))
			}
			return b.String()
		}
	}
	return ""
}

func (c *checks) record(o *operation) { c.history = append(c.history, o) }
