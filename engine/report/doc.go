// Package report is what travels between a host and whoever keeps the fleet's
// picture, the coordinator or an observer that is cut off from it, and what becomes
// of it when their line breaks.
//
// # Told
//
// HostEnd is a host's end of all its lines. Report, Tell and SetCopy say what is so
// on the host, Join and Leave when a line begins and ends, and Hear what came on
// one. PictureEnd is the other end of one host's lines, for a term. Order and
// Shares.Set are for the host; Welcome and Down say when its line begins and ends,
// Hear what came, Took that it was handed on, Wake that the deadline came.
//
// # Asks
//
// Take gives what is to be sent on a line now, for an Encoder; the other end's
// Decoder reads it. What Hear gives is to be done: at the host an order or a shared
// value, at the picture an event for the fleet. Join and Leave say when the
// coordinator is another one.
//
// # Promises
//
// Of a host's reports the newest counts: a line that is slow misses some and never
// holds the host up. What happens on a host is numbered in its life and kept, up to
// KeptMax notes, until the coordinator has taken it; it is sent again on the next
// line, to the same coordinator or to the next one, in order, and is taken at most
// once by each. Observers hear it too, and take it from nobody.
//
// Orders are numbered in a coordinator's term and kept, up to OrdersMax, until the
// host has them; a host takes each at most once, in order. One of an epoch older
// than the host has seen is refused. An order to break something that finds no line
// within FaultWait is answered in the host's place and never carried out; if it was
// under way, Adopt tells of it when the host is back. Faults that are in force and
// backends' processes are told to each coordinator and observer that connects.
//
// A report that differs from the one before it by counters only takes a few bytes
// for each counter. Instants of the host are made the receiver's by Clock, which
// keeps their order. Fields and kinds of message that are not known are skipped, a
// command that is not known is refused, and no input panics or takes more memory
// than it has bytes, but for the lists of a report, which itemsMax bounds.
//
// # Refuses
//
// It opens no connection and keeps nothing over a restart. What was taken by a
// coordinator that dies before anybody has a copy of its events is not told again.
//
// # Differs
//
// It follows no standard. Fields are tagged much as protocol buffers' are; a field
// that is absent says "as before" and not zero.
package report
