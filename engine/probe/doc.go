// Package probe decides whether a target is up, down or flapping.
//
// # Told
//
// SetSubjects says what is to be probed and for whom. Finished says what one
// probe found. Force is an operator's word. Wake says that the deadline came.
//
// # Asks
//
// Launch asks for one probe; Finished answers it. A Launch that is never
// answered counts as failed after its time-out and a grace, so a world that
// loses one does not stop the measuring. Change says that a subject's health
// is another one now.
//
// # Promises
//
// A target goes up after Rise passes in a row and down after Fall failures in a
// row, each counted anew when a result goes the other way; the first result of
// a target that was never measured decides alone, so that a fresh fleet is
// green after one probe. Each change is found within Detection or Recovery. A
// target whose probe is changed keeps its health until the new probe has counted
// against it. A forced health is used whatever is measured, and no probe undoes
// it. A target has at most one probe in flight, however many subjects share it.
// Targets are spread over their interval and each probe is jittered, so that they
// do not fall into step. The work is the same in calm and in storm: failures make
// no probe come sooner.
//
// A target that went down Flap.Count times within Flap.Window flaps: it is held
// down for Flap.Hold from then on, and twice as long each time it goes down again,
// up to Flap.HoldMax. Each whole Flap.Window that it stays up takes one doubling
// back; when none is left it has to flap anew to be held.
//
// # Refuses
//
// It sends nothing itself, and does not judge a backend by its traffic: that is
// balance. A probe that this host could not even try (Unable) changes no
// health; it is a warning, and the reason of a target that was never measured.
//
// # Differs
//
// The reference ignores a time-out that is shorter than the interval and uses
// the interval instead. Here the time-out is what it says; an interval and a
// longer time-out are fine together: the next probe begins when both the
// interval is over and the last one has ended. The reference's success of
// http_2xx and so on is accepted, and so are exact statuses and ranges.
package probe
