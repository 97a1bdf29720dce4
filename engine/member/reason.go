package member

// State is how a host stands, as seen from here.
type State string

// The states of a host. They are written out because they are sent.
const (
	StateAlive     State = "alive"
	StateSuspected State = "suspected" // too early to say, or it flaps
	StateCut       State = "cut"       // it lives, and does not reach this host both ways
	StateStopped   State = "stopped"   // its agent is not running; the machine is there
	StateDead      State = "dead"      // nobody hears it
)

// Reason is why a host is in its state.
type Reason string

// The reasons.
const (
	ReasonHeard        Reason = "heard"
	ReasonSiteSays     Reason = "site-says"
	ReasonNotYet       Reason = "not-yet"
	ReasonSilent       Reason = "silent"
	ReasonNobodyHears  Reason = "nobody-hears"
	ReasonOthersHear   Reason = "others-hear"
	ReasonOneWay       Reason = "one-way"
	ReasonOnlyGossip   Reason = "only-gossip"
	ReasonGoodbye      Reason = "goodbye"
	ReasonRefused      Reason = "refused"
	ReasonHangs        Reason = "hangs"
	ReasonFlapping     Reason = "flapping"
	ReasonSiteSilent   Reason = "site-silent"
	ReasonSiteCut      Reason = "site-cut"
	ReasonSiteUnknown  Reason = "site-unknown"
	ReasonThisIsCutOff Reason = "this-is-cut-off"
)

// reasonSentences is read by Sentence and by the house test.
var reasonSentences = map[Reason]string{
	ReasonHeard:        "it is heard",
	ReasonSiteSays:     "its site says so",
	ReasonNotYet:       "it was not heard since this agent started",
	ReasonSilent:       "it has been silent for too long; nobody knows more yet",
	ReasonNobodyHears:  "nobody of its site hears it, and it did not say goodbye",
	ReasonOthersHear:   "it is not heard here, and others hear it: the link is cut",
	ReasonOneWay:       "it is heard here and does not hear this host: the link is cut one way",
	ReasonOnlyGossip:   "gossip reaches it and heartbeats do not: is their port closed?",
	ReasonGoodbye:      "its agent said goodbye",
	ReasonHangs:        "the machine answers and its agent says nothing: it hangs, or the port of heartbeats is closed",
	ReasonRefused:      "the machine answers and its agent does not run",
	ReasonFlapping:     "it was lost again and again, and has to be steady for a while",
	ReasonSiteSilent:   "nobody who is heard here hears anybody of its site",
	ReasonSiteCut:      "its site is heard by way of another site only: the link between the sites is cut",
	ReasonSiteUnknown:  "its site is silent, and no third site can say whether it is dead or cut off",
	ReasonThisIsCutOff: "this host is the one cut off",
}

// Sentence returns the reason in words.
func (r Reason) Sentence() string {
	if s, ok := reasonSentences[r]; ok {
		return s
	}
	return string(r)
}

// Isolation is how far this host itself is cut off.
type Isolation string

// The isolations. A host that is cut off gives up what needs a lease, and its
// word about others does not count.
const (
	IsolationNone  Isolation = "none"
	IsolationFleet Isolation = "fleet" // its site sees no other site, of two or more
	IsolationMute  Isolation = "mute"  // it hears others and none hears it
	IsolationAll   Isolation = "all"   // it hears nobody
)
