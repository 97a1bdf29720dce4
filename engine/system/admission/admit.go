package admission

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// admitWait is how long a command may take in the facts.
const admitWait = 8 * time.Second

// Admit carries out an order of the fleet, and says why it did not. Under are the
// leases that who orders must hold.
func (r *Register) Admit(ctx context.Context, o fleet.AdmitOrder, under ...facts.Token) []api.Refusal {
	ctx, cancel := context.WithTimeout(ctx, admitWait)
	defer cancel()
	err := change(ctx, func() error {
		switch c := o.Command.(type) {
		case api.IssueToken:
			return r.issue(ctx, o.At, o.By, c, under)
		case api.VoidToken:
			return r.void(ctx, o.At, c.ID, under)
		case api.RemoveHost:
			return r.removeHost(ctx, o.At, o.By, c.Host, under)
		case api.RemovePerson:
			return r.removePerson(ctx, o.At, o.By, c.Person, under)
		case api.RotateKeys:
			return r.askRotation(ctx, under)
		case api.SetWeights, api.Drain, api.Undrain, api.Force, api.Unforce, api.InjectFault, api.ClearFault, api.StartDrill, api.AbortDrill, api.Apply, api.Rollback:
		}
		return identity.Refuse(api.ReasonWrongKind, "%s is not about who may come in", o.Command.Verb())
	})
	if err == nil {
		return nil
	}
	var no *identity.Refused
	if errors.As(err, &no) {
		return []api.Refusal{{Reason: no.Reason, Detail: no.Detail}}
	}
	r.o.Log.Error("a command about who may come in failed", "verb", o.Command.Verb(), "err", err.Error())
	return []api.Refusal{{Reason: api.ReasonBusy, Detail: err.Error()}}
}

// removeHost shuts a host out. It knows the keys that hosts share, so they are
// changed next.
func (r *Register) removeHost(ctx context.Context, now time.Time, by, name string, under []facts.Token) error {
	key, gone := prefixHost+name, prefixRemoved+string(id.KindHost)+"/"+name
	was, err := get[host](ctx, r.w.Facts, key)
	if err != nil {
		return err
	}
	if was.revision == 0 {
		return identity.Refuse(api.ReasonNothingToDo, "host/%s has not joined", name)
	}
	ring, err := get[Ring](ctx, r.w.Facts, keyKeyring)
	if err != nil {
		return err
	}
	txn := facts.Txn{Under: under, If: []facts.Cond{was.is(key)}, Ops: []facts.Op{
		{Key: key, Delete: true},
		{Key: prefixSigns + name, Delete: true},
		{Key: prefixHas + name, Delete: true},
		put(gone, removal{upTo(now, was.value.Since), by}),
	}}
	if ring.revision != 0 {
		ring.value.Asked = true
		txn.If = append(txn.If, ring.is(keyKeyring))
		txn.Ops = append(txn.Ops, put(keyKeyring, ring.value))
	}
	return write(ctx, r.w.Facts, txn)
}

// removePerson shuts a person out.
func (r *Register) removePerson(ctx context.Context, now time.Time, by, name string, under []facts.Token) error {
	key := prefixPerson + name
	was, err := get[person](ctx, r.w.Facts, key)
	if err != nil {
		return err
	}
	if was.revision == 0 {
		return identity.Refuse(api.ReasonNoSuchTarget, "no person %.80q has a certificate", name)
	}
	return write(ctx, r.w.Facts, facts.Txn{Under: under, If: []facts.Cond{was.is(key)}, Ops: []facts.Op{
		{Key: key, Delete: true}, put(prefixRemoved+"person/"+name, removal{upTo(now, was.value.Since), by}),
	}})
}

// upTo is now, or the moment of joining that a clock which is ahead has put later:
// a removal never comes before what it removes.
func upTo(now, joined time.Time) time.Time {
	if now.Before(joined) {
		return joined
	}
	return now
}

// askRotation has the keys changed at the next look.
func (r *Register) askRotation(ctx context.Context, under []facts.Token) error {
	ring, err := get[Ring](ctx, r.w.Facts, keyKeyring)
	if err != nil {
		return err
	}
	if ring.revision == 0 || ring.value.Asked || ring.value.Step != StepSteady {
		return identity.Refuse(api.ReasonNothingToDo, "the keys are being changed already")
	}
	ring.value.Asked = true
	return write(ctx, r.w.Facts, facts.Txn{Under: under, If: []facts.Cond{ring.is(keyKeyring)}, Ops: []facts.Op{put(keyKeyring, ring.value)}})
}
