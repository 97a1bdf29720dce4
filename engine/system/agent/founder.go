package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/seats"
	"github.com/holdfast-edge/holdfast/engine/system/durable"
)

// founderFile says, in a state directory, that its host founds the fleet's group. It
// is gone when that is done: a host that lost its journal must not found a second
// fleet beside the first.
const founderFile = "founder"

// Founding is what goes on from the fleet before, in one that is founded.
type Founding struct {
	From      string // how the spec came to be, for people
	Words     []fleet.Word
	Revisions []api.Revision
}

// found makes the spec that this host has the fleet's first, with what goes on.
func (a *Agent) found(ctx context.Context, store *shared) (agreed, error) {
	kept, f := a.own.now()
	if f == nil {
		return agreed{}, fmt.Errorf("the fleet has no spec, and neither has %s", a.options.Host)
	}
	with := a.options.Founding
	kept.Revision = max(kept.Revision, 1)
	k := keepOf(kept)
	k.How = api.HowStart
	for _, r := range with.Revisions {
		if r.Rev == kept.Revision {
			k.How, k.Of, k.Changes, k.More = r.How, r.Of, r.Changes, r.More
			continue
		}
		if err := store.keepRevision(ctx, r); err != nil {
			return agreed{}, err
		}
	}
	all := agreed{spec: kept, words: fleet.Words{Fleet: f.Name, All: with.Words}, revs: with.Revisions}
	if len(with.Words) > 0 {
		if err := store.KeepWords(ctx, all.words); err != nil {
			return agreed{}, err
		}
	}
	// The spec comes last: with it the fleet is founded.
	return all, store.Keep(ctx, k)
}

// MakeFounder makes a state directory's host the one that founds the fleet's group
// when its agent runs. It is for the first host of a new fleet only.
func MakeFounder(dir, host string) error {
	if err := durable.Replace(filepath.Join(dir, founderFile), []byte(host+"\n")); err != nil {
		return fmt.Errorf("make %s the fleet's founder: %w", host, err)
	}
	return nil
}

// founder is the fleet's group, if this host is to found it; nil otherwise.
func (a *Agent) founder() *seats.Origin {
	text, err := os.ReadFile(filepath.Join(a.state.Path, founderFile))
	if err != nil || strings.TrimSpace(string(text)) != a.options.Host {
		return nil
	}
	return &seats.Origin{Group: groupFleet, Host: a.options.Host}
}

// founded forgets that this host is to found the fleet's group.
func (a *Agent) founded() {
	err := os.Remove(filepath.Join(a.state.Path, founderFile))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err = errors.Join(err, durable.FlushNames(a.state.Path)); err != nil {
		a.options.Log.Error("this host founded the fleet and cannot forget that it was to", "err", err.Error())
	}
}
