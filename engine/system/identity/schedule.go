package identity

import "time"

// How a certificate is renewed.
const (
	renewAt     = 2.0 / 3  // of its life
	renewJitter = 1.0 / 12 // of its life, earlier; hosts that joined together do not ask together
	retryFirst  = 30 * time.Second
	retryMax    = 15 * time.Minute // dozens of tries are left in the last third of a day
	lateShare   = 1.0 / 6          // of its life that is left when somebody should look
)

// Schedule is when a certificate is renewed.
type Schedule struct {
	From, Until time.Time
	Jitter      float64   // in [0, 1), drawn once by who keeps it
	Failures    int       // since the last one that was got
	Tried       time.Time // the last failure
}

// Next is when to ask for the next certificate. It never stops asking.
func (s Schedule) Next() time.Time {
	life := float64(s.Until.Sub(s.From))
	due := s.From.Add(time.Duration(life * (renewAt - renewJitter*s.Jitter)))
	if s.Failures == 0 {
		return due
	}
	wait := retryMax
	if s.Failures < 10 { // 30 s doubled ten times is far beyond the most
		wait = min(retryFirst<<(s.Failures-1), retryMax)
	}
	// Half of the jitter's range on each side, so that who failed together does
	// not come back together.
	wait = time.Duration(float64(wait) * (0.75 + s.Jitter/2))
	if again := s.Tried.Add(wait); again.After(due) {
		return again
	}
	return due
}

// Failed is the schedule after a try at now that got nothing.
func (s Schedule) Failed(now time.Time) Schedule {
	s.Failures++
	s.Tried = now
	return s
}

// Stage is how a certificate stands.
type Stage string

// The stages.
const (
	StageFresh   Stage = "fresh"   // there is nothing to do
	StageDue     Stage = "due"     // the next one is asked for
	StageLate    Stage = "late"    // the next one should be here; a person should look
	StageExpired Stage = "expired" // nobody accepts it but for its renewal
)

// Stage returns how the certificate stands at now.
func (s Schedule) Stage(now time.Time) Stage {
	switch life := s.Until.Sub(s.From); {
	case now.After(s.Until):
		return StageExpired
	case s.Until.Sub(now) < time.Duration(float64(life)*lateShare):
		return StageLate
	case s.Failures > 0 || !now.Before(s.Next()):
		return StageDue
	}
	return StageFresh
}
