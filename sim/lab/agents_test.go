//go:build lab

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
	"github.com/holdfast-edge/holdfast/sim/lab"
)

// TestAgents: what a fleet of three sites of three real agents does, one after the
// other, as each of them leaves it whole.
func TestAgents(t *testing.T) {
	r := fleet(t, 3, 3)
	for _, row := range []struct {
		name string
		do   func(*running)
	}{
		{"a dead host is known", (*running).deadHosts},
		{"a console moves to another agent", (*running).consoleMoves},
		{"commands in the minority", (*running).minority},
		{"strangers", (*running).strangers},
		{"failover", (*running).failover},
	} {
		t.Run(row.name, func(t *testing.T) {
			sub := *r
			sub.T = t
			row.do(&sub)
			sub.whole(row.name, wholeFor)
		})
		if t.Failed() {
			return
		}
	}
}

// Loose bounds of what is promised within one and two seconds: many tests share a
// machine. The times are printed.
const knownWithin = 10 * time.Second

// deadHosts: a host that falls silent from one moment to the next is shown as such by
// the agents of its own site and of others.
func (r *running) deadHosts() {
	for _, victim := range []*lab.Host{r.Sites[1].Hosts[1], r.Sites[2].Hosts[2], r.acting()} {
		near, far := r.beside(victim), r.others(victim.Site())[0].Hosts[2]
		heal, err := r.Break(lab.Cut(victim, lab.Everywhere))
		r.must(err)
		r.must(r.agents[victim].Kill())
		began := time.Now()
		known := map[*lab.Host]time.Duration{}
		ctx, cancel := context.WithTimeout(r.Context(), knownWithin)
		why := ""
		_ = lab.Until(ctx, func() error {
			for _, h := range []*lab.Host{near, far} {
				if _, ok := known[h]; ok {
					continue
				}
				if s, err := r.status(h); err == nil {
					if v, ok := s.Host(victim.Name); ok && v.State == api.StateDown {
						known[h], why = time.Since(began), v.Reason
					}
				}
			}
			if len(known) < 2 {
				return errors.New("not known yet")
			}
			return nil
		})
		cancel()
		r.Logf("%s died: down at %s of its site after %v, at %s after %v (%s)", victim,
			near, known[near].Round(time.Millisecond), far, known[far].Round(time.Millisecond), why)
		if len(known) < 2 {
			r.Errorf("of %s's death only %d of two agents knew after %v", victim, len(known), knownWithin)
		}
		r.must(heal())
		r.must(r.agents[victim].Start())
		r.whole("the return of "+victim.Name, wholeFor)
	}
}

// beside is another host of a host's site.
func (r *running) beside(h *lab.Host) *lab.Host {
	for _, o := range h.Site().Hosts {
		if o != h {
			return o
		}
	}
	r.Fatalf("%s has no neighbour", h)
	return nil
}

// consoleMoves: who watches through several agents goes on when theirs is killed.
func (r *running) consoleMoves() {
	var all []*remote.Client
	for _, s := range r.Sites {
		c, err := remote.Dial(statedir.Socket(r.agents[s.Hosts[1]].State))
		r.must(err)
		all = append(all, c)
	}
	several, err := remote.NewSeveral(all...)
	r.must(err)
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	updates, err := several.Watch(ctx, 0)
	r.must(err)
	through := (<-updates).Status.Through
	var killed *lab.Host
	for _, h := range r.All() {
		if h.Name == through {
			killed = h
		}
	}
	if killed == nil {
		r.Fatalf("the picture comes through %q", through)
	}
	r.must(r.agents[killed].Kill())
	began := time.Now()
	moved := func() bool {
		for {
			u, ok := <-updates
			if !ok { // the watch broke: a face watches again
				if updates, err = several.Watch(ctx, 0); err != nil {
					return false
				}
				continue
			}
			if u.Status.Through != through {
				r.Logf("the console's agent %s was killed: a picture through %s after %v", through, u.Status.Through, time.Since(began).Round(time.Millisecond))
				return true
			}
		}
	}()
	if !moved {
		r.Errorf("no picture through another agent came: %v", err)
	}
	cancel()
	several.Close()
	r.must(r.agents[killed].Start())
}

// minority: commands are refused with a reason on the side of a partition that cannot
// carry them out, and done on the other.
func (r *running) minority() {
	s := r.acting().Site()
	most := r.others(s)[0]
	heal, err := r.Break(lab.Cut(s, r.others(s)[0]), lab.Cut(s, r.others(s)[1]))
	r.must(err)
	backend := id.To(id.KindBackend, most.Name+"-web-1")
	ask := func(h *lab.Host, cmd api.Command) (api.Receipt, error) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		return r.client(h).Do(ctx, api.Request{Command: cmd, By: api.Actor{Name: "lab"}, Why: "test"})
	}
	began := time.Now()
	eventually(r.T, "the majority takes commands", func() error {
		got, err := ask(most.Hosts[1], api.Drain{Target: backend})
		if err == nil && !got.OK {
			err = fmt.Errorf("%+v", got.Refusals)
		}
		return err
	})
	r.Logf("the majority takes commands %v after the cut", time.Since(began).Round(10*time.Millisecond))
	for _, h := range s.Hosts[:2] {
		got, err := ask(h, api.Undrain{Target: backend})
		switch {
		case err != nil:
			r.Logf("%s, cut off: %v", h, err)
		case got.OK:
			r.Errorf("%s is cut off from most and said %q", h, got.Done)
		default:
			r.Logf("%s, cut off: %+v", h, got.Refusals)
		}
	}
	r.must(heal())
	eventually(r.T, "the drain is seen everywhere", func() error {
		for _, h := range r.All() {
			st, err := r.status(h)
			if err != nil {
				return err
			}
			if b, ok := st.Backend(backend.Name); !ok || !b.Asked.Drain {
				return errors.New("not at " + h.Name)
			}
		}
		return nil
	})
	got, err := ask(s.Hosts[0], api.Undrain{Target: backend})
	if err != nil || !got.OK {
		r.Errorf("healed, and a command is refused: %v, %+v", err, got)
	}
}

// failover: the host that leads the fleet's group is killed again and again.
func (r *running) failover() {
	load := loadFacts(r.T, r.Fleet, "fleet", 1, r.own)
	var all []*lab.Agent
	for _, h := range r.All() {
		all = append(all, r.agents[h])
	}
	took := failover(r.T, all, "fleet", load)
	load.stop(r.T)
	r.Logf("the fleet's leader killed -> next acknowledged write: median %v of %v", took[len(took)/2], took)
	if took[len(took)/2] > failoverLoosely {
		r.Errorf("the median failover took %v; the promise is 300 ms on a quiet machine", took[len(took)/2])
	}
}
