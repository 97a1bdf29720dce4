package admission

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/system/durable"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// Door is this host's end of joining and renewing.
func (r *Register) Door() *identity.Door {
	return &identity.Door{
		Authority: r.authority.Load,
		Roots:     func() []*x509.Certificate { return r.me().Credentials().Roots },
		Trust:     func() identity.Trust { return r.me().Trust() },
		Tokens:    r, Keys: r.Keys, Allow: r.allow, Delegate: r.delegates, Elsewhere: r.signers, Log: r.o.Log,
	}
}

// place is the site that the spec gives a host.
func (r *Register) place(name string) (site string, ok bool) {
	s := r.w.Spec()
	if s == nil {
		return "", false
	}
	if _, at := s.Host(name); at != nil {
		return at.Name, true
	}
	return "", false
}

// allow says who comes in by a token. Whether the name is free is for the
// transaction to say that uses it.
func (r *Register) allow(t identity.Record, name string) (identity.Name, error) {
	fleet := r.me().Self().Fleet
	if t.Person != "" {
		return identity.Name{Fleet: fleet, Person: t.Person, Role: t.Role}, nil
	}
	site, ok := r.place(name)
	target := id.To(id.KindHost, name)
	switch {
	case r.w.Spec() == nil:
		return identity.Name{}, identity.Refuse(api.ReasonBusy, "the spec has not reached this host yet; try again")
	case !ok:
		return identity.Name{}, identity.Refuse(api.ReasonNoSuchTarget, "the spec has no %s; apply one that has it, and join then", target)
	case t.Site != "" && t.Site != site:
		return identity.Name{}, identity.Refuse(api.ReasonTokenElsewhere, "it is for site %s, and %s is of %s", t.Site, target, site)
	}
	return identity.Name{Fleet: fleet, Site: site, Host: name}, nil
}

// delegates says which hosts sign for their sites: of each the first in the spec
// that has joined.
func (r *Register) delegates(n identity.Name) bool {
	s := r.w.Spec()
	if s == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range s.Sites {
		if s.Sites[i].Name != n.Site {
			continue
		}
		for _, h := range s.Sites[i].Hosts {
			if _, joined := r.known[prefixHost+h.Name]; joined {
				return h.Name == n.Host
			}
		}
	}
	return false
}

// signers are the agents that can sign for a name: those with the root first, as
// nothing that they sign ends with another host's removal.
func (r *Register) signers(n identity.Name) []string {
	self := r.me().Self().Host
	r.mu.Lock()
	var roots, site []string
	for key, e := range r.known {
		name, ok := strings.CutPrefix(key, prefixSigns)
		var s signs
		if !ok || name == self || json.Unmarshal(e.Value, &s) != nil {
			continue
		}
		switch {
		case s.For == api.SignsAll:
			roots = append(roots, name)
		case n.Host != "" && s.Site == n.Site:
			site = append(site, name)
		}
	}
	r.mu.Unlock()
	slices.Sort(roots)
	slices.Sort(site)
	var all []string
	for _, name := range append(roots, site...) {
		if a, ok := r.w.Address(name); ok {
			all = append(all, a)
		}
	}
	return all
}

// Source gets this host's next certificate: identity.Holder's Keep asks it. The
// root is asked first; an own delegate's word is for when nobody else can be.
func (r *Register) Source(ctx context.Context, csr []byte) (identity.Granted, error) {
	h := r.me()
	own := r.authority.Load()
	sign := func() (identity.Granted, error) {
		chain, err := own.Admit(time.Now(), csr, h.Self(), h.Joined())
		return identity.Granted{Chain: chain, Roots: h.Credentials().Roots, Keys: r.Keys()}, err
	}
	if own != nil && own.Root() {
		return sign()
	}
	within, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	asked := r.signers(h.Self())
	for _, a := range r.o.Agents {
		if !slices.Contains(asked, a) {
			asked = append(asked, a)
		}
	}
	g, err := h.Renew(within, csr, asked...)
	if err != nil && own != nil && own.Signs(h.Self()) {
		return sign()
	}
	return g, err
}

// askWait leaves time to sign here after nobody else could be asked.
const askWait = 20 * time.Second

// tendEvery is how often a host looks after its authority and its keys although
// nothing changed.
const tendEvery = time.Minute

