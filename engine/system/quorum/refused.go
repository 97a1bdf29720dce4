package quorum

import (
	"errors"
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

// Refused is why something was not done, or is not known to be.
type Refused struct {
	Group  replica.GroupID
	Reason replica.Reason
	Detail string
	Leader string // the host that leads the group, when known
}

// Error says it to people.
func (r *Refused) Error() string {
	text := fmt.Sprintf("quorum: %s: %s", r.Group, r.Reason.Sentence())
	if r.Detail != "" {
		text += " (" + r.Detail + ")"
	}
	return text
}

// ReasonOf returns the reason of a refusal, and the empty one of any other error.
func ReasonOf(err error) replica.Reason {
	var r *Refused
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// refused is the error of an answer.
func refused(group replica.GroupID, a replica.Answer) error {
	if a.Reason == "" {
		return nil
	}
	return &Refused{group, a.Reason, a.Detail, a.Leader}
}
