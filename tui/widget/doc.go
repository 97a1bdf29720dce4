// Package widget draws on a grid of cells: text that is cut and never wraps,
// tables whose columns go by priority, sparklines, areas, bars, strips, lanes
// and big digits.
//
// A Canvas rather than strings: a frame has exactly its rows and none is wider
// than its columns by construction, a dialog is drawn over a page without
// cutting escape sequences apart, what a mouse hits is known, and a page can be
// turned into a picture without a terminal. All text that enters goes through
// one door, which lets no control character and no cluster of several runes
// through: names and error messages come from outside.
package widget
