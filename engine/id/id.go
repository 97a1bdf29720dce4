// Package id holds the names of things and nothing else: what a name may look
// like, and how kind/name is written and read.
package id

import (
	"fmt"
	"strings"
)

// NameLengthMax is the longest name in bytes: a DNS label (RFC 1035 section
// 2.3.4), so that every name can become a host name or a file name.
const NameLengthMax = 63

// CheckName returns why s cannot be a name, or nil. A name is a DNS label in
// lower case: letters, digits and hyphens, beginning with a letter and not
// ending in a hyphen. So a name never needs quoting in a shell, a path or a
// terminal.
func CheckName(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("id: a name is empty; give 1 to %d lower-case letters, digits and hyphens", NameLengthMax)
	case len(s) > NameLengthMax:
		return fmt.Errorf("id: name %.20q… has %d bytes; %d are the limit", s, len(s), NameLengthMax)
	case s[0] < 'a' || s[0] > 'z':
		return fmt.Errorf("id: name %q begins with %q; begin with a lower-case letter", s, s[:1])
	case s[len(s)-1] == '-':
		return fmt.Errorf("id: name %q ends in a hyphen; end with a letter or digit", s)
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("id: name %q has %q at byte %d; use lower-case letters, digits and hyphens", s, s[i:i+1], i+1)
		}
	}
	return nil
}

// Kind says what a name names.
type Kind string

// The kinds of thing that have names. They are written out because they are
// typed by people and sent between hosts.
const (
	KindFleet    Kind = "fleet"
	KindSite     Kind = "site"
	KindHost     Kind = "host"
	KindListener Kind = "listener"
	KindPool     Kind = "pool"
	KindBackend  Kind = "backend"
	KindClients  Kind = "clients"
	KindDrill    Kind = "drill"
	KindFault    Kind = "fault"
	KindLink     Kind = "link"  // between two sites
	KindGroup    Kind = "group" // of hosts that agree on facts
)

// Kinds lists every kind, in the order in which a fleet is described.
func Kinds() []Kind {
	return []Kind{KindFleet, KindSite, KindHost, KindListener, KindPool, KindBackend, KindClients, KindDrill, KindFault, KindLink, KindGroup}
}

// Ref names one thing: backend/shop-tokyo-1.
type Ref struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
}

// To is shorthand for a Ref.
func To(kind Kind, name string) Ref { return Ref{Kind: kind, Name: name} }

// String returns kind/name, and the empty string for the zero Ref.
func (r Ref) String() string {
	if r == (Ref{}) {
		return ""
	}
	return string(r.Kind) + "/" + r.Name
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// ParseRef reads kind/name. It refuses unknown kinds and impossible names, so
// that a typing error is told from a thing that does not exist.
func ParseRef(s string) (Ref, error) {
	kind, name, ok := strings.Cut(s, "/")
	if !ok {
		return Ref{}, fmt.Errorf("id: %q is not a target; write kind/name, such as backend/shop-tokyo-1", s)
	}
	for _, k := range Kinds() {
		if string(k) == kind {
			if err := CheckName(name); err != nil {
				return Ref{}, err
			}
			return Ref{Kind: k, Name: name}, nil
		}
	}
	return Ref{}, fmt.Errorf("id: %q is not a kind of target; the kinds are %s", kind, kindList())
}

func kindList() string {
	var b strings.Builder
	for i, k := range Kinds() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(k))
	}
	return b.String()
}
