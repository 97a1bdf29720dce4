// Package shot makes pictures of a terminal's screen: the bytes of a program go
// through a terminal emulator, and its cells become an SVG that needs no font
// file, no script and no page around it.
//
// Lines, blocks and shades are drawn as rectangles, never as text, because fonts
// differ in where they put them. Text is one element a word, each as long as its
// cells, so that nothing drifts off the grid whatever font is there.
//
// Package shoot, below, runs the built program in a pseudo-terminal for this.
package shot
