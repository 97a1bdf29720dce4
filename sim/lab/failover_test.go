//go:build lab

package lab_test

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/sim/lab"
)

// leads finds elections in logs: agents write theirs as JSON to their own disk.
var leads = regexp.MustCompile(`group"?[=:]"?([^" ]+)"?[ ,]"?reason"?[=:]"?leads"?[ ,]"?detail"?[=:]"term (\d+)"`)

// leader is the agent that was elected last, as the logs say.
func leader(t *testing.T, all []*lab.Agent, group replica.GroupID) *lab.Agent {
	t.Helper()
	var first *lab.Agent
	most := 0
	for _, a := range all {
		for _, m := range leads.FindAllStringSubmatch(a.Process().Log()+a.Log(), -1) {
			if term, err := strconv.Atoi(m[2]); err == nil && m[1] == string(group) && term > most {
				first, most = a, term
			}
		}
	}
	if first == nil {
		t.Fatalf("no log says that somebody leads %s", group)
	}
	return first
}

// failoverLoosely bounds the median on a machine that many tests share.
const failoverLoosely = time.Second

// failoverRounds is how often the leader is killed for a median.
const failoverRounds = 11

// failover kills the leader again and again under writes, and returns how long each
// time nobody's write was acknowledged, from the kill on, in order.
func failover(t *testing.T, all []*lab.Agent, group replica.GroupID, load *factsLoad) (took []time.Duration) {
	t.Helper()
	for range failoverRounds {
		a := leader(t, all, group)
		killed := monotonic()
		if err := a.Kill(); err != nil {
			t.Fatal(err)
		}
		var gap time.Duration
		eventually(t, "writes after a leader's death", func() error {
			at, ok := load.acknowledgedAfter(killed)
			if !ok {
				return errors.New("none yet")
			}
			gap = at - killed
			return nil
		})
		took = append(took, gap)
		if err := a.Start(); err != nil {
			t.Fatal(err)
		}
		// It is back when it votes: the next leader's death needs its voice.
		for _, s := range []string{"s1", "s2", "s3"} {
			before := load.acknowledged(s)
			eventually(t, "writes from "+s, func() error {
				if load.acknowledged(s) < before+5 {
					return errors.New("not yet")
				}
				return nil
			})
		}
	}
	slices.Sort(took)
	return took
}

// TestReplicasFailover: the leader of a group with a replica a site is killed; the
// median time to the next acknowledged write is printed, and held loosely.
func TestReplicasFailover(t *testing.T) {
	f := ground(t, 3, 1)
	own := authority(t, "lab")
	all := replicas(t, f, own)
	load := loadFacts(t, f, replicaGroup, 1, own)
	eventually(t, "writes", func() error {
		if load.acknowledged("s1") < 5 || load.acknowledged("s2") < 5 || load.acknowledged("s3") < 5 {
			return errors.New("none yet")
		}
		return nil
	})
	took := failover(t, all, replicaGroup, load)
	load.stop(t)
	t.Logf("leader killed -> next acknowledged write: median %v of %v", took[len(took)/2], took)
	if took[len(took)/2] > failoverLoosely {
		t.Errorf("the median failover took %v; the promise is 300 ms on a quiet machine", took[len(took)/2])
	}
}
