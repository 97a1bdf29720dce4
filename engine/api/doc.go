// Package api is what every face may see and ask: the picture of the fleet,
// its events, the commands, the reasons for every no, and the Client through
// which all of it goes.
//
// The picture is whole and immutable: a Status is never changed after it was
// handed out, and slices may be shared between two of them. A face that wants
// to know what changed compares two pictures or reads the events.
//
// Everything here crosses sockets as JSON. Values that are sent are written out
// and never come from iota.
package api
