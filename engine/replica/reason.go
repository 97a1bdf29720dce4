package replica

// Reason is why something was not done, or what a note is about.
type Reason string

// The reasons.
const (
	ReasonNoGroup        Reason = "no-group"
	ReasonExists         Reason = "exists"
	ReasonSeats          Reason = "seats"
	ReasonNotLeader      Reason = "not-leader"
	ReasonNoLeader       Reason = "no-leader"
	ReasonNoQuorum       Reason = "no-quorum"
	ReasonUnknown        Reason = "unknown"
	ReasonBusy           Reason = "busy"
	ReasonTooLarge       Reason = "too-large"
	ReasonWitness        Reason = "witness"
	ReasonLost           Reason = "lost"
	ReasonRemoved        Reason = "removed"
	ReasonHalted         Reason = "halted"
	ReasonJournalFull    Reason = "journal-full"
	ReasonJournalSlow    Reason = "journal-slow"
	ReasonJournalFailed  Reason = "journal-failed"
	ReasonJournalRotten  Reason = "journal-rotten"
	ReasonChangePending  Reason = "change-pending"
	ReasonUnheard        Reason = "unheard"
	ReasonKind           Reason = "kind"
	ReasonNotElectable   Reason = "not-electable"
	ReasonTransferFailed Reason = "transfer-failed"
	ReasonLeads          Reason = "leads"
	ReasonRefill         Reason = "refill"
	ReasonRefused        Reason = "refused"
)

var sentences = map[Reason]string{
	ReasonNoGroup:        "this host has no replica of the group; ask a host that has",
	ReasonExists:         "this host has a replica of the group already",
	ReasonSeats:          "the seats cannot be: every host once, at least one voter that is no witness, and no more than the limit",
	ReasonNotLeader:      "another host leads the group; ask it",
	ReasonNoLeader:       "the group has no leader, so nothing was done; most of its voters must reach each other",
	ReasonNoQuorum:       "no majority of the group's voters could be asked in time",
	ReasonUnknown:        "nobody confirmed it in time: it may have been carried out or not, or may still be",
	ReasonBusy:           "too many requests wait already; try again",
	ReasonTooLarge:       "it is larger than the limit",
	ReasonWitness:        "this host is a witness of the group and has no data; ask another",
	ReasonLost:           "this host lost its memory of the group and waits to be refilled",
	ReasonRemoved:        "this host was removed from the group",
	ReasonHalted:         "the replica stopped, as it met what must not be; the others go on; keep its journal and report it",
	ReasonJournalFull:    "the journal's disk is full: this host leads nothing and acknowledges nothing until there is room",
	ReasonJournalSlow:    "the journal's disk takes too long: this host leads nothing until it answers",
	ReasonJournalFailed:  "the journal's disk failed a write: this host takes part in nothing until it is restarted",
	ReasonJournalRotten:  "the journal lost something that was acknowledged: this host votes no more as who it was, and asks to be refilled",
	ReasonChangePending:  "another change of the members is not finished",
	ReasonUnheard:        "a new host has not been heard yet and was greeted; try again when it answers",
	ReasonKind:           "a member cannot become a witness in place, nor a witness more than that; take its host out first, then in again",
	ReasonNotElectable:   "only a voter with data can lead",
	ReasonTransferFailed: "the other host did not take the lead in time",
	ReasonLeads:          "this host leads the group",
	ReasonRefill:         "a member lost its memory and is replaced by a new one on the same host",
	ReasonRefused:        "a frame of another host makes no sense and was dropped",
}

// Reasons lists them all, in no order.
func Reasons() []Reason {
	all := make([]Reason, 0, len(sentences))
	for r := range sentences {
		all = append(all, r)
	}
	return all
}

// Sentence says a reason to people.
func (r Reason) Sentence() string { return sentences[r] }
