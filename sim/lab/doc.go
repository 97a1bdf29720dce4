// Package lab runs the real binary against real peers: hosts are network
// namespaces joined by veth pairs, and everything in them is a process of its
// own.
//
// It needs root and Linux, and what install.sh installs. Its tests carry the
// build tag "lab", so that go test ./... needs neither; make lab runs them.
// Nothing outlives a run: Close ends every process of a Network and removes its
// namespaces, Supervise does so for a run that did not come to its end, and the
// next run for one that was killed with its supervisor.
package lab
