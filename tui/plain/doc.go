// Package plain is the command line: every verb of Holdfast, one file a group.
//
// It sees the fleet through api.Client only, and makes the same api.Command that
// the console makes; api.Shell writes one as this package reads it.
//
// What it prints with -o json is a contract: the types of json.go, with what each
// field means. "holdfast help output" and the manual page print it from there,
// testdata keeps it. Exit codes are 0 done, 1 failed, 2 usage, 3 refused by a
// guard, 4 unreachable.
package plain
