package api

import "fmt"

// Role is what somebody may do who comes from outside the host. Each includes the
// ones before it.
type Role string

// The roles.
const (
	RoleViewer   Role = "viewer"   // looks
	RoleOperator Role = "operator" // moves traffic, and stops what was begun
	RoleAdmin    Role = "admin"    // breaks things on purpose, changes the spec, and says who may come in
)

// Roles lists the roles, the least one first.
func Roles() []Role { return []Role{RoleViewer, RoleOperator, RoleAdmin} }

// ParseRole reads a role's name.
func ParseRole(s string) (Role, bool) {
	for _, r := range Roles() {
		if s == string(r) {
			return r, true
		}
	}
	return "", false
}

// rank orders the roles; a name that is none ranks below all of them.
func (r Role) rank() int {
	for i, known := range Roles() {
		if r == known {
			return i
		}
	}
	return -1
}

// Includes reports whether r may do all that other may. What is no role includes
// nothing.
func (r Role) Includes(other Role) bool { return r.rank() >= 0 && r.rank() >= other.rank() }

// Needed is the least role that may ask for a command. To end a drill or a fault
// takes no more than to move traffic: stopping must be easy.
func Needed(c Command) Role {
	switch c.(type) {
	case SetWeights, Drain, Undrain, Force, Unforce, ClearFault, AbortDrill:
		return RoleOperator
	case InjectFault, StartDrill, Apply, Rollback, IssueToken, VoidToken, RemoveHost, RemovePerson, RotateKeys:
		return RoleAdmin
	}
	return RoleAdmin
}

// Refuses says why the role may not ask for a command; nil when it may.
func (r Role) Refuses(c Command) []Refusal {
	if need := Needed(c); !r.Includes(need) {
		return []Refusal{{Reason: ReasonNotAllowed, Detail: fmt.Sprintf("it takes the role %s; yours is %s", need, r)}}
	}
	return nil
}
