package api

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// Admission is who may come into a fleet of agents, as its facts have it.
type Admission struct {
	// Authority is the SHA-256 of the root's certificate in hex: a token carries
	// it, so that who joins knows the fleet before it says a secret.
	Authority string    `json:"authority"`
	Tokens    []Token   `json:"tokens"` // by ID
	Joined    []Joined  `json:"joined"` // hosts, by name
	People    []Person  `json:"people"` // by name
	Keys      []string  `json:"keys"`   // names of the keys that hosts share; the first one seals
	KeysSince time.Time `json:"keys_since,omitzero"`
}

// Token is a way in, once. Its secret is nowhere in the fleet.
type Token struct {
	ID     string    `json:"id"`
	Site   string    `json:"site,omitempty"`
	Host   string    `json:"host,omitempty"`   // who must bring it; empty: any host that the spec names and that has not joined
	Person string    `json:"person,omitempty"` // or whom it lets in
	Role   Role      `json:"role,omitempty"`
	By     string    `json:"by,omitempty"` // who made it
	Made   time.Time `json:"made"`
	Until  time.Time `json:"until"`
	Used   time.Time `json:"used,omitzero"`
	UsedBy string    `json:"used_by,omitempty"` // host/tokyo-1, person/mika
}

// TokenState is how a token stands.
type TokenState string

// The states of a token. Used and expired are its ends.
const (
	TokenGood    TokenState = "good"
	TokenUsed    TokenState = "used"
	TokenExpired TokenState = "expired"
)

// State returns how the token stands at a moment.
func (t *Token) State(at time.Time) TokenState {
	switch {
	case !t.Used.IsZero():
		return TokenUsed
	case !at.Before(t.Until):
		return TokenExpired
	}
	return TokenGood
}

// Joined is a host that has a certificate.
type Joined struct {
	Name  string    `json:"name"`
	Site  string    `json:"site"`
	Since time.Time `json:"since"`
	// Signs says for whom this host can sign certificates: all, site, or nobody
	// when it is empty.
	Signs string `json:"signs,omitempty"`
}

// Whom a host signs for.
const (
	SignsAll  = "all"
	SignsSite = "site"
)

// Person is somebody who has a certificate.
type Person struct {
	Name  string    `json:"name"`
	Role  Role      `json:"role"`
	Since time.Time `json:"since"`
}

// Bounds of tokens.
const (
	// TokensMax is how many tokens may be good at once: one for each host of a
	// large fleet that is set up in one go.
	TokensMax = 100
	// TokenForMax bounds how long a lost token is a danger.
	TokenForMax = 7 * 24 * time.Hour
	// TokenFor is for who does not say.
	TokenFor = time.Hour
	// TokenIDSize and TokenHashSize are of what a program makes that asks for one.
	TokenIDSize   = 8
	TokenHashSize = 32
)

type (
	// IssueToken lets a host or a person in, once. The secret stays with the program
	// that asks: what travels is its hash.
	IssueToken struct {
		ID   string `json:"id"`
		Hash []byte `json:"hash"`
		// Site or Host narrow who may bring it; a Person has a Role.
		Site   string        `json:"site,omitempty"`
		Host   string        `json:"host,omitempty"`
		Person string        `json:"person,omitempty"`
		Role   Role          `json:"role,omitempty"`
		For    time.Duration `json:"for_ns"`
	}
	// VoidToken makes a token useless that was not used.
	VoidToken struct {
		ID string `json:"id"`
	}
	// RemoveHost shuts a host out: its certificates are refused from now on.
	RemoveHost struct {
		Host string `json:"host"`
	}
	// RemovePerson shuts a person out.
	RemovePerson struct {
		Person string `json:"person"`
	}
	// RotateKeys has the hosts change the keys that they share.
	RotateKeys struct{}
)

func (IssueToken) command()   {}
func (VoidToken) command()    {}
func (RemoveHost) command()   {}
func (RemovePerson) command() {}
func (RotateKeys) command()   {}

// Verb implements Command.
func (IssueToken) Verb() string { return "token" }

// Verb implements Command.
func (VoidToken) Verb() string { return "token-void" }

// Verb implements Command.
func (RemoveHost) Verb() string { return "remove" }

// Verb implements Command.
func (RemovePerson) Verb() string { return "remove-person" }

// Verb implements Command.
func (RotateKeys) Verb() string { return "keys-rotate" }

