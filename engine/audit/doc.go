// Package audit is the log of who did what as a chain: each record carries the
// SHA-256 of the one before it, so that none can be changed, taken out or put in
// without every later one saying so.
//
// It is the sum only: entries in, lines out, lines in, verdict out. A world keeps
// the lines: in files of a state directory, or in the facts of a group of hosts,
// because what a line is depends on nothing but the chain's head, the moment and
// the entry.
//
// # The line
//
//	HASH SP BODY LF
//
// BODY is one JSON object in the one encoding that Encode makes; HASH is the
// SHA-256 of BODY in hexadecimal. BODY holds the number of the record and, as
// prev, the HASH of the line before it; the first one has zeros there. A line
// that would be encoded otherwise is broken even when it means the same.
//
// # What it does not do
//
// It keeps no secret: who may write the file can write a whole new chain, and who
// cuts the newest records off leaves a chain that is whole. Against both helps a
// hash kept elsewhere: "holdfast log verify" prints the newest one, and takes an
// older one that must still be there.
package audit
