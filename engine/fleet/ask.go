package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/drill"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// ask answers a command: refused with its reasons, or recorded and carried out.
func (f *Fleet) ask(now instant.Instant, ev Ask, out *Effects) {
	req := ev.Request
	receipt := api.Receipt{ID: ev.ID}
	switch {
	case req.Command == nil:
		receipt.Refusals = []api.Refusal{{Reason: api.ReasonNothingToDo, Detail: "the request has no command"}}
	case f.spec == nil:
		receipt.Refusals = []api.Refusal{{Reason: api.ReasonBusy, Detail: "the fleet is starting"}}
	}
	if len(receipt.Refusals) > 0 {
		out.Answers = append(out.Answers, Answer{receipt})
		return
	}
	if f.picture == nil || f.dirty {
		f.redraw(now) // a command is checked against what is true now
	}
	receipt.Refusals = append(api.Check(req.Command, f.picture), ev.Refusal...)
	warnings := f.weigh(ev, &receipt)
	receipt.Refusals = append(receipt.Refusals, warnings...)
	need := api.Confirmation(req.Command, f.picture)
	if need == "" && slices.ContainsFunc(warnings, func(r api.Refusal) bool { return r.Warning }) {
		need = api.ConfirmWord(req.Command, f.picture)
	}
	confirmed := need == "" || req.Confirm == need
	receipt.Confirm = need
	if need != "" && !confirmed {
		receipt.Refusals = append(receipt.Refusals, api.Refusal{Reason: api.ReasonNotConfirmed, Detail: fmt.Sprintf("confirm with %q", need)})
	}
	receipt.Refusals = append(receipt.Refusals, f.admissible(req.Command)...)
	receipt.OK = !api.Stops(receipt.Refusals, need != "" && confirmed)
	if receipt.OK {
		receipt.Done = req.Command.Sentence()
	}
	if receipt.OK && !req.DryRun {
		receipt.Seq = f.record(now, ev, out)
		f.obey(now, ev, receipt, out)
		f.whole = true // the picture of the check knows nothing of what was just obeyed
		if admits(req.Command) {
			f.admit(now, ev, receipt, out)
			return // the answer comes with Admitted
		}
	}
	out.Answers = append(out.Answers, Answer{receipt})
}

// whyMax bounds what people may say with a command, in bytes: the event ring
// keeps it 4,096 times.
const whyMax = 500

func short(s string) string {
	if len(s) <= whyMax {
		return s
	}
	return strings.ToValidUTF8(s[:whyMax], "") + "…"
}

// record makes the event that says who asked for what, and why.
func (f *Fleet) record(now instant.Instant, ev Ask, out *Effects) api.Seq {
	req := ev.Request
	subject := id.To(id.KindFleet, f.spec.Name)
	if t := req.Command.Targets(); len(t) > 0 {
		subject = t[0]
	}
	by := short(req.By.Name)
	if by == "" {
		by = "somebody"
	}
	return f.emit(api.Event{
		At: f.options.Origin.Wall(now), Site: f.siteOf(subject), Subject: subject, Lane: api.LanePeople, State: api.StateOK,
		Text: by + " asks: " + short(req.Command.Sentence()), Reason: short(req.Why), By: by, Receipt: ev.ID,
	}, out).Seq
}

// obey routes an accepted command to those who carry it out.
func (f *Fleet) obey(now instant.Instant, ev Ask, receipt api.Receipt, out *Effects) {
	cause := receipt.Seq
	by := short(ev.Request.By.Name)
	switch c := ev.Request.Command.(type) {
	case api.SetWeights, api.Drain, api.Undrain, api.Force, api.Unforce:
		f.operator.take(c, by, f.options.Origin.Wall(now), cause, f.backendsOf)
		f.keepWords(out)
		for _, h := range f.hostNames() {
			f.hosts[h].ordered = now
			out.Hosts = append(out.Hosts, ToHost{h, host.Order{Command: c, Cause: cause, By: by, Receipt: ev.ID}})
		}
	case api.InjectFault:
		f.inject(now, c, by, ev.ID, cause, out)
	case api.ClearFault:
		f.clear(now, c.ID, cause, by, ev.ID, out)
	case api.StartDrill:
		f.startDrill(now, c.Name, by, ev.ID, cause, out)
	case api.AbortDrill:
		f.runBy, f.runReceipt = cause, ev.ID
		f.tellDrill(now, drill.Abort{By: by}, out)
	case api.Apply:
		f.respec(now, ev, api.Revision{Name: c.Name, Dir: c.Dir, How: api.HowApply, Text: c.Text}, receipt, out)
	case api.Rollback:
		old := f.revision(c.Rev)
		f.respec(now, ev, api.Revision{Name: old.Name, Dir: old.Dir, How: api.HowRollback, Of: c.Rev, Text: old.Text}, receipt, out)
	case api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys: // admit has them carried out
	}
}

func (f *Fleet) hostNames() []string {
	names := make([]string, 0, len(f.hosts))
	for n := range f.hosts {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// backendsOf are the backends that a target stands for.
func (f *Fleet) backendsOf(target id.Ref) []string {
	var names []string
	for i := range f.spec.Pools {
		for _, b := range f.spec.Pools[i].Backends {
			if target == id.To(id.KindBackend, b.Name) || target == id.To(id.KindHost, b.Host) {
				names = append(names, b.Name)
			}
		}
	}
	return names
}

func (f *Fleet) siteOf(ref id.Ref) string {
	if f.spec == nil {
		return ""
	}
	switch ref.Kind {
	case id.KindSite:
		return ref.Name
	case id.KindHost:
		if _, s := f.spec.Host(ref.Name); s != nil {
			return s.Name
		}
	case id.KindPool:
		if p := f.spec.Pool(ref.Name); p != nil {
			return p.Site
		}
	case id.KindBackend:
		if p := f.spec.Pool(f.pools[ref.Name]); p != nil {
			return p.Site
		}
	case id.KindListener:
		if l := f.spec.Listener(ref.Name); l != nil {
			return l.Site
		}
	case id.KindGroup:
		if site, ok := strings.CutPrefix(ref.Name, siteGroup); ok {
			return site
		}
	case id.KindFleet, id.KindClients, id.KindDrill, id.KindFault, id.KindLink:
	}
	return ""
}
