package seats

// Reason is what is wrong with a group's seats.
type Reason string

// The reasons.
const (
	ReasonTwoSites    Reason = "two-sites"
	ReasonOneVoter    Reason = "one-voter"
	ReasonThin        Reason = "thin"
	ReasonKept        Reason = "kept"
	ReasonNobody      Reason = "nobody"
	ReasonJoining     Reason = "joining"
	ReasonRefused     Reason = "refused"
	ReasonFounder     Reason = "founder"
	ReasonNoFounder   Reason = "no-founder"
	ReasonOnlyWitness Reason = "only-witness"
	ReasonNoHost      Reason = "no-host"
)

var sentences = map[Reason]string{
	ReasonTwoSites:    "two sites, and no witness in a third place: if this site is lost, nothing of the fleet can be changed until a person acts; both go on serving",
	ReasonOneVoter:    "one host alone keeps the group: while it is away, nothing of it can be changed, and its disk is the only one",
	ReasonThin:        "a seat's host is away, and the group stops if one more goes",
	ReasonKept:        "the host is to leave and keeps its seat for now: without it too few voters would be alive and caught up",
	ReasonNobody:      "the host is dead and keeps its seat: no other host of its place is alive",
	ReasonJoining:     "the host is being brought up to date and votes after that",
	ReasonRefused:     "the last change was refused, and is asked for again",
	ReasonFounder:     "the group waits for the host that founds it; if the host will not come, remove it from the fleet",
	ReasonNoFounder:   "no host of the site is alive that could found its group",
	ReasonOnlyWitness: "only hosts of witness sites could vote, and somebody has to keep the data",
	ReasonNoHost:      "no host of the spec can have a seat, so the group stays as it is",
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
