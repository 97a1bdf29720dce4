package admission

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// ring is the keyring that was heard last. The lock is held.
func (r *Register) ring() Ring {
	var ring Ring
	if e, ok := r.known[keyKeyring]; ok {
		if err := json.Unmarshal(e.Value, &ring); err != nil {
			r.o.Log.Error("the keyring of the fleet cannot be read", "err", err.Error())
			return Ring{}
		}
	}
	return ring
}

// Keys is the keyring for who joins or renews: the facts' own, or the one that this
// host has.
func (r *Register) Keys() [][]byte {
	r.mu.Lock()
	keys := r.ring().Keys
	r.mu.Unlock()
	if len(keys) > 0 {
		return keys
	}
	return r.me().Credentials().Keys
}

// Save stores credentials of this host, with the newest keys. It is for
// identity.Holder's Keep.
func (r *Register) Save(c identity.Credentials) error {
	keys := r.Keys()
	r.saving.Lock()
	defer r.saving.Unlock()
	c.Keys = keys
	return r.files.SaveHost(c)
}

// takeKeys puts the facts' keyring to use on this host, and says so in the facts.
func (r *Register) takeKeys(ctx context.Context) {
	h := r.me()
	r.mu.Lock()
	ring, fresh := r.ring(), r.fresh
	said := r.known[prefixHas+h.Self().Host]
	r.mu.Unlock()
	if !fresh || len(ring.Keys) == 0 {
		return
	}
	keys, err := gossip.ParseKeyring(ring.Keys)
	if err != nil {
		r.o.Log.Error("the keyring of the fleet is not put to use", "err", err.Error())
		return
	}
	c := h.Credentials()
	if !slices.EqualFunc(c.Keys, ring.Keys, slices.Equal) {
		r.saving.Lock()
		c = h.Credentials()
		c.Keys = ring.Keys
		err := errors.Join(r.files.SaveHost(c), h.Replace(c))
		r.saving.Unlock()
		if err != nil {
			r.o.Log.Error("the new keys could not be stored on this host", "err", err.Error())
		}
		r.o.Log.Info("the keys that hosts share have changed", "keys", len(ring.Keys), "seals", keys.Keys()[0].Name())
	}
	if r.w.Keys != nil {
		r.w.Keys(keys)
	}
	var names, before []string
	for _, k := range keys.Keys() {
		names = append(names, k.Name())
	}
	_ = json.Unmarshal(said.Value, &before)
	if slices.Equal(names, before) {
		return
	}
	key := prefixHas + h.Self().Host
	if err := write(ctx, r.w.Facts, facts.Txn{If: []facts.Cond{{Key: key, Revision: said.Revision}}, Ops: []facts.Op{put(key, names)}}); err != nil && !errors.Is(err, errChanged) {
		r.o.Log.Debug("which keys this host has could not be said", "err", err.Error())
	}
}

// rotateEvery is how often the keys are looked at by who leads.
const rotateEvery = 5 * time.Second

// Lead changes the keys step by step, and forgets removals that nothing is left
// of, until ctx ends: it is for the host that coordinates, under its lease.
func (r *Register) Lead(ctx context.Context, under ...facts.Token) {
	tick := time.NewTicker(rotateEvery)
	defer tick.Stop()
	for {
		if err := r.lead(ctx, time.Now(), under); err != nil && ctx.Err() == nil && !errors.Is(err, errChanged) {
			r.o.Log.Warn("the keys that hosts share were not changed", "err", err.Error())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// removalMemory is longer than any certificate that a removal could be about can
// still be shown, and than a host may ask for its next.
const removalMemory = identity.DelegateLife + identity.RenewGrace + 30*24*time.Hour

// lead takes one look.
func (r *Register) lead(ctx context.Context, now time.Time, under []facts.Token) error {
	r.mu.Lock()
	ring, revision := r.ring(), r.known[keyKeyring].Revision
	has := map[string][]string{}
	var old []facts.Op
	var still []facts.Cond
	for _, key := range slices.Sorted(maps.Keys(r.known)) {
		e := r.known[key]
		if name, ok := strings.CutPrefix(key, prefixHost); ok {
			var names []string
			_ = json.Unmarshal(r.known[prefixHas+name].Value, &names)
			has[name] = names
		}
		var gone removal
		if strings.HasPrefix(key, prefixRemoved) && json.Unmarshal(e.Value, &gone) == nil && now.Sub(gone.At) > removalMemory && len(old) < facts.OpsMax {
			old = append(old, facts.Op{Key: key, Delete: true})
			still = append(still, facts.Cond{Key: key, Revision: e.Revision})
		}
	}
	fresh := r.fresh
	r.mu.Unlock()
	if !fresh {
		return nil
	}
	if len(old) > 0 {
		if err := write(ctx, r.w.Facts, facts.Txn{Under: under, If: still, Ops: old}); err != nil {
			return err
		}
	}
	next, ok := ring.Next(now, gossip.NewKey, has)
	if !ok || revision == 0 {
		return nil
	}
	return write(ctx, r.w.Facts, facts.Txn{Under: under, If: []facts.Cond{{Key: keyKeyring, Revision: revision}}, Ops: []facts.Op{put(keyKeyring, next)}})
}
