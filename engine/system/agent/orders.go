package agent

import (
	"context"
	"encoding/json"
	"time"

	"github.com/holdfast-edge/holdfast/engine/coordinator"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/report"
	"github.com/holdfast-edge/holdfast/engine/system/clerk"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// closeWait is how long the services may take to end after SIGKILL.
const closeWait = 5 * time.Second

// ordered takes a spec of the coordinator.
func (a *Agent) ordered(s report.SetSpec) {
	kept := statedir.Kept{Revision: s.Rev, Name: s.Name, Dir: s.Dir, By: s.By, Why: s.Why, At: s.At, Text: s.Text}
	if err := a.own.obey(a.ctx, kept, host.SetSpec{Cause: s.Cause}); err != nil {
		a.options.Log.Error("a spec of the coordinator", "err", err.Error())
	}
}

// obey takes an operator's word.
func (a *Agent) obey(o host.Order) { a.own.order(a.ctx, o) }

// fault takes something to break or mend.
func (a *Agent) fault(o fleet.FaultOrder) { a.own.keeper.Fault(o) }

// share takes what every host should have.
func (a *Agent) share(key string, value []byte) {
	if key != shareWords {
		return // of a newer version
	}
	var w fleet.Words
	if err := json.Unmarshal(value, &w); err != nil {
		a.options.Log.Error("what operators have set cannot be read", "err", err.Error())
		return
	}
	if err := a.state.KeepWords(w); err != nil {
		a.options.Log.Error("what operators have set could not be kept: a restart while this host is cut off would lose it", "err", err.Error())
	}
}

// called hears of a coordinator, and hung of the end of its line.
func (a *Agent) called(c report.Caller) {
	a.office.Tell(a.ctx, coordinator.Called{Host: c.Host, Epoch: c.Epoch})
}

func (a *Agent) hung(c report.Caller) {
	a.office.Tell(a.ctx, coordinator.Hung{Host: c.Host, Epoch: c.Epoch})
}

// membersChanged passes on who lives.
func (a *Agent) membersChanged([]member.Change) {
	s := *a.liveness.Status()
	a.pictures.tell(fleet.Members{Status: s})
	a.stand.look()
	a.uplink.Links(s)
}

// watchGroups passes on how this host's replicas stand.
func (a *Agent) watchGroups(ctx context.Context) {
	for ctx.Err() == nil {
		changed := a.quorum.Changed()
		s := a.quorum.Status()
		a.pictures.tell(fleet.Groups{Host: a.options.Host, Status: s})
		a.uplink.Replicas(s)
		pause(ctx, changed, time.Second)
	}
}

// add makes a clerk the one that keeps the picture here, until stop.
func (p *pictures) add(c *clerk.Clerk) (stop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = c.Later
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.now = nil
	}
}

func (p *pictures) tell(ev fleet.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now != nil {
		p.now(ev)
	}
}
