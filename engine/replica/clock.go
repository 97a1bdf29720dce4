package replica

import (
	"fmt"
	"time"

	"go.etcd.io/raft/v3"

	"github.com/holdfast-edge/holdfast/engine/instant"
)

// clock is a group's time. The library counts ticks and draws its own time-outs
// from a source that no seed reaches; so it only ever hears ticks that cannot
// make it stand for election (TickQuiesced), which its check-quorum leases need,
// and this clock says when to stand, with jitter from the world's seed. A leader's
// ticks draw nothing, and are the library's own.
type clock struct {
	role       raft.StateType
	term, vote uint64
	lead       uint64

	jitter     time.Duration   // of the next campaign
	campaignAt instant.Instant // of a member that does not lead
	quietFrom  instant.Instant // up to where its ticks are counted
	beatAt     instant.Instant // of a leader
	leaderAt   instant.Instant // when a leader was heard last

	early int // campaigns of a new group's first member that wait for nobody
}

// earlyMax is how often the first member of a new group stands before it waits as
// others do: at once, after a heartbeat, and each time twice as long. Nobody leads yet
// whom it could disturb, and the others may still be about to begin.
const earlyMax = 5

// found makes this member the one that stands first in a new group.
func (c *clock) found(g *group) {
	c.early = earlyMax
	c.soon(g)
}

func (c *clock) reset(g *group) {
	c.jitter = time.Duration(g.host.config.Rand.Int64N(int64(g.timing.Election)))
	c.quietFrom = g.host.now
	c.campaignAt = g.host.now.Add(g.timing.Election + c.jitter)
	if c.early > 0 {
		c.campaignAt = g.host.now.Add(g.timing.Heartbeat << (earlyMax - c.early))
	}
}

// observe looks at what raft became, and begins to wait anew when that is
// another role, term, vote or leader. It reports whether anything changed.
func (c *clock) observe(g *group) bool {
	is := g.raft.BasicStatus()
	if is.RaftState == c.role && is.GetTerm() == c.term && is.GetVote() == c.vote && is.Lead == c.lead {
		return false
	}
	g.host.moved(g.id)
	led := c.role == raft.StateLeader
	c.role, c.term, c.vote, c.lead = is.RaftState, is.GetTerm(), is.GetVote(), is.Lead
	c.reset(g)
	switch {
	case c.role == raft.StateLeader && !led:
		c.beatAt = c.nextBeat(g)
		g.elected()
	case led && c.role != raft.StateLeader:
		c.leaderAt = g.host.now
		g.deposed()
	}
	g.checkTransfer()
	if c.lead != raft.None {
		c.early = 0
		g.hurry()
	}
	return true
}

// soon makes the next campaign one that waits for nobody.
func (c *clock) soon(g *group) {
	c.campaignAt = g.host.now.Add(time.Duration(g.host.config.Rand.Int64N(int64(g.timing.Heartbeat))))
}

// contact is word from the leader.
func (c *clock) contact(g *group) {
	c.leaderAt = g.host.now
	c.quietFrom = g.host.now
	c.campaignAt = g.host.now.Add(g.timing.Election + c.jitter)
}

// count lets raft know how long it has been quiet: it refuses to vote against a
// leader that it heard within Election.
func (c *clock) count(g *group) {
	if c.role == raft.StateLeader {
		return
	}
	for range g.timing.ticks() {
		next := c.quietFrom.Add(g.timing.Heartbeat)
		if next > g.host.now {
			return
		}
		c.quietFrom = next
		g.raft.TickQuiesced()
	}
	c.quietFrom = g.host.now // more than enough
}

// nextBeat is the next whole multiple of the heartbeat: groups that a host leads
// beat together, so that a hundred of them cost one frame to each host.
func (c *clock) nextBeat(g *group) instant.Instant {
	every := instant.Instant(g.timing.Heartbeat)
	return (g.host.now/every + 1) * every
}

func (c *clock) due(g *group) instant.Instant {
	switch {
	case c.role == raft.StateLeader:
		return c.beatAt
	case g.witness || !g.isVoter(g.member):
		return instant.Never // it never leads
	}
	return c.campaignAt
}

// wake beats or stands for election, when it is time.
func (c *clock) wake(g *group) {
	if !c.due(g).Reached(g.host.now) {
		return
	}
	if c.role == raft.StateLeader {
		// After a pause, one beat: a leader that slept is no busier than one that
		// did not.
		c.beatAt = c.nextBeat(g)
		g.raft.Tick()
		g.retrySnapshots()
		return
	}
	c.count(g)
	c.reset(g)
	c.early = max(c.early-1, 0)
	_ = g.raft.Campaign() // it says no when it cannot, and there is a next time
}

// silent takes what the library logs: pure floors do not log, and what it panics
// with is caught by guard.
type silent struct{}

func (silent) Debug(...any)            {}
func (silent) Debugf(string, ...any)   {}
func (silent) Error(...any)            {}
func (silent) Errorf(string, ...any)   {}
func (silent) Info(...any)             {}
func (silent) Infof(string, ...any)    {}
func (silent) Warning(...any)          {}
func (silent) Warningf(string, ...any) {}
func (silent) Fatal(v ...any)          { panic(fmt.Sprint(v...)) }
func (silent) Fatalf(f string, v ...any) {
	panic(fmt.Sprintf(f, v...))
}
func (silent) Panic(v ...any)            { panic(fmt.Sprint(v...)) }
func (silent) Panicf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
