// Package wall is the wallboard: one read-only screen for a monitor on the wall,
// read from across the room.
//
// Its first word is the whole message: ALL OK, 2 WARN, 1 DOWN, DRILL, STALE. The
// age of the data is always there; data older than staleAfter is called STALE in
// the largest letters, because an old green board is worse than none. It waits
// for a fleet that is not there yet and connects again by itself. Every ten
// minutes the picture moves by a column, so that no monitor keeps it.
package wall
