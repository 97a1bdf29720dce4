// Package page is the console's pages, one a file. A page draws the picture that
// it is given on a canvas and keeps small view state of its own: what is
// selected, how it is sorted. It asks nobody for the time, starts nothing, and
// knows no other page.
//
// # To add a page
//
// Write tui/page/NAME.go with a type that implements Page, and add one line to
// the list in tui/pages.go: its place there is its number key. Then:
//
//   - Draw into the canvas that is given; its size is the page's. Use
//     widget.Fit for tables, so that columns leave by priority, and Rows for
//     selection, filter, sort and mouse.
//   - Return from Target what is selected. The acts of keys on that kind of
//     thing (drain, force, faults …) then work on the page without more.
//   - Ask for anything else through the Context: Goto, Ask, Say.
//   - Show only what api.Status has. A figure that it does not have is not on
//     the screen.
//   - Add the page's keys, if it has any of its own, to the table in tui/keys.
//   - Add it to the frames of tui/frame_test.go and run go test ./tui -update.
package page
