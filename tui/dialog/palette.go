package dialog

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Palette takes a command in the words of the command line, and completes.
type Palette struct {
	line  Line
	words []string // everything that can be typed, whole lines
	seen  []string
	at    int
	why   string
}

// paletteMost is how many completions are shown.
const paletteMost = 12

// Looks are the words of the palette that change nothing in the fleet.
var Looks = []string{"live", "at -1m", "explain", "theme dark", "theme light", "theme 16", "theme none", "ascii", "mouse on", "mouse off", "ro", "who", "help", "q"}

// NewPalette returns the palette for a picture and the names of the pages.
func NewPalette(s *api.Status, pages []string) *Palette {
	p := &Palette{words: slices.Clone(pages)}
	p.words = append(p.words, Looks...)
	if s != nil {
		p.things(s)
	}
	p.complete()
	return p
}

// things adds what can be asked of what is there.
func (p *Palette) things(s *api.Status) {
	add := func(words ...string) { p.words = append(p.words, strings.Join(words, " ")) }
	for i := range s.Sites {
		add("site", s.Sites[i].Name)
	}
	for i := range s.Pools {
		add("pool", s.Pools[i].Name)
	}
	for i := range s.Hosts {
		add("host", s.Hosts[i].Name)
		add("drain", id.To(id.KindHost, s.Hosts[i].Name).String())
		add("undrain", id.To(id.KindHost, s.Hosts[i].Name).String())
	}
	for i := range s.Drills {
		add("drill", s.Drills[i].Name)
		add("drill run", s.Drills[i].Name)
	}
	add("drill abort")
	for i := range s.Faults {
		add("fault clear", s.Faults[i].ID)
	}
	for i := range s.Backends {
		b := id.To(id.KindBackend, s.Backends[i].Name).String()
		add("backend", s.Backends[i].Name)
		add("explain", b)
		for _, verb := range []string{"drain", "undrain", "force up", "force down", "unforce", "fault kill", "fault freeze", "fault restart"} {
			add(verb, b)
		}
		add("weight", b+"=")
		add("fault slow", b, "--delay 500ms")
	}
}

// opens are first words of the palette that take any argument; whoever carries
// out the line says what is wrong with it.
var opens = []string{"q", "quit", "explain", "theme", "mouse", "site", "pool", "host", "drill", "backend", "filter", "at"}

// fuzzy says how well a line matches what was typed: 0 best, -1 not at all.
func fuzzy(want, line string) int {
	if strings.HasPrefix(line, want) {
		return 0
	}
	if i := strings.Index(line, want); i >= 0 {
		return 1 + i
	}
	cost, at := 100, 0
	for _, r := range want {
		if r == ' ' { // between words anything may stand
			continue
		}
		i := strings.IndexRune(line[at:], r)
		if i < 0 {
			return -1
		}
		cost += i
		at += i + len(string(r))
	}
	return cost
}

func (p *Palette) complete() {
	type found struct {
		line string
		cost int
	}
	want := strings.ToLower(strings.TrimLeft(p.line.String(), " "))
	var all []found
	for _, w := range p.words {
		if c := fuzzy(want, w); c >= 0 {
			all = append(all, found{w, c})
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return a.cost - b.cost })
	p.seen, p.at = p.seen[:0], -1
	for _, f := range all[:min(len(all), paletteMost)] {
		p.seen = append(p.seen, f.line)
	}
}

// Key implements Dialog.
func (p *Palette) Key(k Key) Answer {
	switch k.Name {
	case "esc", "ctrl+c":
		return Answer{Close: true}
	case "up", "ctrl+p":
		p.at = max(p.at-1, -1)
		return Answer{}
	case "down", "ctrl+n":
		p.at = min(p.at+1, len(p.seen)-1)
		return Answer{}
	case "tab":
		if len(p.seen) > 0 {
			p.line.Set(p.seen[max(p.at, 0)])
			p.complete()
		}
		return Answer{}
	case "enter":
		return p.enter()
	}
	if p.line.Key(k) {
		p.why = ""
		p.complete()
	}
	return Answer{}
}

// enter takes the chosen completion, else what was typed, else, when that is
// the beginning of exactly one line, that one.
func (p *Palette) enter() Answer {
	text := strings.TrimSpace(p.line.String())
	if p.at >= 0 && p.at < len(p.seen) {
		text = p.seen[p.at]
		if strings.HasSuffix(text, "=") { // a weight needs its number
			p.line.Set(text)
			p.complete()
			return Answer{}
		}
	}
	if text == "" {
		return Answer{Close: true}
	}
	words := strings.Fields(strings.TrimPrefix(text, "holdfast "))
	if len(words) == 0 {
		return Answer{Close: true}
	}
	if !slices.Contains(p.words, text) {
		_, err := keys.Parse(words)
		if err == keys.ErrNoCommand && !slices.Contains(opens, words[0]) {
			if len(p.seen) > 0 && strings.HasPrefix(p.seen[0], text) {
				return Answer{Close: true, Words: strings.Fields(p.seen[0])}
			}
			p.why = words[0] + ": not known here; tab completes"
			return Answer{}
		}
		if err != nil && err != keys.ErrNoCommand {
			p.why = err.Error()
			return Answer{}
		}
	}
	return Answer{Close: true, Words: words}
}

// Paste implements Dialog.
func (p *Palette) Paste(s string) {
	p.line.Insert(s)
	p.complete()
}

// See implements Dialog.
func (*Palette) See(*api.Status, time.Time) {}

// Draw implements Dialog.
func (p *Palette) Draw(all *widget.Canvas) {
	h := min(paletteMost+4, all.H-2)
	c := all.Sub((all.W-min(84, all.W-2))/2, max((all.H-h)/4, 1), min(84, all.W-2), h)
	c.Box(0, 0, c.W, c.H, theme.Title)
	c.Text(2, 0, theme.Title, " COMMAND ")
	c.Cut(2, c.H-1, c.W-4, theme.Dim, " tab completes · the same words as in a shell · acts show their plan first ")
	x := c.Text(2, 1, theme.Title, ":")
	p.line.Draw(c, x, 1, c.W-x-2, theme.Text, true)
	y := 2
	if p.why != "" {
		c.Cut(2, y, c.W-4, theme.Warn, "▲ "+p.why)
		y++
	}
	for i, s := range p.seen {
		if y >= c.H-1 {
			break
		}
		k := theme.Dim
		if i == p.at {
			k = theme.Title
			c.Put(1, y, theme.Accent, '▌')
		}
		c.Cut(3, y, c.W-5, k, s)
		y++
	}
}
