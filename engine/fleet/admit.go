package fleet

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

type (
	// Admission is who may come in, as the fleet's facts have it: at the start of a
	// fleet of agents, and whenever it changes.
	Admission struct{ Picture *api.Admission }
	// Admitted answers an AdmitOrder, with why it was not done.
	Admitted struct {
		ID       string
		Refusals []api.Refusal
	}
	// AdmitOrder asks the world to change who may come in. It is answered by
	// Admitted, once, and the command's receipt waits for that: whether a token or a
	// removal counts is for the facts to say.
	AdmitOrder struct {
		ID      string // of the receipt
		Command api.Command
		By      string
		At      time.Time
	}
)

func (Admission) event() {}
func (Admitted) event()  {}

// admitsMax bounds what waits for the facts: people ask, and they give up.
const admitsMax = 64

// admission is who may come in, and what is under way of it.
type admission struct {
	picture *api.Admission
	waiting map[string]admitting // by the receipt's ID
}

// admitting is an order that is not answered yet.
type admitting struct {
	receipt api.Receipt
	by      string
	command api.Command
}

// admits reports whether a command is about who may come in.
func admits(c api.Command) bool {
	switch c.(type) {
	case api.IssueToken, api.VoidToken, api.RemoveHost, api.RemovePerson, api.RotateKeys:
		return true
	case api.SetWeights, api.Drain, api.Undrain, api.Force, api.Unforce, api.InjectFault, api.ClearFault, api.StartDrill, api.AbortDrill, api.Apply, api.Rollback:
	}
	return false
}

// admit asks the world for what somebody asked for. The receipt is given later.
func (f *Fleet) admit(now instant.Instant, ev Ask, receipt api.Receipt, out *Effects) {
	if f.admission.waiting == nil {
		f.admission.waiting = map[string]admitting{}
	}
	by := short(ev.Request.By.Name)
	f.admission.waiting[ev.ID] = admitting{receipt, by, ev.Request.Command}
	out.Admit = append(out.Admit, AdmitOrder{ID: ev.ID, Command: ev.Request.Command, By: by, At: f.options.Origin.Wall(now)})
}

// admissible refuses what would wait behind too much.
func (f *Fleet) admissible(c api.Command) []api.Refusal {
	if admits(c) && len(f.admission.waiting) >= admitsMax {
		return []api.Refusal{{Reason: api.ReasonBusy, Detail: fmt.Sprintf("%d such commands wait for the fleet's facts", admitsMax)}}
	}
	return nil
}

// admitted gives the receipt that waited.
func (f *Fleet) admitted(now instant.Instant, ev Admitted, out *Effects) {
	w, ok := f.admission.waiting[ev.ID]
	if !ok {
		return
	}
	delete(f.admission.waiting, ev.ID)
	e := api.Event{
		At: f.options.Origin.Wall(now), Subject: id.To(id.KindFleet, f.spec.Name), Lane: api.LaneFleet, State: api.StateOK,
		Text: "done: " + short(w.command.Sentence()), Cause: w.receipt.Seq, By: w.by, Receipt: ev.ID,
	}
	if t := w.command.Targets(); len(t) > 0 && f.siteOf(t[0]) != "" {
		e.Subject, e.Site = t[0], f.siteOf(t[0])
	}
	if len(ev.Refusals) > 0 {
		w.receipt.OK, w.receipt.Done, w.receipt.Refusals = false, "", ev.Refusals
		e.State, e.Text, e.Reason = api.StateDegraded, "not done: "+short(w.command.Sentence()), short(ev.Refusals[0].String())
	}
	f.emit(e, out)
	out.Answers = append(out.Answers, Answer{w.receipt})
}
