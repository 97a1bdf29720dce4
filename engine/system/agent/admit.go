package agent

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/admission"
	"github.com/holdfast-edge/holdfast/engine/system/clerk"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// joining is the protocol by which others join and renew; none without a register.
func (a *Agent) joining() []identity.Protocol {
	r := a.options.Admission
	if r == nil {
		return nil
	}
	r.Bind(admission.World{
		Facts: a.facts, Address: a.address,
		Spec: func() *spec.Fleet { _, f := a.own.now(); return f },
		Keys: func(k gossip.Keyring) {
			if err := a.liveness.SetKeys(k); err != nil {
				a.options.Log.Error("the new keys are not in use on this host", "err", err.Error())
			}
		},
		Changed: a.admissionChanged,
	})
	door := r.Door()
	return []identity.Protocol{{
		Name: identity.ProtocolJoin, Open: true,
		Serve: func(ctx context.Context, conn *tls.Conn, _ identity.Peer) { door.Serve(ctx, conn) },
	}}
}

// admit hears who may come in, and renews this host's own certificate, until ctx
// ends.
func (a *Agent) admit(ctx context.Context) {
	r := a.options.Admission
	if r == nil {
		return
	}
	a.all.Go(func() { r.Run(ctx) })
	a.all.Go(func() { a.holder.Keep(ctx, r.Source, r.Save, a.options.Log) })
}

// admissionChanged takes what the facts say of who may come in: connections of those
// who may not are cut, and an agent whose own host was removed ends.
func (a *Agent) admissionChanged() {
	r := a.options.Admission
	if err := r.Removed(); err != nil {
		a.end(fmt.Errorf("agent: %w", err))
		return
	}
	a.port.Recheck()
	a.pictures.tell(fleet.Admission{Picture: r.Picture()})
}

// admits is what a coordinator asks of the register; nil without one.
func (a *Agent) admits(epoch uint64) func(context.Context, fleet.AdmitOrder) []api.Refusal {
	r := a.options.Admission
	if r == nil || epoch == 0 {
		return nil
	}
	return func(ctx context.Context, o fleet.AdmitOrder) []api.Refusal {
		return r.Admit(ctx, o, facts.Token{Lease: leaseCoordinator, Epoch: epoch})
	}
}

// tellAdmission begins a picture with who may come in. A coordinator also changes
// the keys when they are due.
func (a *Agent) tellAdmission(ctx context.Context, c *clerk.Clerk, epoch uint64) {
	r := a.options.Admission
	if r == nil {
		return
	}
	c.Tell(ctx, fleet.Admission{Picture: r.Picture()})
	if epoch > 0 {
		a.all.Go(func() { r.Lead(ctx, facts.Token{Lease: leaseCoordinator, Epoch: epoch}) })
	}
}
