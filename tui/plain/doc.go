// Package plain is the command line: every verb of Holdfast, one file a group.
//
// It sees the fleet through api.Client only. What it prints with -o json is
// stable: fields are added, never renamed. See JSON in json.go.
//
// Exit codes: 0 done, 1 failed, 2 usage, 3 refused by a guard, 4 unreachable.
package plain
