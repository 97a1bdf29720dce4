package report_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/report"
)

// term is a coordinator or an observer, with its line if there is one.
type term struct {
	name   string
	epoch  uint64
	end    *report.PictureEnd
	shares report.Shares

	notes   []string // as they were taken: "life/number"
	reports []host.Status
	done    map[string]int // answers to orders to break something
	ordered int
	breaks  []string // orders to break something

	line     *report.Line // at the host's end; nil: none
	welcomed bool
	up, down []frame // on their way
	upEnc    report.Encoder
	downEnc  report.Encoder
	upDec    report.Decoder
	downDec  report.Decoder
}

type frame struct{ data []byte }

// theatre is a host, those who keep a picture of it, and lines that break.
type theatre struct {
	*rapid.T
	now  instant.Instant
	end  *report.HostEnd
	life uint64
	seen uint64 // the highest epoch, over the host's lives

	notes   int // of this life
	rev     uint64
	orders  map[uint64][]int // obeyed in this life, by epoch
	faults  map[string]bool  // that the host was told, and has not answered
	inForce map[string]bool
	terms   []*term
	epoch   uint64
	acting  *term // who the host says acts
}

func (th *theatre) restart() {
	for _, x := range th.terms {
		th.cut(x)
	}
	th.life++
	th.end = report.NewHostEnd(th.life, th.seen, "test")
	th.notes, th.rev = 0, th.rev+1
	th.faults, th.inForce, th.orders = map[string]bool{}, map[string]bool{}, map[uint64][]int{} // a new life may be told again
	th.end.Report(host.Status{Host: "h", Life: th.life, Rev: th.rev}, true)
}

// cut breaks a term's line: what is on its way is lost.
func (th *theatre) cut(x *term) {
	if x.line == nil {
		return
	}
	if th.end.Leave(x.line) {
		th.acting = nil
	}
	x.end.Down(th.now)
	x.line, x.welcomed, x.up, x.down = nil, false, nil, nil
}

func (th *theatre) dial(x *term) {
	if x.line != nil {
		return
	}
	x.upEnc, x.downEnc, x.upDec, x.downDec = report.Encoder{}, report.Encoder{}, report.Decoder{}, report.Decoder{}
	line, welcome, gone, called := th.end.Join(th.now, time.Unix(0, int64(th.now)), x.name, x.end.Hello(th.now))
	if len(gone) > 0 {
		th.Fatalf("a line took the place of %d others", len(gone))
	}
	x.line = line
	th.seen = max(th.seen, x.epoch)
	if called {
		if x.epoch != th.seen {
			th.Fatalf("a coordinator of epoch %d is followed; %d was seen", x.epoch, th.seen)
		}
		th.acting = x
	}
	x.up = append(x.up, frame{x.upEnc.Append(nil, welcome)})
}

func (th *theatre) pump(x *term) {
	if x.line == nil {
		return
	}
	for _, m := range th.end.Take(th.now, time.Unix(0, int64(th.now)), x.line, nil) {
		x.up = append(x.up, frame{x.upEnc.Append(nil, m)})
	}
	for _, m := range x.end.Take(th.now, nil) {
		x.down = append(x.down, frame{x.downEnc.Append(nil, m)})
	}
}

// hear delivers the next message to a term.
func (th *theatre) hear(x *term) {
	if len(x.up) == 0 {
		return
	}
	f := x.up[0]
	x.up = x.up[1:]
	m, err := x.upDec.Read(f.data[report.HeadSize:], nil, th.now)
	if err != nil {
		th.Fatalf("%v", err)
	}
	if w, ok := m.(report.Welcome); ok {
		x.welcomed = true
		for _, ev := range x.end.Welcome(th.now, w) {
			th.told(x, ev)
		}
		return
	}
	if ev := x.end.Hear(th.now, m); ev != nil {
		th.told(x, ev)
		x.end.Took()
	}
}

func (th *theatre) told(x *term, ev fleet.Event) {
	switch ev := ev.(type) {
	case fleet.Report:
		x.reports = append(x.reports, ev.Status)
	case fleet.Noted:
		if ev.Host != "h" {
			th.Fatalf("a note of %q", ev.Host)
		}
		for _, n := range ev.Notes {
			x.notes = append(x.notes, n.Event.Text)
		}
	case fleet.FaultDone:
		if x.done[ev.ID]++; x.done[ev.ID] > 1 && strings.HasPrefix(ev.ID, x.name) {
			th.Fatalf("%s was answered twice to %s", ev.ID, x.name)
		}
	case fleet.Agent:
		if ev.Host != "h" || ev.Version != "test" {
			th.Fatalf("%+v", ev)
		}
	default:
	}
}

// obey delivers the next message to the host.
func (th *theatre) obey(x *term) {
	if len(x.down) == 0 {
		return
	}
	f := x.down[0]
	x.down = x.down[1:]
	m, err := x.downDec.Read(f.data[report.HeadSize:], nil, th.now)
	if err != nil {
		th.Fatalf("%v", err)
	}
	out := th.end.Hear(th.now, x.line, m)
	if out.Do != nil && x.epoch != th.seen {
		th.Fatalf("an order of epoch %d is obeyed; %d was seen", x.epoch, th.seen)
	}
	switch do := out.Do.(type) {
	case report.Obey:
		th.orders[x.epoch] = append(th.orders[x.epoch], int(do.Cause))
	case report.Fault:
		th.faults[do.ID] = true
	default:
	}
}

