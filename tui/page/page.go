package page

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/widget"
)

// Page is one screen of the console.
type Page interface {
	// Name is the page's word in routes, crumbs and the palette.
	Name() string
	// Title is the page's word in the row of screens, and a shorter one.
	Title() (long, short string)
	// Draw draws the page. The canvas is the page's whole area.
	Draw(x *Context, c *widget.Canvas)
	// Do carries out an action that the root leaves to pages: movement, open,
	// sort, panes. It reports whether it meant anything here.
	Do(x *Context, a keys.Action) bool
	// Target is what is selected; the zero Ref without anything.
	Target(x *Context) id.Ref
	// Open goes to a thing, and reports whether the page has it.
	Open(x *Context, ref id.Ref) bool
	// Crumb is what is opened, for the head of the screen; "" for the list.
	Crumb(x *Context) string
	// Close leaves what is opened and reports whether there was anything.
	Close(x *Context) bool
	// Click selects what a mouse met, by what Draw said is there.
	Click(x *Context, what string) bool
	// Scopes are the page's own scopes of keys.
	Scopes() []keys.Scope
	// Words is the command that prints in a shell what the page shows, without
	// the program's name.
	Words(x *Context) []string
}

// Context is what a page may see and ask. The root owns it and hands out the
// same one; a page does not keep it.
type Context struct {
	Status *api.Status
	Events []api.Event // oldest first; bounded by api.EventRing
	// Now is the time of the picture: the clock's while it is live, the
	// picture's own while the console looks at the past.
	Now  time.Time
	Live bool
	// ReadOnly sessions may only look.
	ReadOnly bool
	Filter   Filter
	Wide     bool
	HideOK   bool
	// Staged are weights that were edited and not applied, by backend.
	Staged map[string]int
	// Goto goes to the page that shows a thing.
	Goto func(id.Ref)
	// Ask opens the plan of a command.
	Ask func(api.Command)
	// Say puts a sentence into the status line.
	Say func(string)
}

// EventBySeq returns the event of that number, when it is still kept.
func (x *Context) EventBySeq(seq api.Seq) (api.Event, bool) {
	lo, hi := 0, len(x.Events)
	for lo < hi {
		mid := (lo + hi) / 2
		if x.Events[mid].Seq < seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(x.Events) && x.Events[lo].Seq == seq {
		return x.Events[lo], true
	}
	return api.Event{}, false
}

// ChainMax bounds a chain of causes: longer ones are cut, and a loop, which
// must not be, ends.
const ChainMax = 12

// Chain returns an event and what led to it, the first cause first.
func (x *Context) Chain(seq api.Seq) []api.Event {
	var chain []api.Event
	for seq != 0 && len(chain) < ChainMax {
		e, ok := x.EventBySeq(seq)
		if !ok {
			break
		}
		chain = append(chain, e)
		if e.Cause >= seq {
			break
		}
		seq = e.Cause
	}
	for i, j := 0, len(chain)-1; i < j; i, j = i+1, j-1 {
		chain[i], chain[j] = chain[j], chain[i]
	}
	return chain
}

// Clock writes the time of day in UTC.
func Clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// ClockMillis writes the time of day in UTC with milliseconds.
func ClockMillis(t time.Time) string { return t.UTC().Format("15:04:05.000") }
