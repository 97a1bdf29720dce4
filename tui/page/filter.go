package page

import (
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Filter is what / asks for: every word must hold. text is part of a name or a
// reason, !text is not, state:warn and site:tokyo are fields; ! goes with them
// too.
type Filter struct {
	Text  string
	terms []term
}

type term struct {
	field, want string
	not         bool
}

// ParseFilter reads a filter. Any text is one.
func ParseFilter(s string) Filter {
	f := Filter{Text: strings.TrimSpace(s)}
	for _, w := range strings.Fields(strings.ToLower(s)) {
		var t term
		if rest, not := strings.CutPrefix(w, "!"); not {
			w, t.not = rest, true
		}
		if field, want, ok := strings.Cut(w, ":"); ok && slices.Contains([]string{"state", "site", "pool", "host", "lane"}, field) {
			t.field, w = field, want
		}
		if t.want = w; w != "" {
			f.terms = append(f.terms, t)
		}
	}
	return f
}

// Subject is what a filter looks at.
type Subject struct {
	State api.State
	Word  string // the state's word on the screen
	Site  string
	Pool  string
	Host  string
	Lane  string
	Text  []string
}

// Match reports whether every word of the filter holds.
func (f Filter) Match(s Subject) bool {
	for _, t := range f.terms {
		if t.holds(s) == t.not {
			return false
		}
	}
	return true
}

func (t term) holds(s Subject) bool {
	switch t.field {
	case "state":
		word := strings.ToLower(s.Word)
		return strings.HasPrefix(word, t.want) || strings.HasPrefix(string(s.State), t.want) ||
			t.want == "warn" && s.State == api.StateDegraded
	case "site":
		return strings.HasPrefix(s.Site, t.want)
	case "pool":
		return strings.HasPrefix(s.Pool, t.want)
	case "host":
		return strings.HasPrefix(s.Host, t.want)
	case "lane":
		return strings.HasPrefix(s.Lane, t.want)
	}
	for _, text := range s.Text {
		if strings.Contains(strings.ToLower(text), t.want) {
			return true
		}
	}
	return strings.Contains(strings.ToLower(s.Word), t.want)
}