// Words implements Command. The secret is made anew by whoever types them.
func (c IssueToken) Words() []string {
	words := []string{"token"}
	for _, f := range [][2]string{{"--site", c.Site}, {"--host", c.Host}, {"--person", c.Person}, {"--role", string(c.Role)}} {
		if f[1] != "" {
			words = append(words, f[0], f[1])
		}
	}
	return append(words, "--for", c.For.String())
}

// Words implements Command.
func (c VoidToken) Words() []string { return []string{"token", "void", c.ID} }

// Words implements Command.
func (c RemoveHost) Words() []string {
	return []string{"remove", id.To(id.KindHost, c.Host).String()}
}

// Words implements Command.
func (c RemovePerson) Words() []string { return []string{"remove", "person/" + c.Person} }

// Words implements Command.
func (RotateKeys) Words() []string { return []string{"keys", "rotate"} }

// Sentence implements Command.
func (c IssueToken) Sentence() string {
	who := "a host that the spec names"
	switch {
	case c.Host != "":
		who = "host/" + c.Host
	case c.Site != "":
		who = "a host of site/" + c.Site
	case c.Person != "":
		who = fmt.Sprintf("%s with the role %s", c.Person, c.Role)
	}
	return fmt.Sprintf("let %s in, by token %s within %s", who, c.ID, c.For)
}

// Sentence implements Command.
func (c VoidToken) Sentence() string { return "make token " + c.ID + " void" }

// Sentence implements Command.
func (c RemoveHost) Sentence() string { return "remove host/" + c.Host + " from the fleet" }

// Sentence implements Command.
func (c RemovePerson) Sentence() string { return "shut " + c.Person + " out of the fleet" }

// Sentence implements Command.
func (RotateKeys) Sentence() string { return "change the keys that the hosts share" }

// Targets implements Command.
func (c IssueToken) Targets() []id.Ref {
	switch {
	case c.Host != "":
		return []id.Ref{id.To(id.KindHost, c.Host)}
	case c.Site != "":
		return []id.Ref{id.To(id.KindSite, c.Site)}
	}
	return nil
}

// Targets implements Command.
func (VoidToken) Targets() []id.Ref { return nil }

// Targets implements Command.
func (c RemoveHost) Targets() []id.Ref { return []id.Ref{id.To(id.KindHost, c.Host)} }

// Targets implements Command.
func (RemovePerson) Targets() []id.Ref { return nil }

// Targets implements Command.
func (RotateKeys) Targets() []id.Ref { return nil }

// closed is the refusal of a fleet that nobody joins.
func closed(s *Status) []Refusal {
	if s.Admission == nil {
		return []Refusal{{Reason: ReasonNobodyJoins}}
	}
	return nil
}

// Check implements Command.
func (c IssueToken) Check(s *Status) []Refusal {
	if no := closed(s); no != nil {
		return no
	}
	if no := c.Malformed(); no != nil {
		return no
	}
	good := 0
	for i := range s.Admission.Tokens {
		t := &s.Admission.Tokens[i]
		if t.ID == c.ID {
			return []Refusal{{Reason: ReasonBusy, Detail: "a token of that name is known already; make another"}}
		}
		if t.State(s.At) == TokenGood {
			good++
		}
	}
	if good >= TokensMax {
		return []Refusal{{Reason: ReasonBusy, Detail: fmt.Sprintf("%d tokens wait to be used, the limit; make some void", good)}}
	}
	if _, ok := s.Site(c.Site); c.Site != "" && !ok {
		return []Refusal{missing(id.To(id.KindSite, c.Site))}
	}
	if c.Host == "" {
		return nil
	}
	target := id.To(id.KindHost, c.Host)
	h, ok := s.Host(c.Host)
	switch {
	case !ok:
		return []Refusal{{Reason: ReasonNoSuchTarget, Target: target, Detail: "apply a spec that has it, then make its token"}}
	case c.Site != "" && h.Site != c.Site:
		return []Refusal{{Reason: ReasonOutOfRange, Target: target, Detail: "it is of site " + h.Site}}
	case s.Admission.joined(c.Host) != nil:
		return []Refusal{{Reason: ReasonNameTaken, Target: target, Warning: true, Detail: "the machine that is " + c.Host + " now is shut out when the token is used"}}
	}
	return nil
}

