package api

import (
	"context"
	"errors"
)

// Client is the one window for every face. Implementations pass
// apitest.TestClient.
type Client interface {
	// Status returns the picture now. It returns ErrUnreachable when the fleet
	// does not answer.
	Status(ctx context.Context) (*Status, error)
	// Watch sends a picture at once, then pictures (at most ten a second, latest
	// wins) and the events after from. It closes the channel when ctx ends or
	// the fleet is gone. A slow reader loses pictures, and events only beyond
	// EventRing, which Update.Missed says. A picture whose Ring is another one than
	// before numbers its events another way: who watches forgets those it has, and
	// watches anew from 0.
	Watch(ctx context.Context, from Seq) (<-chan Update, error)
	// Do asks for a command. A refusal is not an error: the receipt carries it.
	// The result comes as an Event with the receipt's ID.
	Do(ctx context.Context, req Request) (Receipt, error)
	// Events returns the newest events after from, oldest first, at most max.
	Events(ctx context.Context, from Seq, max int) ([]Event, error)
	// Revisions returns the revisions of the spec that are kept, oldest first, the
	// last of them in force. Only those that are named come with their texts, at
	// most RevisionTextsMax; a name that is not kept is left out.
	Revisions(ctx context.Context, texts ...uint64) ([]Revision, error)
}

// ErrUnreachable means that the fleet does not answer.
var ErrUnreachable = errors.New("api: the fleet does not answer")

// ErrVersion means that the fleet speaks another version of the API.
var ErrVersion = errors.New("api: the fleet speaks another version")

// ErrNotAdmitted means that the fleet answers and does not let this client in.
var ErrNotAdmitted = errors.New("api: the fleet does not let this client in")

// Update is what Watch sends.
type Update struct {
	Status *Status `json:"status"`           // never nil
	Events []Event `json:"events,omitempty"` // oldest first
	Missed uint64  `json:"missed,omitempty"` // events that were overwritten before this reader came
}

// Actor is who asks.
type Actor struct {
	Name string `json:"name"`           // user name, or key fingerprint
	From string `json:"from,omitempty"` // console, command line, drill, API
	// What else the agent that let them in knows; the audit log keeps it.
	Key     string `json:"key,omitempty"`     // fingerprint of what they proved to have
	Role    Role   `json:"role,omitempty"`    // empty: they are on the host, and may do all
	Session string `json:"session,omitempty"` // ties what they do in one session
}

// Request is a command with who asks and why.
type Request struct {
	Command Command
	By      Actor
	Why     string
	// Confirm is what the person typed; Confirmation says what it must be.
	Confirm string
	// DryRun checks and does nothing.
	DryRun bool
}

// Receipt is the promise of an answer, or the refusal.
type Receipt struct {
	ID       string    `json:"id"`
	OK       bool      `json:"ok"`
	Refusals []Refusal `json:"refusals,omitempty"`
	// Confirm is what had to be typed; empty: nothing.
	Confirm string `json:"confirm,omitempty"`
	// Changes are what a spec changes in the one in force, ChangesMax at most, and
	// More how many are not listed. A refusal has them too.
	Changes []Change `json:"changes,omitempty"`
	More    int      `json:"more,omitempty"`
	// Done says what was accepted, in words.
	Done string `json:"done,omitempty"`
	// Seq of the event that records the request; wait for later events with the
	// receipt's ID.
	Seq Seq `json:"seq"`
}
