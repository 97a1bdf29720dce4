package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// Role is how much somebody may do. It comes from a key or a certificate, never
// from the request itself.
type Role string

// The roles, from the one that may least. Each may all that those before it may.
const (
	RoleViewer   Role = "viewer"   // looks, and tries commands as dry runs
	RoleOperator Role = "operator" // moves load, forces health, breaks and drills
	RoleAdmin    Role = "admin"    // changes what the fleet is: its spec
)

// Roles lists the roles, from the one that may least.
func Roles() []Role { return []Role{RoleViewer, RoleOperator, RoleAdmin} }

// ParseRole reads a role.
func ParseRole(s string) (Role, error) {
	if slices.Contains(Roles(), Role(s)) {
		return Role(s), nil
	}
	return "", fmt.Errorf("api: %q is no role; the roles are viewer, operator, admin", s)
}

// Includes reports whether r may all that other may. A role that this version
// does not know includes nothing.
func (r Role) Includes(other Role) bool {
	mine, its := slices.Index(Roles(), r), slices.Index(Roles(), other)
	return mine >= 0 && its >= 0 && mine >= its
}

// Needs is the least role that may give a command.
func Needs(c Command) Role {
	switch c.(type) {
	case SetWeights, Drain, Undrain, Force, Unforce, InjectFault, ClearFault, StartDrill, AbortDrill:
		return RoleOperator
	case Apply:
		return RoleAdmin
	}
	return RoleAdmin // a command that nobody thought of is for the fewest
}

// Check returns why a role may not give a command, and nil if it may.
func (r Role) Check(c Command) []Refusal {
	need := Needs(c)
	if r.Includes(need) {
		return nil
	}
	var target id.Ref
	if all := c.Targets(); len(all) > 0 {
		target = all[0]
	}
	if r == RoleViewer {
		return []Refusal{{Reason: ReasonReadOnly, Target: target, Detail: fmt.Sprintf("its role is viewer; to %s takes the role %s", c.Sentence(), need)}}
	}
	return []Refusal{{Reason: ReasonRole, Target: target, Detail: fmt.Sprintf("its role is %s; to %s takes the role %s", orNone(r), c.Sentence(), need)}}
}

func orNone(r Role) string {
	if r == "" {
		return "none"
	}
	return strings.ToValidUTF8(string(r), "?")
}

// As returns a client that does what role may, in the name of by: who asks is
// for the door to say, not for who comes in. Everybody may look and dry-run; a
// command beyond the role is refused with a receipt, as any other refusal is.
func As(c Client, by Actor, role Role) Client { return &limited{Client: c, by: by, role: role} }

type limited struct {
	Client
	by   Actor
	role Role
}

// Do implements Client.
func (l *limited) Do(ctx context.Context, req Request) (Receipt, error) {
	req.By = l.by
	if req.Command == nil || req.DryRun && slices.Contains(Roles(), l.role) {
		return l.Client.Do(ctx, req)
	}
	if no := l.role.Check(req.Command); no != nil {
		return Receipt{ID: refusedID, Refusals: no}, ctx.Err()
	}
	return l.Client.Do(ctx, req)
}

// refusedID is the ID of a receipt that no fleet has seen: nothing comes of it,
// so no event will ever bear it.
const refusedID = "refused"
