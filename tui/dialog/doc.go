// Package dialog is what opens over a page: the plan of a command with its
// confirmation, the palette, the help that can be run, the chain of causes.
//
// A dialog is a plain value that the root keeps. It is opened inside the root's
// Update and is given every key from then on, so that what was typed ahead goes
// into it and not to the page below.
package dialog
