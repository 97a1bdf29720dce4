package replica

import (
	"encoding/binary"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/wire"
)

// Role is how a member takes part. They are in the journal: never renumber.
type Role uint8

// The roles.
const (
	// Learner keeps the data and does not vote.
	Learner Role = 1
	// Voter votes, and keeps the data unless it is a witness.
	Voter Role = 2
	// Leaving still votes until the change that removes it is finished.
	Leaving Role = 3
	// None is the goal of a member that is to leave.
	None Role = 4
)

// String returns the role's word.
func (r Role) String() string {
	switch r {
	case Learner:
		return "learner"
	case Voter:
		return "voter"
	case Leaving:
		return "leaving"
	case None:
		return "none"
	}
	return "unknown"
}

// A Member is one of a group. Its ID is never given to another, also not to the
// same host once it lost its memory: an old vote must not be cast twice.
type Member struct {
	ID      uint64
	Host    string
	Journal uint64 // the generation of the host's journal that the member was made for
	Role    Role
	Goal    Role // what it is to become once all who join have caught up
	Witness bool
}

// members are a group's, by ID, and the next ID.
type members struct {
	next uint64
	all  []Member
}

func (m *members) find(member uint64) *Member {
	for i := range m.all {
		if m.all[i].ID == member {
			return &m.all[i]
		}
	}
	return nil
}

// on returns the member on a host that is not about to leave.
func (m *members) on(host string) *Member {
	for i := range m.all {
		if m.all[i].Host == host && m.all[i].Role != Leaving && m.all[i].Goal != None {
			return &m.all[i]
		}
	}
	return nil
}

// staying returns the member that a host keeps when it is to have a seat: the one
// that is not about to leave, or the one that was to.
func (m *members) staying(host string) *Member {
	if x := m.on(host); x != nil {
		return x
	}
	for i := range m.all {
		if m.all[i].Host == host && m.all[i].Role != Leaving {
			return &m.all[i]
		}
	}
	return nil
}

func (m *members) clone() members { return members{m.next, slices.Clone(m.all)} }

// add appends a new member, a learner at first.
func (m *members) add(host string, generation uint64, goal Role, witness bool) Member {
	x := Member{ID: m.next, Host: host, Journal: generation, Role: Learner, Goal: goal, Witness: witness}
	m.next++
	m.all = append(m.all, x)
	return x
}

func (m *members) drop(member uint64) {
	m.all = slices.DeleteFunc(m.all, func(x Member) bool { return x.ID == member })
}

// settled reports whether everybody is what they are to be.
func (m *members) settled() bool {
	for _, x := range m.all {
		if x.Role != x.Goal {
			return false
		}
	}
	return true
}

func (m *members) append(b []byte) []byte {
	b = binary.AppendUvarint(b, m.next)
	b = binary.AppendUvarint(b, uint64(len(m.all)))
	for _, x := range m.all {
		b = binary.AppendUvarint(b, x.ID)
		b = wire.AppendText(b, x.Host)
		b = binary.AppendUvarint(b, x.Journal)
		b = append(b, byte(x.Role), byte(x.Goal))
		b = wire.AppendBool(b, x.Witness)
	}
	return b
}

func (r *reader) members() members {
	m := members{next: r.Number()}
	// A replacement stands beside whom it replaces, so there may be twice as many
	// members as seats.
	for range r.Count(2 * SeatsMax) {
		x := Member{ID: r.Number(), Host: r.Text(id.NameLengthMax), Journal: r.Number(), Role: Role(r.Byte()), Goal: Role(r.Byte()), Witness: r.Bool()}
		if x.ID == 0 || x.ID >= m.next || x.Role < Learner || x.Role > Leaving || x.Goal < Learner || x.Goal > None {
			r.Fail("a member is not as one may be")
		}
		if r.Err() != nil {
			return members{}
		}
		m.all = append(m.all, x)
	}
	return m
}

// checkSeats reports whether seats can be a group's.
func checkSeats(seats []Seat) bool {
	if len(seats) == 0 || len(seats) > SeatsMax {
		return false
	}
	leaders := 0
	for i, s := range seats {
		if id.CheckName(s.Host) != nil || s.Witness && s.Learner || slices.ContainsFunc(seats[:i], func(o Seat) bool { return o.Host == s.Host }) {
			return false
		}
		if !s.Witness && !s.Learner {
			leaders++
		}
	}
	return leaders > 0
}

func (s Seat) role() Role {
	if s.Learner {
		return Learner
	}
	return Voter
}

// image is a group's whole state at one index: who is in it, which commands were
// carried out, and the machine. A witness has the members only.
type image struct {
	members  members
	sessions sessions
	machine  []byte
}

const imageVersion = 1

func (i *image) append(b []byte) []byte {
	b = i.members.append(append(b, imageVersion))
	b = i.sessions.append(b)
	return wire.AppendText(b, i.machine)
}

func parseImage(b []byte) (image, error) {
	r := fieldsOf(b)
	if r.Byte() != imageVersion {
		r.Fail("an image of another version")
	}
	i := image{members: r.members(), sessions: r.sessions(), machine: r.Bytes()}
	if len(r.Left()) > 0 {
		r.Fail("it goes on behind its end")
	}
	return i, r.refusal()
}
