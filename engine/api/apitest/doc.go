// Package apitest is the suite that every api.Client passes: the one in the
// process, the one over a socket, the one of the simulation.
//
// It waits for what a client shows, never for a length of time, so a fleet may
// be slow, and its time may be virtual. What is too late is only what has not
// come after Patience.
package apitest
