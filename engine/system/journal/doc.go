// Package journal is the files under a host's journal: a directory of segments,
// each created at its full length ahead of its use. What the bytes mean is
// engine/replica/journal's; this package only makes them durable, and says when it
// cannot.
//
// A write is durable when its bytes are flushed and, if it began a segment, when the
// segment's name is: the file is made ready under another name, renamed, and the
// directory flushed, before anything is written to it. A flush that failed is never
// tried again: what the disk holds then only a restart finds out. A disk that is
// full before anything was flushed is another matter, and the write may be asked
// for again.
//
// One process owns a directory, by a lock that the kernel drops with it.
package journal
