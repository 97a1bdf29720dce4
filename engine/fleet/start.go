package fleet

import (
	"fmt"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// start takes a spec that nobody asked for: the first one, with what goes on from
// the fleet before, or another that the world was given.
func (f *Fleet) start(now instant.Instant, ev SetSpec, out *Effects) {
	first := f.spec == nil
	if first {
		f.started, f.tick = now, now.Add(tickEvery)
	}
	rev, known := f.beginRevisions(ev)
	f.rev = rev - 1
	lost := f.setSpec(now, ev.Fleet, ev.Text, 0, out)
	f.enlist(now, ev, known, out)
	e := api.Event{
		At: f.options.Origin.Wall(now), Subject: id.To(id.KindFleet, f.spec.Name), Lane: api.LaneFleet, State: api.StateOK,
		Text: fmt.Sprintf("revision %d is in force", f.rev), Reason: ev.From,
	}
	if first {
		has := fmt.Sprintf("%s, %s, %s", count(len(f.spec.Sites), "site"), count(len(f.hosts), "host"), count(len(f.spec.Listeners), "listener"))
		switch {
		case f.options.Observer:
			e.State, e.Text, e.Reason = api.StateDegraded, f.options.Host+" is alone: it shows what it sees", f.options.Why
		case f.options.Host != "":
			e.Text, e.Reason = fmt.Sprintf("%s coordinates from here on, epoch %d: revision %d, %s", f.options.Host, f.options.Epoch, f.rev, has), f.options.Why
		default:
			e.Text = "started: " + has
		}
	}
	e = f.emit(e, out)
	f.began = e.Seq
	f.drop(now, lost, e.Seq, "", out)
	if first {
		f.goOn(now, ev.Words, e.Seq, out)
		f.resume(now, ev.Reports, e.Seq, out)
	}
}

// resume takes the reports of the drills of the fleet before this one. One that was
// under way ended with it: who had measured is not there any more, and hosts give
// back its fault when they are asked to, or by themselves when its time is over.
func (f *Fleet) resume(now instant.Instant, all []api.Drill, cause api.Seq, out *Effects) {
	for _, d := range all {
		f.runs[d.Name] = max(f.runs[d.Name], d.Run)
		if d.Phase.Live() && !f.options.Observer {
			d.Phase, d.Ended, d.Reason = api.DrillAborted, f.options.Origin.Wall(now), "who coordinated it ended in the middle of the run"
			d.Log = append(slices.Clone(d.Log), api.DrillNote{Text: d.Reason})
			f.emit(api.Event{
				At: d.Ended, Subject: id.To(id.KindDrill, d.Name), Lane: api.LaneDrill, State: api.StateDegraded,
				Text: fmt.Sprintf("run %d %s", d.Run, d.Phase), Reason: d.Reason, Cause: cause,
			}, out)
			out.Reports = append(out.Reports, d)
		}
		if d.Phase.Live() {
			d.Phase, d.Reason = api.DrillIdle, "it was under way when this host lost sight of it; how it ended is not known here"
		}
		f.past[d.Name] = d
	}
	f.dirty = true
}

// keepReports has the reports kept of drills whose phase changed.
func (f *Fleet) keepReports(now instant.Instant, out *Effects) {
	for _, r := range f.drills {
		name := r.Name()
		if n := f.runs[name]; n == 0 || f.kept[name] == (run{n, r.Phase()}) || r.Phase() == api.DrillIdle {
			continue
		}
		f.kept[name] = run{f.runs[name], r.Phase()}
		out.Reports = append(out.Reports, r.Report(now, f.options.Origin))
	}
}

// run is how far a run of a drill is.
type run struct {
	number int
	phase  api.DrillPhase
}

// drawDrill is the report of a drill: of its newest run, whoever coordinated it.
func (f *Fleet) drawDrill(now instant.Instant, r *drill.Runner) api.Drill {
	d := r.Report(now, f.options.Origin)
	if before, ok := f.past[d.Name]; ok && d.Run == 0 && before.Fault == d.Fault && before.Clients == d.Clients {
		before.Why = d.Why
		return before
	}
	return d
}
