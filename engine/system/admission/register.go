package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/durable"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// Options of New.
type Options struct {
	// Dir is the directory of identity.Files of this host.
	Dir string
	// Agents are asked for certificates when the facts name nobody: the first
	// addresses of the agent's configuration.
	Agents []string
	Log    *slog.Logger
}

// World is what a register is part of.
type World struct {
	Facts Facts
	// Spec is the spec that this host goes by; nil before the first.
	Spec func() *spec.Fleet
	// Address is where a host's port is.
	Address func(host string) (string, bool)
	// Keys has the new keyring put to use, whenever it changes. Nil: nobody wants it.
	Keys func(gossip.Keyring)
	// Changed is called after every change of what Picture says, and after each
	// removal. It must not wait. Nil: nobody wants to know.
	Changed func()
}

// Register is who may come in, seen from one host. It implements identity.Tokens
// and identity.Removals.
type Register struct {
	o     Options
	w     World // of Bind
	files identity.Files

	removed   atomic.Pointer[map[string]time.Time]
	authority atomic.Pointer[identity.Authority] // of this host; nil: none
	picture   atomic.Pointer[api.Admission]
	wake      chan struct{} // of KeepAuthority and keys, after a change

	saving sync.Mutex // of credentials

	mu     sync.Mutex
	holder *identity.Holder
	known  map[string]entry // by key
	fresh  bool             // the facts were heard since this program began
}

// entry is a fact as it was heard.
type entry struct {
	Value    json.RawMessage `json:"value"`
	Revision uint64          `json:"revision"`
}

// cacheFile is the facts that a host knew last, and foundersFile who came with the
// fleet.
const (
	cacheFile    = "admission.json"
	foundersFile = "founders.json"
)

// New returns a register that knows what this host knew last. Load gives it the
// host's identity, which needs it for its own trust; Bind the rest.
func New(o Options) (*Register, error) {
	files, err := identity.OpenFiles(o.Dir)
	if err != nil {
		return nil, err
	}
	r := &Register{o: o, files: files, known: map[string]entry{}, wake: make(chan struct{}, 1)}
	a, err := files.LoadAuthority()
	switch {
	case err == nil:
		r.authority.Store(a)
	case !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(o.Dir, cacheFile))
	if err == nil {
		err = json.Unmarshal(text, &r.known)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		// Without it a removed host is let in until the facts are heard; a host that
		// does not start serves nobody.
		o.Log.Error("who was removed is not known until the fleet's facts are heard", "err", err.Error())
		r.known = map[string]entry{}
	}
	if r.known == nil {
		r.known = map[string]entry{}
	}
	r.mu.Lock()
	r.derive()
	r.mu.Unlock()
	return r, nil
}

// Load returns this host's identity, as it is stored, with this register's
// removals. The error is os.ErrNotExist for a host that has not joined.
func (r *Register) Load() (*identity.Holder, error) {
	c, err := r.files.LoadHost()
	if err != nil {
		return nil, err
	}
	h, err := identity.NewHolder(c, r)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.holder = h
	r.derive()
	r.mu.Unlock()
	return h, nil
}

// Bind makes the register part of a world, before Run and Door.
func (r *Register) Bind(w World) { r.w = w }

// me is this host's identity. Nothing but Load may be called before it is there.
func (r *Register) me() *identity.Holder {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holder
}

// Run hears the facts, keeps this host's authority, and tells what keys it has,
// until ctx ends.
func (r *Register) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { r.hear(ctx) })
	all.Go(func() { r.tend(ctx) })
	all.Wait()
}

// hear takes what the facts say.
func (r *Register) hear(ctx context.Context) {
	for u := range r.w.Facts.Watch(ctx, prefix) {
		r.mu.Lock()
		if u.All {
			r.known = map[string]entry{}
		}
		for _, f := range u.Facts {
			r.known[f.Key] = entry{f.Value, f.Revision}
		}
		for _, c := range u.Changes {
			switch {
			case c.Lease:
			case c.Gone:
				delete(r.known, c.Key)
			default:
				r.known[c.Key] = entry{c.Value, c.Revision}
			}
		}
		r.fresh = true
		r.derive()
		cache := maps.Clone(r.known)
		r.mu.Unlock()
		r.keep(cache)
		if r.w.Changed != nil {
			r.w.Changed()
		}
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// keep writes down what is known, for a start while cut off. Tokens are of no use
// then: they need a majority.
func (r *Register) keep(cache map[string]entry) {
	maps.DeleteFunc(cache, func(key string, _ entry) bool { return strings.HasPrefix(key, prefixToken) })
	text, err := json.Marshal(cache)
	if err == nil {
		err = durable.Replace(filepath.Join(r.o.Dir, cacheFile), text)
	}
	if err != nil {
		r.o.Log.Warn("who may come in could not be written down: started while cut off, this host would go by an older list", "err", err.Error())
	}
}

// derive works out what is asked often. The lock is held.
func (r *Register) derive() {
	removed := map[string]time.Time{}
	p := &api.Admission{Tokens: []api.Token{}, Joined: []api.Joined{}, People: []api.Person{}, Keys: []string{}}
	for _, key := range slices.Sorted(maps.Keys(r.known)) {
		e := r.known[key]
		read := func(below string, into any) (string, bool) {
			name, ok := strings.CutPrefix(key, below)
			if !ok {
				return "", false
			}
			if err := json.Unmarshal(e.Value, into); err != nil {
				r.o.Log.Error("a fact cannot be read; this program may be too old for the fleet", "key", key, "err", err.Error())
				return "", false
			}
			return name, true
		}
		var gone removal
		if target, ok := read(prefixRemoved, &gone); ok {
			removed[target] = gone.At
		}
		var h host
		if name, ok := read(prefixHost, &h); ok {
			p.Joined = append(p.Joined, api.Joined{Name: name, Site: h.Site, Since: h.Since})
		}
		var who person
		if name, ok := read(prefixPerson, &who); ok {
			p.People = append(p.People, api.Person{Name: name, Role: who.Role, Since: who.Since})
		}
		var token identity.Record
		if _, ok := read(prefixToken, &token); ok {
			p.Tokens = append(p.Tokens, token.Token)
		}
		var s signs
		if name, ok := read(prefixSigns, &s); ok { // behind the hosts, in the order of keys
			if i, known := slices.BinarySearchFunc(p.Joined, name, func(j api.Joined, n string) int { return strings.Compare(j.Name, n) }); known {
				p.Joined[i].Signs = s.For
			}
		}
	}
	if ring := r.ring(); len(ring.Keys) > 0 {
		p.KeysSince = ring.Since
		if keys, err := gossip.ParseKeyring(ring.Keys); err == nil {
			for _, k := range keys.Keys() {
				p.Keys = append(p.Keys, k.Name())
			}
		}
	}
	if r.holder != nil {
		p.Authority = fmt.Sprintf("%x", identity.Hash(r.holder.Credentials().Roots[0]))
	}
	r.removed.Store(&removed)
	r.picture.Store(p)
}

// RemovedAt implements identity.Removals.
func (r *Register) RemovedAt(target string) (time.Time, bool) {
	at, ok := (*r.removed.Load())[target]
	return at, ok
}

// Removed reports whether this host itself was shut out.
func (r *Register) Removed() error {
	h := r.me()
	return h.Trust().Still(identity.Peer{Name: h.Self(), Joined: h.Joined()})
}

// Picture is who may come in, for the fleet's picture.
func (r *Register) Picture() *api.Admission { return r.picture.Load() }

var (
	_ identity.Tokens   = (*Register)(nil)
	_ identity.Removals = (*Register)(nil)
)
