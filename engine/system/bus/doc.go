// Package bus hands the pictures and events of one fleet to whoever watches it.
// The worlds publish to it; it has the part of api.Client that looks.
package bus
