// Package spec is the desired fleet: what a profile says in YAML, checked
// whole or refused whole.
//
// Parse reads a text, fills in every default, and returns either a Fleet that is
// complete and consistent, or all the errors it found, each with
// file:line:column, what was wrong and what was expected. Whatever the text is, it
// does so within bounded time and memory and never panics.
package spec
