// Package lab runs the real binary against real peers: hosts are network
// namespaces joined by veth pairs, and everything in them is a process of its
// own.
//
// It needs root and Linux, and what install.sh installs. Its tests carry the
// build tag "lab", so that go test ./... needs neither; make lab runs them.
// Nothing outlives a Network: Close ends every process it started and removes
// its namespaces, and New removes what a killed run left behind.
package lab