func (th *theatre) begin(observer bool) {
	x := &term{name: fmt.Sprintf("t%d", len(th.terms)), done: map[string]int{}}
	if !observer {
		th.epoch++
		x.epoch = th.epoch
	}
	x.end = report.NewPictureEnd("h", report.Hello{Epoch: x.epoch}, &x.shares)
	th.terms = append(th.terms, x)
}

func (th *theatre) note() {
	var notes []host.Note
	for range rapid.IntRange(1, 3).Draw(th.T, "notes") {
		th.notes++
		notes = append(notes, host.Note{Event: api.Event{Text: fmt.Sprintf("%03d/%06d", th.life, th.notes)}})
	}
	th.end.Tell(fleet.Noted{Notes: notes})
}

// order has a term order something.
func (th *theatre) order(x *term) {
	x.ordered++
	if rapid.Bool().Draw(th.T, "a fault") {
		name := fmt.Sprintf("%s-%d", x.name, x.ordered)
		x.breaks = append(x.breaks, name)
		for _, ev := range x.end.Order(th.now, report.Fault{FaultOrder: fleet.FaultOrder{ID: name, Kind: api.FaultFreeze, Target: id.To(id.KindBackend, "b")}}) {
			th.told(x, ev)
		}
		return
	}
	x.end.Order(th.now, report.Obey{Order: host.Order{Command: api.Unforce{Backend: "b"}, Cause: api.Seq(x.ordered)}})
}

// settle lets time pass with all lines of these terms standing.
func (th *theatre) settle(terms ...*term) {
	for range 12 {
		th.now = th.now.Add(report.PingEvery)
		for range 3 {
			for _, x := range th.terms {
				if slices.Contains(terms, x) {
					th.dial(x)
				}
				th.pump(x)
				for len(x.up)+len(x.down) > 0 {
					th.hear(x)
					th.obey(x)
				}
			}
			th.answer()
		}
		for _, x := range th.terms {
			if x.end.Deadline().Reached(th.now) {
				for _, ev := range x.end.Wake(th.now) {
					th.told(x, ev)
				}
			}
		}
	}
}

// answer answers what the host was told to break.
func (th *theatre) answer() {
	for id := range th.faults {
		th.end.Tell(fleet.FaultDone{ID: id})
		delete(th.faults, id)
		th.inForce[id] = true
	}
}

// TestDelivery breaks lines, restarts the host and changes coordinators, and then
// looks at what arrived where.
func TestDelivery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th := &theatre{T: t}
		th.restart()
		th.begin(false)
		any := func() *term { return th.terms[rapid.IntRange(0, len(th.terms)-1).Draw(t, "who")] }
		for range rapid.IntRange(0, 150).Draw(t, "steps") {
			th.now = th.now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "time")))
			switch rapid.IntRange(0, 15).Draw(t, "step") {
			case 0:
				if len(th.terms) < 5 {
					th.begin(rapid.IntRange(0, 2).Draw(t, "observer") == 0)
				}
			case 1:
				th.cut(any())
			case 2:
				if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
					th.restart()
				}
			case 3, 4:
				th.order(any())
			case 5, 6:
				th.note()
			case 7:
				th.rev++
				th.end.Report(host.Status{Host: "h", Life: th.life, Rev: th.rev}, false)
			case 8:
				th.answer()
			case 9:
				x := any()
				if x.end.Deadline().Reached(th.now) {
					for _, ev := range x.end.Wake(th.now) {
						th.told(x, ev)
					}
				}
			case 10, 11:
				th.dial(any())
			default:
				x := any()
				th.pump(x)
				for range rapid.IntRange(0, 6).Draw(t, "messages") {
					th.hear(x)
					th.obey(x)
				}
			}
		}
		th.begin(false)
		newest := th.terms[len(th.terms)-1]
		th.settle(th.terms...)
		th.check(newest)
	})
}

func (th *theatre) check(newest *term) {
	taken := map[string]bool{}
	for _, x := range th.terms {
		if !slices.IsSorted(x.notes) {
			th.Fatalf("%s took notes out of order, or lives mixed: %v", x.name, x.notes)
		}
		if len(slices.Compact(slices.Clone(x.notes))) != len(x.notes) {
			th.Fatalf("%s took a note twice: %v", x.name, x.notes)
		}
		for _, n := range x.notes {
			taken[n] = taken[n] || x.epoch > 0
		}
		for _, name := range x.breaks {
			if x.done[name] != 1 {
				th.Fatalf("%s was answered %d times", name, x.done[name])
			}
		}
	}
	for epoch, all := range th.orders {
		if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
			th.Fatalf("the orders of epoch %d were obeyed as %v", epoch, all)
		}
	}
	for n := 1; n <= th.notes; n++ { // of the last life: an earlier one took its own with it
		if text := fmt.Sprintf("%03d/%06d", th.life, n); !taken[text] {
			th.Fatalf("no coordinator took note %s", text)
		}
	}
	if got := newest.reports[len(newest.reports)-1]; got.Rev != th.rev || got.Life != th.life || got.Host != "h" {
		th.Fatalf("the newest report is %+v; it should be of revision %d", got, th.rev)
	}
	// The newest coordinator's own orders arrive, and each of its faults is answered.
	first := newest.ordered + 1
	for range 5 {
		th.order(newest)
	}
	th.settle(newest)
	for n := first; n <= newest.ordered; n++ {
		name := fmt.Sprintf("%s-%d", newest.name, n)
		if _, obeyed := slices.BinarySearch(th.orders[newest.epoch], n); !obeyed && (newest.done[name] != 1 || !th.inForce[name]) {
			th.Fatalf("%s was not obeyed, and answered %d times", name, newest.done[name])
		}
	}
}
