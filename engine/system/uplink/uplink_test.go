package uplink_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/system/uplink"
)

var drain = api.Drain{Target: id.To(id.KindBackend, "shop-1"), For: time.Minute}

func note(text string) []host.Note {
	return []host.Note{{At: 5, Event: api.Event{Subject: id.To(id.KindBackend, "shop-1"), Lane: api.LaneHealth, State: api.StateDown, Text: text}}}
}

// TestBothWays has all that travels travel once, over a real connection.
func TestBothWays(t *testing.T) {
	s := newStage(t)
	a := s.host("tokyo-1", 3, "")
	a.SetCopy(true, "", nil)
	k := s.keeper("osaka-1", uplink.LinesOptions{Epoch: 7, Ring: "e7"})
	k.emit("before anybody called")
	k.Spec(fleet.Keep{Rev: 4, Name: "shop.yaml", Text: "fleet: demo", Dir: "/etc", By: "kim", Why: "a test", At: time.Unix(5, 0).UTC()})
	k.SetHosts(map[string]string{"tokyo-1": a.address})
	until(t, "the line stands", func() bool { return len(k.Connected()) == 1 })

	k.ToHost(fleet.ToHost{Host: "tokyo-1", Event: host.SetSpec{Rev: 4, Cause: 9}})
	order := host.Order{Command: drain, Cause: 10, By: "kim", Receipt: "r1"}
	k.ToHost(fleet.ToHost{Host: "tokyo-1", Event: order})
	fault := fleet.FaultOrder{ID: "f1", Kind: api.FaultFreeze, Target: drain.Target, DeadMan: time.Minute, By: "kim"}
	k.Fault("tokyo-1", fault)
	k.Share("words", []byte("all"))
	k.emit("now")
	until(t, "the host has it all", func() bool {
		return a.has(func() bool {
			return len(a.specs) == 1 && a.specs[0].Text == "fleet: demo" && a.specs[0].Cause == 9 && a.specs[0].By == "kim" &&
				len(a.orders) == 1 && a.orders[0] == order && len(a.faults) == 1 && a.faults[0] == fault && a.shares["words"] == "all"
		})
	})
	until(t, "the host has the events", func() bool {
		ring, events := a.Copy()
		return ring == "e7" && len(events) == 2 && events[1].Text == "now"
	})

	a.Report(host.Status{Host: "liar", Life: 3, At: 100, Rev: 4}, true)
	a.Note(note("fails"))
	a.Done(fleet.FaultDone{ID: "f1"})
	a.Process(fleet.Process{Backend: "shop-1", PID: 12, Running: true})
	a.Links(member.Status{Self: member.Host{Name: "liar", Site: "tokyo"}, Sites: []member.SiteStatus{{Site: "osaka", State: member.StateCut}}})
	a.Replicas(replica.Status{Host: "liar", Segments: 2})
	until(t, "the keeper has it all", func() bool {
		return k.has(func() bool {
			return len(k.told) == 7 && k.reports["tokyo-1"].Status.Rev == 4 && k.reports["tokyo-1"].Changed
		})
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	kinds := map[string]int{}
	for _, ev := range k.told { // that the fault is in force may be told before or after what else is so
		kinds[fmt.Sprintf("%T", ev)]++
		ok := true
		switch ev := ev.(type) {
		case fleet.Noted:
			ok = ev.Host == "tokyo-1" && ev.Notes[0].Event.Text == "fails"
		case fleet.Adopt:
			ok = ev.Host == "tokyo-1" && ev.Order.ID == "f1" && ev.By == "kim"
		case fleet.FaultDone:
			ok = ev.ID == "f1"
		case fleet.Process:
			ok = ev.PID == 12
		case fleet.Agent:
			ok = ev.Host == "tokyo-1" && ev.Version == "1.2.3"
		case fleet.Members:
			ok = ev.Status.Self.Name == "tokyo-1" && ev.Status.Sites[0].State == member.StateCut
		case fleet.Groups:
			ok = ev.Host == "tokyo-1" && ev.Status.Host == "tokyo-1" && ev.Status.Segments == 2
		default:
		}
		if !ok {
			t.Errorf("%+v", ev)
		}
	}
	if len(kinds) != 7 {
		t.Errorf("told %v", kinds)
	}
}
