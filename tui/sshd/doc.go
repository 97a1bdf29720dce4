// Package sshd serves the console over SSH: the same model, the same command
// table and the same wallboard as in a terminal of the host, for people with keys
// and roles.
//
// # Who is who
//
// There are keys only. A file in the form of authorized_keys says whose, with a
// role in each line's options; a line of an authority admits certificates of it
// by their principals. Who somebody is, is the key's fingerprint, and never the
// name that the client gives. What a role may is for api.Role to say; guard.go
// holds every request of a session to it, and records it.
//
// # What a client can do to us
//
// Nothing but end itself. What it sends before a login is bounded in time, in
// number and by its source (gate.go); of what it asks afterwards, filter.go lets
// pass what a session needs and nothing else; what it does not read is dropped
// with the session (writer.go); and a session that is closed is ended at once,
// whatever its connection does (channel.go).
//
// # One picture for all
//
// The sessions share one Watch of the fleet (hub.go): twenty consoles decode one
// stream, and hold the same pictures.
//
//	server.go    Options, Serve, Close; the connection's life
//	gate.go      who may connect now: limits, failed logins per source
//	keys.go      authorized_keys: lines, options, what is wrong with them
//	grant.go     a key or a certificate, and what it may
//	keyfile.go   the file, read again when it changes
//	hostkey.go   the host's key
//	channel.go   one channel: its own context
//	filter.go    what a channel may ask for
//	session.go   console, wallboard or command line
//	people.go    who is here
//	guard.go     api.Client with a role and a record
//	hub.go       one Watch for all
//	record.go    logins and refusals on their way into the audit log
//	writer.go    writers that do not wait for those who do not read
package sshd
