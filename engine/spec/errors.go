package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing wrong with a spec.
type Error struct {
	File   string
	Line   int    // from 1; 0 when the whole file is meant
	Column int    // from 1
	Path   string // pools[2].backends[0].weight
	Text   string // what is wrong
	Want   string // what was expected
}

// Error returns file:line:column, what is wrong and what was expected.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Text)
	if e.Want != "" {
		b.WriteString("; " + e.Want)
	}
	return b.String()
}

// errorsShown bounds what Errors prints: past it, the first ones have to be
// mended anyway.
const errorsShown = 20

// errorsKept bounds what is collected from one file.
const errorsKept = 100

// Errors is everything that is wrong with a spec, in the order of the file.
type Errors []Error

// Error returns one line per error.
func (e Errors) Error() string {
	var b strings.Builder
	for i, one := range e {
		if i == errorsShown {
			fmt.Fprintf(&b, "\nand %d more", len(e)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(one.Error())
	}
	return b.String()
}

// Sorted puts errors in the order of the file.
func (e Errors) Sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return e
}

// quote prints text from a file such that no control character reaches a
// terminal and nothing grows without bound.
func quote(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// nearest returns " (did you mean …?)" for the candidate within two edits.
func nearest(word string, candidates []string) string {
	best, distance := "", 3
	for _, c := range candidates {
		if d := edits(word, c, distance); d < distance {
			best, distance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// edits is the Levenshtein distance of two words, or limit when it is at least
// that.
func edits(a, b string, limit int) int {
	if len(a) > 80 || len(b) > 80 || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, above+1, row[j]+1)
			diagonal = above
		}
	}
	return min(row[len(b)], limit)
}
