package local_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

func backend(t *testing.T, s *api.Status, name string) *api.Backend {
	t.Helper()
	b, ok := s.Backend(name)
	if !ok {
		t.Fatalf("there is no backend %s", name)
	}
	return b
}

func (r *running) do(c api.Command) api.Receipt {
	r.Helper()
	s, err := r.fleet.Client().Status(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	receipt, err := r.fleet.Client().Do(r.Context(), api.Request{Command: c, By: api.Actor{Name: "test"}, Confirm: api.Confirmation(c, s)})
	if err != nil || !receipt.OK {
		r.Fatalf("%s: %+v, %v", c.Sentence(), receipt, err)
	}
	return receipt
}

func (r *running) see(what string, is func(*api.Status) bool) *api.Status {
	r.Helper()
	return see(r.T, r.fleet.Client(), what, is)
}

func outOf(name string) func(*api.Status) bool {
	return func(s *api.Status) bool {
		b, ok := s.Backend(name)
		return ok && b.Phase == api.PhaseOut && b.Health.Measured == api.Down
	}
}

// TestFreshStartIsQuiet holds that a fleet comes up without anything that looks
// like trouble: no host finds a backend down that was never up.
func TestFreshStartIsQuiet(t *testing.T) {
	r := start(t, small)
	s := r.see("all green", green)
	events, err := r.fleet.Client().Events(t.Context(), 0, api.EventRing)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.State != api.StateOK || e.Lane == api.LaneHealth || e.Lane == api.LanePool {
			t.Errorf("event %d: %s %s (%s)", e.Seq, e.Subject, e.Text, e.Reason)
		}
	}
	for i := range s.Backends {
		if strings.Contains(s.Backends[i].Strip, "X") {
			t.Errorf("%s was probed before it served: %s", s.Backends[i].Name, s.Backends[i].Strip)
		}
	}
}

// TestKillAndStopFromOutsideAreNoticed breaks a backend behind the fleet's back.
func TestKillAndStopFromOutsideAreNoticed(t *testing.T) {
	r := start(t, strings.ReplaceAll(small, "timeout: 2s", "timeout: 300ms"))
	s := r.see("all green", green)
	killed := backend(t, s, "web-1").PID
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// It is started again by itself, so what is sure to be seen is the new one.
	r.see("another process serves", func(s *api.Status) bool {
		b := backend(t, s, "web-1")
		return b.PID != 0 && b.PID != killed && b.State == api.StateOK
	})
	events, _ := r.fleet.Client().Events(t.Context(), 0, api.EventRing)
	if !slices.ContainsFunc(events, func(e api.Event) bool {
		return e.Subject == id.To(id.KindBackend, "web-1") && e.Text == "its process ended" && strings.Contains(e.Reason, "killed")
	}) {
		t.Errorf("no event says that the process was killed: %+v", events)
	}
	stopped := backend(t, s, "web-2").PID
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	r.see("the stopped backend is out", outOf("web-2"))
	if err := syscall.Kill(stopped, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	r.see("all green again", green)
}

// TestFaultsByCommand injects each kind of fault, sees it at work, and clears it.
func TestFaultsByCommand(t *testing.T) {
	r := start(t, strings.ReplaceAll(small, "timeout: 2s", "timeout: 300ms"))
	target := id.To(id.KindBackend, "web-1")
	for _, fault := range []api.InjectFault{
		{Kind: api.FaultKill, Target: target},
		{Kind: api.FaultFreeze, Target: target},
		{Kind: api.FaultSlow, Target: target, Delay: 5 * time.Second},
	} {
		before := r.see("all green", green)
		r.do(fault)
		s := r.see("the backend is out", outOf("web-1"))
		if len(s.Faults) != 1 || s.Faults[0].State != api.StateDegraded {
			t.Errorf("%s: the faults are %+v", fault.Kind, s.Faults)
		}
		if p := backend(t, s, "web-1").PID; (p == 0) != (fault.Kind == api.FaultKill) {
			t.Errorf("%s: its process is %d", fault.Kind, p)
		}
		r.do(api.ClearFault{ID: s.Faults[0].ID})
		s = r.see("all green without a fault", func(s *api.Status) bool { return len(s.Faults) == 0 && green(s) })
		if same := backend(t, s, "web-1").PID == backend(t, before, "web-1").PID; same == (fault.Kind == api.FaultKill) {
			t.Errorf("%s: the same process: %t", fault.Kind, same)
		}
	}
	before := backend(t, r.see("all green", green), "web-1").PID
	r.do(api.InjectFault{Kind: api.FaultRestart, Target: target})
	r.see("another process serves", func(s *api.Status) bool {
		b := backend(t, s, "web-1")
		return b.PID != 0 && b.PID != before && green(s) && len(s.Faults) == 0
	})
}

// TestFaultEndsByItsTime holds --for, and that a fault that is in force holds on
// a process that was started again.
func TestFaultEndsByItsTime(t *testing.T) {
	r := start(t, strings.ReplaceAll(small, "timeout: 2s", "timeout: 300ms"))
	r.see("all green", green)
	r.do(api.InjectFault{Kind: api.FaultFreeze, Target: id.To(id.KindBackend, "web-1"), For: 3 * time.Second})
	s := r.see("the backend is out", outOf("web-1"))
	frozen := backend(t, s, "web-1").PID
	if err := syscall.Kill(frozen, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s = r.see("another process", func(s *api.Status) bool {
		p := backend(t, s, "web-1").PID
		return p != 0 && p != frozen
	})
	if len(s.Faults) == 1 {
		again := backend(t, s, "web-1").PID
		eventually(t, "the new process is frozen too", func() bool { return stopped(again) || over(t, r) })
	}
	r.see("all green by itself", func(s *api.Status) bool { return len(s.Faults) == 0 && green(s) })
}

func over(t *testing.T, r *running) bool {
	s, err := r.fleet.Client().Status(t.Context())
	return err == nil && len(s.Faults) == 0
}
