package theme

import "strings"

// Token is what a piece of the screen means. Pages speak in tokens only; what
// one looks like is the theme's business.
type Token uint8

// The tokens.
const (
	Text   Token = iota // values
	Title               // names, heads
	Dim                 // labels, units, limits
	Faint               // rules, empty bars
	OK                  // healthy
	Warn                // look soon
	Crit                // act now
	Badge               // act now, the worst of a list: a filled badge
	Accent              // selection, events
	Info                // in progress
	Maint               // a person did it
	Spark               // graphs
	Mode                // where am I: PROD, a running drill, the focused button
	Ghost               // what is behind a dialog
	tokens              // how many there are
)

// Palette is a set of colours.
type Palette string

// The palettes.
const (
	Dark    Palette = "dark"
	Light   Palette = "light"
	Sixteen Palette = "16"
	None    Palette = "none"
)

// Palettes lists the palettes, as :theme takes them.
func Palettes() []Palette { return []Palette{Dark, Light, Sixteen, None} }

// sgr are the parameters of SGR (ECMA-48 section 8.3.117) for each token. The
// numbers of the 256-colour cube are the truth; the table with their contrasts
// is in the package's documentation.
var sgr = map[Palette][tokens]string{
	Dark: {
		Title: "1;38;5;255", Dim: "38;5;245", Faint: "38;5;240", OK: "38;5;108", Warn: "38;5;221",
		Crit: "1;38;5;203", Badge: "1;38;5;16;48;5;203", Accent: "38;5;110", Info: "38;5;73",
		Maint: "38;5;139", Spark: "38;5;66", Mode: "7", Ghost: "38;5;240",
	},
	Light: {
		Title: "1;38;5;232", Dim: "38;5;242", Faint: "38;5;249", OK: "38;5;22", Warn: "38;5;94",
		Crit: "1;38;5;124", Badge: "1;38;5;231;48;5;124", Accent: "38;5;26", Info: "38;5;24",
		Maint: "38;5;96", Spark: "38;5;109", Mode: "7", Ghost: "38;5;249",
	},
	Sixteen: {
		Title: "1", Dim: "2", Faint: "2", OK: "32", Warn: "33", Crit: "1;91", Badge: "1;30;101",
		Accent: "36", Info: "36", Maint: "35", Spark: "2", Mode: "7", Ghost: "2",
	},
	None: {
		Title: "1", Dim: "2", Faint: "2", Warn: "1", Crit: "1;4", Badge: "1;7", Accent: "1",
		Spark: "2", Mode: "7", Ghost: "2",
	},
}

// Theme is a palette and a set of glyphs, ready to be written.
type Theme struct {
	Palette Palette
	// ASCII replaces every glyph by one of ASCII, for consoles without the
	// font and for terminals that draw ambiguous widths two cells wide.
	ASCII  bool
	prefix [tokens]string
}

// New makes a theme. An unknown palette is Dark.
func New(p Palette, ascii bool) *Theme {
	codes, ok := sgr[p]
	if !ok {
		p, codes = Dark, sgr[Dark]
	}
	t := &Theme{Palette: p, ASCII: ascii}
	for i, c := range codes {
		t.prefix[i] = "\x1b[m"
		if c != "" {
			t.prefix[i] = "\x1b[0;" + c + "m"
		}
	}
	return t
}

// Prefix is the escape sequence that begins a run of the token. It resets what
// came before.
func (t *Theme) Prefix(k Token) string { return t.prefix[k] }

// Plain reports whether a blank of the token looks like no blank at all, so
// that it may be left out at the end of a line.
func Plain(k Token) bool { return k != Badge && k != Mode }

// ParsePalette reads what a person typed after :theme or --theme.
func ParsePalette(s string) (Palette, bool) {
	for _, p := range Palettes() {
		if strings.EqualFold(s, string(p)) {
			return p, true
		}
	}
	return "", false
}
