// Package metrics serves a fleet's picture to machines: /metrics in the text
// format of Prometheus (version 0.0.4), /live and /ready for supervisors.
//
// It reads api.Client like every face and counts nothing itself, so a scrape and
// a screen of the same moment agree. All labels are names from the spec and words
// of closed sets; nothing that a user of the service sends becomes a label, so
// the number of series grows with the spec only.
//
// The endpoint is read-only and asks nobody who he is: bind it to an address that
// only the monitoring reaches.
package metrics
