// Package journal is the format of a host's one journal, in which all its
// replicas write down what they must not forget: pure functions over bytes, and
// no files. engine/system/journal is the shell that has the files.
//
// # Layout
//
// The journal is a row of numbered segments. A segment holds batches, each
// beginning on a page of 4 KiB and padded to whole pages, so that no write ever
// touches a page that holds something acknowledged. A batch has a header with a
// checksum of its own and one of its records; the journal's generation, a random
// number that sets a journal apart from the one that was there before it; and a
// sequence number that grows by one. What is not written yet is zeros.
//
// One batch is in flight at a time: batch n is durable before n+1 is handed out.
// So whoever finds n+1 knows that n was durable once.
//
// # Recovery
//
// Recover reads all segments and tells torn from rotten. Damage with nothing
// valid behind it is the batch that was being written when the power went: it is
// cut off, and nobody was told that it was durable. Damage, or a gap in the
// sequence, with a valid batch behind it is rot: something that was
// acknowledged is gone, and whoever goes on would vote with amnesia. A mark, an
// empty batch written when nothing else follows, makes the last batch of a burst
// one that has something behind it.
//
// # Bounds
//
// A Base holds everything of a group and voids what stands before it, so the
// oldest segment is free once every group has a Base behind it. Who writes
// decides when: Tail says how many segments there are.
//
// # Not told apart
//
// Rot of the very last batch, within the moment before its mark is durable,
// looks like a torn write, and so does the loss of a whole last segment together
// with its name in the directory.
package journal
