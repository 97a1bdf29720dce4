package api

import "github.com/holdfast-edge/holdfast/engine/id"

// Reason is why something is refused or is as it is. Every face shows its
// sentence as it stands.
type Reason string

// The reasons.
const (
	ReasonNoSuchTarget   Reason = "no-such-target"
	ReasonWrongKind      Reason = "wrong-kind"
	ReasonOutOfRange     Reason = "out-of-range"
	ReasonNotConfirmed   Reason = "not-confirmed"
	ReasonNothingToDo    Reason = "nothing-to-do"
	ReasonLastServing    Reason = "last-serving"
	ReasonNotOurs        Reason = "not-ours"
	ReasonFaultInForce   Reason = "fault-in-force"
	ReasonNoSuchFault    Reason = "no-such-fault"
	ReasonDrillRunning   Reason = "drill-running"
	ReasonNoDrillRunning Reason = "no-drill-running"
	ReasonNotSteady      Reason = "not-steady"
	ReasonSpecInvalid    Reason = "spec-invalid"
	ReasonReadOnly       Reason = "read-only"
	ReasonNoSuchRevision Reason = "no-such-revision"
	ReasonOtherRevision  Reason = "other-revision"
	ReasonServes         Reason = "serves"

	ReasonCertificateMissing Reason = "certificate-missing"
	ReasonCertificateForeign Reason = "certificate-foreign"
	ReasonCertificateInvalid Reason = "certificate-invalid"
	ReasonCertificateEarly   Reason = "certificate-early"
	ReasonCertificateExpired Reason = "certificate-expired"
	ReasonRemoved            Reason = "removed"
	ReasonTokenInvalid       Reason = "token-invalid"
	ReasonTokenUnknown       Reason = "token-unknown"
	ReasonTokenExpired       Reason = "token-expired"
	ReasonTokenUsed          Reason = "token-used"
	ReasonTokenElsewhere     Reason = "token-elsewhere"
	ReasonNobodyJoins        Reason = "nobody-joins"
	ReasonNameTaken          Reason = "name-taken"
	ReasonRemoves            Reason = "removes"
	ReasonHoldsRoot          Reason = "holds-root"
	ReasonSignsElsewhere     Reason = "signs-elsewhere"

	ReasonHostUnreachable Reason = "host-unreachable"
	ReasonBusy            Reason = "busy"
	ReasonStopping        Reason = "stopping"
	ReasonNotAllowed      Reason = "not-allowed"
	ReasonNoWhy           Reason = "no-why"
	ReasonNotRecorded     Reason = "not-recorded"
	ReasonOldEpoch        Reason = "old-epoch"
	ReasonTooNew          Reason = "too-new"

	ReasonNoCoordinator Reason = "no-coordinator"
	ReasonNoQuorum      Reason = "no-quorum"
	ReasonCutOff        Reason = "cut-off"
	ReasonHostDead      Reason = "host-dead"
	ReasonAgentStopped  Reason = "agent-stopped"
)

// reasonSentences is read by Sentence and by the house test, which requires an
// entry for every constant.
var reasonSentences = map[Reason]string{
	ReasonNoSuchTarget:   "there is nothing of that name",
	ReasonWrongKind:      "this cannot be done to a target of that kind",
	ReasonOutOfRange:     "the value is out of range",
	ReasonNotConfirmed:   "it is dangerous and was not confirmed",
	ReasonNothingToDo:    "nothing to do",
	ReasonLastServing:    "it is the last one that serves; users would notice",
	ReasonNotOurs:        "the process is not run by this fleet",
	ReasonFaultInForce:   "a fault is already in force on it",
	ReasonNoSuchFault:    "there is no such fault in force",
	ReasonDrillRunning:   "a drill is under way",
	ReasonNoDrillRunning: "no drill is under way",
	ReasonNotSteady:      "the fleet is not in its steady state",
	ReasonSpecInvalid:    "the spec has errors",
	ReasonReadOnly:       "this session may only look",
	ReasonNoSuchRevision: "there is no such revision of the spec",
	ReasonOtherRevision:  "somebody else changed the spec meanwhile",
	ReasonServes:         "what goes serves users now",

	ReasonCertificateMissing: "no certificate was shown",
	ReasonCertificateForeign: "the certificate is not of this fleet",
	ReasonCertificateInvalid: "the certificate is not one that this fleet gives out",
	ReasonCertificateEarly:   "the certificate is not valid yet; the clocks of the two hosts disagree",
	ReasonCertificateExpired: "the certificate is over",
	ReasonRemoved:            "it was removed from the fleet",
	ReasonTokenInvalid:       "it is no join token",
	ReasonTokenUnknown:       "the join token is not known here",
	ReasonTokenExpired:       "the join token is over",
	ReasonTokenUsed:          "the join token was used already",
	ReasonTokenElsewhere:     "the join token is for another host",
	ReasonNobodyJoins:        "this fleet runs in one process; hosts and people join a fleet of agents",
	ReasonNameTaken:          "a host of that name is in the fleet",
	ReasonRemoves:            "it would be shut out",
	ReasonHoldsRoot:          "it is the only one that holds the authority of the fleet",
	ReasonSignsElsewhere:     "this host cannot sign that certificate",

	ReasonHostUnreachable: "the host that could do it does not answer",
	ReasonBusy:            "too much is waiting already; try again",
	ReasonStopping:        "the fleet is stopping",
	ReasonNotAllowed:      "your role does not allow it",
	ReasonNoWhy:           "it is dangerous, and nobody said why it is done",
	ReasonNotRecorded:     "it cannot be recorded, and what is not recorded is not done",
	ReasonOldEpoch:        "another coordinator acts by now, whose word counts",
	ReasonTooNew:          "the host runs a version that does not know it",

	ReasonNoCoordinator: "nobody who coordinates the fleet can be reached from here",
	ReasonNoQuorum:      "too few of the hosts that agree on it can reach each other",
	ReasonCutOff:        "the link to it is cut",
	ReasonHostDead:      "the host is dead",
	ReasonAgentStopped:  "the host's agent does not run",
}

// Sentence returns the reason in words, and the code itself for one that this
// version does not know.
func (r Reason) Sentence() string {
	if s, ok := reasonSentences[r]; ok {
		return s
	}
	return string(r)
}

// Refusal is one no: the reason, what it is about, and what to do.
type Refusal struct {
	Reason Reason `json:"reason"`
	Target id.Ref `json:"target"`
	Detail string `json:"detail,omitempty"`
	// Warning refusals do not stop a command that is confirmed.
	Warning bool `json:"warning,omitempty"`
}

// String returns the refusal as one sentence.
func (r Refusal) String() string {
	s := r.Reason.Sentence()
	if !r.Target.IsZero() {
		s = r.Target.String() + ": " + s
	}
	if r.Detail != "" {
		s += " (" + r.Detail + ")"
	}
	return s
}

// Stops reports whether any of the refusals stops a command. confirmed says
// that the person typed the confirmation, which answers warnings.
func Stops(all []Refusal, confirmed bool) bool {
	for _, r := range all {
		if !r.Warning || !confirmed {
			return true
		}
	}
	return false
}
