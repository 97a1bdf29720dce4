package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab/bench/load"
)

// result is what one round says of a contender.
type result struct {
	start    time.Duration // from nothing to the first acknowledged put
	p50, p99 time.Duration // of puts, one at a time
	rate     float64       // of manyClients
	memory   float64
	own      float64         // of it, what is no file's
	failover []time.Duration // from the kill of the leader to the first acknowledged put that was begun after it
	facts    int             // that were acknowledged, and are read at the end
	lost     int             // of them
	failed   int             // puts without a kill that were not acknowledged
}

const (
	// manyClients is how many put at once for the rate.
	manyClients = 64
	// steadyEvery is how often a put is begun while a leader dies: so fine is what is
	// measured.
	steadyEvery = 2 * time.Millisecond
	// killAfter is how long there is a load before the kill, and steadyFor how long
	// it goes on: several of etcd's elections.
	killAfter = 300 * time.Millisecond
	steadyFor = 6 * time.Second
)

func measure(c contender, s settings, dir, certs string) (r result, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return r, err
	}
	x, err := newCluster(c, dir, certs)
	if err != nil {
		return r, err
	}
	defer x.close()
	every := slices.Sorted(maps.Keys(hosts))
	first := x.order(load.Order{What: load.First, Hosts: every, Size: s.size})
	began := time.Now()
	if err := x.startAll(); err != nil {
		return r, err
	}
	rep, err := first()
	if err != nil {
		return r, err
	}
	r.start = time.Duration(rep.Acks[0][1] - began.UnixNano())
	lead, err := x.leader("")
	if err != nil {
		return r, err
	}
	do := func(o load.Order) load.Report {
		if err != nil {
			return load.Report{}
		}
		o.Size = s.size
		rep, err = x.order(o)()
		r.failed += rep.Failed
		return rep
	}
	do(load.Order{What: load.Busy, Hosts: []string{lead}, Clients: manyClients, For: s.length / 3}) // warms up
	one := do(load.Order{What: load.Busy, Clients: 1, For: s.length})
	many := do(load.Order{What: load.Busy, Clients: manyClients, For: s.length})
	if err != nil {
		return r, err
	}
	r.p50, r.p99, r.rate = one.P50, one.P99, many.Rate
	if r.memory, r.own, err = x.memory(); err != nil {
		return r, err
	}
	for range s.kills {
		took, err := x.failover(s, lead, every)
		if err != nil {
			return r, err
		}
		r.failover = append(r.failover, took)
		if lead, err = x.leader(lead); err != nil {
			return r, err
		}
	}
	rep = do(load.Order{What: load.Check, Hosts: every})
	r.facts, r.lost = rep.Facts, rep.Lost
	return r, err
}

// failover kills the leader under a load, measures, and starts it again.
func (x *cluster) failover(s settings, lead string, every []string) (time.Duration, error) {
	done := x.order(load.Order{What: load.Steady, Hosts: every, Every: steadyEvery, For: steadyFor, Size: s.size})
	time.Sleep(killAfter)
	at := time.Now().UnixNano()
	x.kill(lead)
	time.Sleep(steadyFor / 2)
	if err := x.start(lead); err != nil {
		return 0, err
	}
	rep, err := done()
	if err != nil {
		return 0, err
	}
	took, ok := recovered(rep.Acks, at)
	if !ok {
		return 0, fmt.Errorf("%s: of %d puts around the kill of %s none was acknowledged on one side of it: %s", x.c.name, rep.Puts+rep.Failed, lead, x.stderr.String())
	}
	return took, nil
}

// recovered is how long after a kill the first put was acknowledged that was begun
// after it. One that was begun before may have been acknowledged by the dead. It
// reports false when there was none, or none before the kill: then nothing was
// measured.
func recovered(acks [][2]int64, at int64) (time.Duration, bool) {
	before := false
	for _, ack := range acks {
		if ack[0] <= at {
			before = true
		} else if before {
			return time.Duration(ack[1] - at), true
		}
	}
	return 0, false
}