// tend looks after this host's authority and keys.
func (r *Register) tend(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.wake:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if r.me() == nil || r.Removed() != nil {
			continue
		}
		if err := r.found(ctx); err != nil && ctx.Err() == nil {
			r.o.Log.Warn("the fleet's first facts could not be written", "err", err.Error())
			continue
		}
		if err := r.keepAuthority(ctx); err != nil && ctx.Err() == nil {
			r.o.Log.Warn("this host does not sign for its site", "err", err.Error())
		}
		r.takeKeys(ctx)
	}
}

// found writes the first facts of a fleet that has none: it is for the host with
// the root, which joined without a token.
func (r *Register) found(ctx context.Context) error {
	h := r.me()
	a := r.authority.Load()
	r.mu.Lock()
	_, begun := r.known[keyKeyring]
	begun = begun || !r.fresh
	r.mu.Unlock()
	if begun || a == nil || !a.Root() {
		return nil
	}
	c := h.Credentials()
	if len(c.Keys) == 0 {
		return errors.New("admission: this host has no key for gossip to begin the fleet with")
	}
	txn := facts.Txn{If: []facts.Cond{{Key: keyKeyring}}, Ops: []facts.Op{
		put(keyKeyring, Ring{Keys: c.Keys, Step: StepSteady, Since: time.Now()}),
		put(prefixHost+h.Self().Host, host{Site: h.Self().Site, Since: h.Joined()}),
		put(prefixSigns+h.Self().Host, signs{For: api.SignsAll, Site: h.Self().Site}),
	}}
	people, err := loadFounders(r.o.Dir)
	if err != nil {
		return err
	}
	for _, p := range people {
		txn.Ops = append(txn.Ops, put(prefixPerson+p.Name, person{Role: p.Role, Since: p.Since}))
	}
	if err := write(ctx, r.w.Facts, txn); !errors.Is(err, errChanged) {
		return err
	}
	return nil // somebody was faster: the fleet exists
}

// SaveFounders writes down the people whose certificates came with the fleet.
func SaveFounders(dir string, people []api.Person) error {
	text, err := json.Marshal(people)
	if err == nil {
		err = durable.Replace(filepath.Join(dir, foundersFile), text)
	}
	if err != nil {
		return fmt.Errorf("admission: %w", err)
	}
	return nil
}

func loadFounders(dir string) (people []api.Person, err error) {
	text, err := os.ReadFile(filepath.Join(dir, foundersFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &people)
	}
	if err != nil {
		return nil, fmt.Errorf("admission: read who came with the fleet: %w", err)
	}
	return people, nil
}

// keepAuthority has the root delegate to this host where it is the one to sign for
// its site, renews that in time, and says in the facts who signs.
func (r *Register) keepAuthority(ctx context.Context) error {
	h := r.me()
	self := h.Self()
	a := r.authority.Load()
	r.mu.Lock()
	fresh := r.fresh
	said, known := r.known[prefixSigns+self.Host]
	r.mu.Unlock()
	if !fresh {
		return nil
	}
	now := time.Now()
	if a != nil && !a.Root() && (now.After(a.Until()) || !a.Joined().Equal(h.Joined())) {
		a = nil // it is over, or of this host before it joined anew
		r.authority.Store(nil)
	}
	var failed error
	if wanted := r.delegates(self); wanted && (a == nil || !a.Root() && now.After(a.From().Add(a.Until().Sub(a.From())*2/3))) {
		if next, err := h.BecomeDelegate(ctx, r.signers(identity.Name{Fleet: self.Fleet})...); err == nil {
			if failed = r.files.SaveAuthority(next); failed == nil {
				a = next
				r.authority.Store(a)
				r.o.Log.Info("this host signs for its site", "site", self.Site, "until", a.Until())
			}
		} else {
			failed = err
		}
	}
	is := signs{Site: self.Site}
	if a != nil {
		if is.For = api.SignsSite; a.Root() {
			is.For = api.SignsAll
		}
	}
	var before signs
	_ = json.Unmarshal(said.Value, &before)
	key := prefixSigns + self.Host
	txn := facts.Txn{If: []facts.Cond{{Key: key, Revision: said.Revision}}, Ops: []facts.Op{put(key, is)}}
	switch {
	case a == nil && !known || known && before == is:
		return failed
	case a == nil:
		txn.Ops[0] = facts.Op{Key: key, Delete: true}
	}
	if err := write(ctx, r.w.Facts, txn); err != nil && !errors.Is(err, errChanged) {
		failed = errors.Join(failed, err)
	}
	return failed
}
