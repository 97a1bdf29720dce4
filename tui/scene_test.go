package tui

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/profiles"
	"github.com/holdfast-edge/holdfast/sim"
)

// moment is a moment of a simulated fleet, and the page that somebody looks at.
type moment struct {
	name  string
	page  string
	rough sim.Knobs // the zero value: nothing happens by itself
	play  func(*stage)
	has   []string // what the moment is about, so that a golden cannot lose it
}

// moments are what a person on call meets first.
var moments = []moment{
	{name: "calm", page: "overview", play: func(s *stage) { s.pass(30 * time.Second) }, has: []string{"all is as it should be"}},
	{name: "killed", page: "overview", play: func(s *stage) {
		s.pass(20 * time.Second)
		s.do(api.InjectFault{Kind: api.FaultKill, Target: s.backend(0), For: time.Minute})
		s.pass(6 * time.Second)
	}, has: []string{"DOWN", "shop-tokyo-1"}},
	{name: "drain", page: "backends", play: func(s *stage) {
		s.pass(20 * time.Second)
		s.do(api.Drain{Target: s.backend(1), For: 2 * time.Minute})
		s.pass(400 * time.Millisecond)
	}, has: []string{"drain"}},
	{name: "drill", page: "drills", play: func(s *stage) {
		s.pass(20 * time.Second)
		s.do(api.StartDrill{Name: "lose-backend"})
		s.pass(4 * time.Second)
	}, has: []string{"lose-backend"}},
	{name: "verdict", page: "drills", play: func(s *stage) {
		s.pass(20 * time.Second)
		s.do(api.StartDrill{Name: "lose-backend"})
		s.pass(40 * time.Second)
		s.rig.press("down")
	}, has: []string{"passed", "VERDICT"}},
	{name: "cut", page: "overview", rough: reportsLost(), play: func(s *stage) {
		s.pass(5 * time.Second)
		for range 1200 { // until the weather of this seed cuts one off for longer than its picture is good
			if s.pass(100 * time.Millisecond); s.stale() {
				s.pass(500 * time.Millisecond)
				return
			}
		}
		s.t.Fatal("no host was ever cut off")
	}, has: []string{"its last report is"}},
	{name: "frozen", page: "events", play: func(s *stage) {
		s.pass(20 * time.Second)
		s.do(api.InjectFault{Kind: api.FaultFreeze, Target: s.backend(0), For: 5 * time.Second})
		s.pass(12 * time.Second)
	}, has: []string{"shop-tokyo-1", "is ok"}},
}

// stage is a console on a simulation, moved by hand. Nothing in it knows what
// time it really is.
type stage struct {
	t      *testing.T
	client *sim.Client
	rig    *rig
	seen   api.Seq
}

// reportsLost are knobs by which hosts are heard of no more for a while, and
// nothing else happens.
func reportsLost() sim.Knobs {
	k := sim.Calm()
	k.Nature, k.Kinds = 3*time.Second, []string{"cut-reports"}
	return k
}

func newStage(t *testing.T, sc *moment, w, h int) *stage {
	t.Helper()
	text, err := profiles.Read("single-site")
	if err != nil {
		t.Fatal(err)
	}
	c, err := sim.NewClient(sim.Options{Name: "single-site", Spec: string(text), Seed: 1, Knobs: sc.rough})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := &stage{t: t, client: c}
	s.rig = newRig(t, w, h, nil, func(o *Options) { o.Client, o.Page = c, sc.page })
	s.see()
	return s
}

// pass lets virtual time go on, and the console see a picture each second.
func (s *stage) pass(d time.Duration) {
	s.t.Helper()
	for d > 0 {
		step := min(d, time.Second)
		d -= step
		s.client.Advance(step)
		if err := s.client.Err(); err != nil {
			s.t.Fatal(err)
		}
		s.see()
	}
}

// see hands the console what there is to see, at the picture's own time.
func (s *stage) see() {
	s.t.Helper()
	p := s.picture()
	events, err := s.client.Events(s.t.Context(), s.seen+1, api.EventRing)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range events {
		s.seen = max(s.seen, e.Seq)
	}
	s.rig.clock = p.At
	s.rig.see(p, events...)
}

func (s *stage) picture() *api.Status {
	s.t.Helper()
	p, err := s.client.Status(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// stale reports whether a host has not been heard of.
func (s *stage) stale() bool {
	for _, h := range s.picture().Hosts {
		if h.State != api.StateOK {
			return true
		}
	}
	return false
}

func (s *stage) backend(i int) id.Ref { return id.To(id.KindBackend, s.picture().Backends[i].Name) }

func (s *stage) do(c api.Command) {
	s.t.Helper()
	r, err := s.client.Do(s.t.Context(), api.Request{Command: c, By: api.Actor{Name: "mina"}})
	if err != nil || !r.OK {
		s.t.Fatalf("%T is refused: %+v, %v", c, r, err)
	}
}

// TestScenes: what the console shows of a simulated fleet at fixed moments, from
// the engine's own pictures. The same seed makes the same frame.
func TestScenes(t *testing.T) {
	for i := range moments {
		sc := &moments[i]
		for _, size := range [][2]int{{80, 24}, {120, 36}} {
			name := fmt.Sprintf("scene-%s-%dx%d", sc.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				var frames [2]string
				for k := range frames {
					s := newStage(t, sc, size[0], size[1])
					sc.play(s)
					frames[k] = s.rig.frame()
					if k == 0 {
						s.rig.has(sc.has...)
					}
				}
				if frames[0] != frames[1] {
					t.Fatalf("the same seed makes another frame:\n%s", difference(frames[0], frames[1]))
				}
				golden(t, name+".txt", frames[0])
			})
		}
	}
}
