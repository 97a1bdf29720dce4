package api

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// How says how a revision of the spec came to be in force.
type How string

// The ways.
const (
	HowStart    How = "start"    // the fleet began with it
	HowApply    How = "apply"    // somebody applied it
	HowRollback How = "rollback" // somebody went back to an earlier one
)

// Bounds of what is kept and sent of revisions.
const (
	// RevisionsMax is how many are kept: months of careful changes, or a day of a
	// hurried one.
	RevisionsMax = 50
	// RevisionBytesMax bounds their texts together, so that 50 of the largest do
	// not fill the memory of a small host; the newest two are always kept.
	RevisionBytesMax = 16 << 20
	// RevisionTextsMax is how many texts are sent at a time: two are compared.
	RevisionTextsMax = 4
	// RevisionChangesMax is how many of its changes a revision keeps: what fills a
	// screen. The texts have the rest.
	RevisionChangesMax = 50
	// ChangesMax is how many changes a receipt lists.
	ChangesMax = 500
)

// Revision is a spec that was put into force.
type Revision struct {
	Rev  uint64    `json:"rev"`
	Name string    `json:"name"` // of the file that it came from
	Dir  string    `json:"dir"`  // where its relative files are looked up
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Why  string    `json:"why,omitempty"`
	How  How       `json:"how"`
	Of   uint64    `json:"of,omitempty"` // HowRollback: the revision whose text it has
	Size int       `json:"size"`         // of the text, in bytes
	// Changes are the first of what it changed in the one before, More how many
	// are not listed.
	Changes []Change `json:"changes,omitempty"`
	More    int      `json:"more,omitempty"`
	// Text is there for those who ask for it.
	Text string `json:"text,omitempty"`
}

// ChangeKind says what became of a thing between two specs.
type ChangeKind string

// The kinds of change.
const (
	ChangeAdded   ChangeKind = "added"
	ChangeRemoved ChangeKind = "removed"
	ChangeChanged ChangeKind = "changed"
)

// Change is one thing that differs between two specs.
type Change struct {
	Subject id.Ref `json:"subject"`
	// Of is what the subject is part of: a backend's pool, a host's site.
	Of   id.Ref     `json:"of,omitzero"`
	Kind ChangeKind `json:"kind"`
	// Field is what of a changed subject: weight, upstream.tls.
	Field string `json:"field,omitempty"`
	// Before and After are the field as a spec writes it; empty: it is not set. Of
	// what came or went, they are the thing in short.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// String says it without the subject: weight 100 → 50.
func (c Change) String() string {
	or := func(s string) string {
		if s == "" {
			return "not set"
		}
		return s
	}
	switch c.Kind {
	case ChangeAdded:
		return "added: " + c.After
	case ChangeRemoved:
		return "removed: " + c.Before
	case ChangeChanged:
	}
	return c.Field + " " + or(c.Before) + " → " + or(c.After)
}

// Head is the thing under which a change is told: what its subject is part of, or
// the subject itself.
func (c Change) Head() id.Ref {
	if c.Of.IsZero() {
		return c.Subject
	}
	return c.Of
}

// WithTexts returns revisions as Client.Revisions does: with the texts of those
// that are named, and without the others'.
func WithTexts(all []Revision, texts []uint64) ([]Revision, error) {
	if len(texts) > RevisionTextsMax {
		return nil, fmt.Errorf("api: %d texts of revisions at a time; %d are the limit", len(texts), RevisionTextsMax)
	}
	out := make([]Revision, len(all))
	for i, r := range all {
		if !slices.Contains(texts, r.Rev) {
			r.Text = ""
		}
		out[i] = r
	}
	return out, nil
}
