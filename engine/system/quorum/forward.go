package quorum

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

var errBroken = errors.New("quorum: the connection broke")

// Forwarding.
const (
	// roundPause to roundPauseMax is between two rounds over all hosts that could have
	// a replica: a group without a leader has one soon, or not for long.
	roundPause    = 50 * time.Millisecond
	roundPauseMax = 500 * time.Millisecond
	// tryFor is how long one host is tried with a question that another may answer.
	tryFor = 3 * time.Second
)

// lacks reports whether an answer says that this host cannot serve the group at all,
// so another should.
func lacks(why replica.Reason) bool {
	// The others are about the request or the group.
	//exhaustive:ignore
	switch why {
	case replica.ReasonNoGroup, replica.ReasonWitness, replica.ReasonLost, replica.ReasonRemoved, replica.ReasonHalted,
		replica.ReasonJournalFull, replica.ReasonJournalSlow, replica.ReasonJournalFailed:
		return true
	}
	return false
}

// targets are the hosts that may have a replica, the one most likely to answer
// first.
func (q *Quorum) targets(group replica.GroupID) []string {
	var all []string
	add := func(host string) {
		if host != "" && host != q.o.Host && !slices.Contains(all, host) {
			all = append(all, host)
		}
	}
	add(q.callers.best(group))
	for _, g := range q.machine.status().Groups {
		if g.Group != group {
			continue
		}
		add(g.Leader)
		for _, m := range g.Members {
			if !m.Witness {
				add(m.Host)
			}
		}
	}
	for _, host := range q.o.Seats(group) {
		add(host)
	}
	return q.callers.last(all)
}

// forward asks other hosts, one after another, until one answers or ctx ends. What
// changes something is sent to one only, unless it is certain that another did
// nothing.
func (q *Quorum) forward(ctx context.Context, group replica.GroupID, kind byte, body []byte) replica.Answer {
	last := replica.Answer{Reason: replica.ReasonNoGroup}
	for pause := roundPause; ; pause = min(2*pause, roundPauseMax) {
		hosts := q.targets(group)
		for i := 0; i < len(hosts); i++ {
			x := q.callers.to(hosts[i])
			if x == nil {
				return replica.Answer{Reason: replica.ReasonNoLeader, Detail: errEnded.Error()}
			}
			within := min(left(ctx), patienceMax)
			if kind == askRead {
				within = min(within, tryFor)
			}
			one, done := context.WithTimeout(ctx, within+within/8)
			a, sent, err := x.ask(one, request{kind: kind, group: group, within: within, body: body})
			done()
			if err != nil {
				q.callers.bad(hosts[i])
			}
			switch {
			case err != nil && sent && kind == askDo:
				return replica.Answer{Reason: replica.ReasonUnknown, Detail: fmt.Sprintf("asked %s: %v", hosts[i], err)}
			case err != nil:
				last = replica.Answer{Reason: replica.ReasonNoLeader, Detail: fmt.Sprintf("asked %s: %v", hosts[i], err)}
			case lacks(a.Reason) || a.Reason == replica.ReasonBusy || kind == askRead && a.Reason == replica.ReasonNoQuorum:
				last = a
				if a.Leader != "" && a.Leader != q.o.Host && !slices.Contains(hosts, a.Leader) {
					hosts = append(hosts, a.Leader)
				}
			default:
				q.callers.good(group, hosts[i])
				return a
			}
			if ctx.Err() != nil {
				return last
			}
		}
		q.callers.good(group, "")
		if !sleep(ctx, jitter(pause)) {
			return last
		}
	}
}