// Malformed is why no fleet would take the command; nil when one could.
func (c IssueToken) Malformed() []Refusal {
	out := func(format string, args ...any) []Refusal {
		return []Refusal{{Reason: ReasonOutOfRange, Detail: fmt.Sprintf(format, args...)}}
	}
	if len(c.ID) != TokenIDSize || len(c.Hash) != TokenHashSize {
		return out("a token's name has %d bytes and its hash %d", TokenIDSize, TokenHashSize)
	}
	for i := range len(c.ID) {
		if b := c.ID[i]; (b < 'a' || b > 'z') && (b < '2' || b > '7') {
			return out("%q is no name of a token", c.ID)
		}
	}
	if c.For <= 0 || c.For > TokenForMax {
		return out("--for %s; more than 0, up to %s", c.For, TokenForMax)
	}
	for _, name := range []string{c.Site, c.Host, c.Person} {
		if name == "" {
			continue
		}
		if err := id.CheckName(name); err != nil {
			return out("%v", err)
		}
	}
	if c.Person != "" && (c.Host != "" || c.Site != "") {
		return out("a token is for a host or for a person; give one of them")
	}
	if _, ok := ParseRole(string(c.Role)); c.Person != "" && !ok {
		return out("%q is no role; the roles are viewer, operator and admin", c.Role)
	}
	if c.Person == "" && c.Role != "" {
		return out("a role goes with a person")
	}
	return nil
}

// joined returns the host of that name that has a certificate; nil without one.
func (a *Admission) joined(name string) *Joined {
	i, ok := slices.BinarySearchFunc(a.Joined, name, func(j Joined, n string) int { return strings.Compare(j.Name, n) })
	if !ok {
		return nil
	}
	return &a.Joined[i]
}

// Check implements Command.
func (c VoidToken) Check(s *Status) []Refusal {
	if no := closed(s); no != nil {
		return no
	}
	for i := range s.Admission.Tokens {
		t := &s.Admission.Tokens[i]
		if t.ID != c.ID {
			continue
		}
		if is := t.State(s.At); is != TokenGood {
			return []Refusal{{Reason: ReasonNothingToDo, Detail: "token " + c.ID + " is " + string(is) + " already"}}
		}
		return nil
	}
	return []Refusal{{Reason: ReasonTokenUnknown, Detail: "holdfast token list shows them"}}
}

// Check implements Command. It warns always: what is removed comes back by a new
// token only.
func (c RemoveHost) Check(s *Status) []Refusal {
	if no := closed(s); no != nil {
		return no
	}
	target := id.To(id.KindHost, c.Host)
	j := s.Admission.joined(c.Host)
	_, inSpec := s.Host(c.Host)
	switch {
	case j == nil && !inSpec:
		return []Refusal{missing(target)}
	case j == nil:
		return []Refusal{{Reason: ReasonNothingToDo, Target: target, Detail: "it has not joined"}}
	}
	if j.Signs == SignsAll && !slices.ContainsFunc(s.Admission.Joined, func(o Joined) bool { return o.Name != c.Host && o.Signs == SignsAll }) {
		return []Refusal{{Reason: ReasonHoldsRoot, Target: target, Detail: "put a copy of its authority.pem on another host first, or nobody can ever join again"}}
	}
	no := Refusal{Reason: ReasonRemoves, Target: target, Warning: true, Detail: "only a new token lets it in again"}
	if inSpec {
		no.Detail = "it is in the spec still: it is shown as down until a spec without it is applied, or a new token lets it in again"
	}
	return append([]Refusal{no}, lastServing(s, func(b *Backend) bool { return b.Host == c.Host })...)
}

// Check implements Command. Who removes themselves, or the last admin, may: the
// socket of a host lets its owner in whatever certificates say.
func (c RemovePerson) Check(s *Status) []Refusal {
	if no := closed(s); no != nil {
		return no
	}
	if id.CheckName(c.Person) != nil || !slices.ContainsFunc(s.Admission.People, func(p Person) bool { return p.Name == c.Person }) {
		return []Refusal{{Reason: ReasonNoSuchTarget, Detail: fmt.Sprintf("no person %.80q has a certificate; holdfast who lists them", c.Person)}}
	}
	return []Refusal{{Reason: ReasonRemoves, Warning: true, Detail: c.Person + " is shut out at once; only a new token lets them in again"}}
}

// Check implements Command.
func (RotateKeys) Check(s *Status) []Refusal {
	if no := closed(s); no != nil {
		return no
	}
	if len(s.Admission.Keys) > 1 {
		return []Refusal{{Reason: ReasonNothingToDo, Detail: "the keys are being changed already"}}
	}
	return nil
}
