package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Keep is a spec that came into force, for the world to keep. One with
// api.HowStart is not of anybody's command: a world whose next start looks
// for what was applied keeps it as history only.
type Keep struct {
	Rev             uint64
	Name, Text, Dir string
	By, Why         string
	At              time.Time
	How             api.How
	Of              uint64
	Changes         []api.Change
	More            int
	// Oldest is the oldest revision that is kept from now on.
	Oldest uint64
}

// Revision is the same as others list it, with its text.
func (k Keep) Revision() api.Revision {
	return api.Revision{
		Rev: k.Rev, Name: k.Name, Dir: k.Dir, At: k.At, By: k.By, Why: k.Why, How: k.How, Of: k.Of,
		Size: len(k.Text), Changes: k.Changes, More: k.More, Text: k.Text,
	}
}

// beginRevisions takes the revisions of before, and says which number the spec has that
// the fleet begins with. What came after a revision that goes on was never
// acknowledged: its fleet died before it was in force for good.
func (f *Fleet) beginRevisions(ev SetSpec) (rev uint64, known bool) {
	if ev.Revisions != nil {
		f.revisions = slices.Clone(ev.Revisions)
		slices.SortFunc(f.revisions, func(a, b api.Revision) int { return int(min(max(int64(a.Rev)-int64(b.Rev), -1), 1)) })
	}
	newest := f.rev
	if n := len(f.revisions); n > 0 {
		newest = max(newest, f.revisions[n-1].Rev)
	}
	if ev.Rev == 0 {
		return newest + 1, false
	}
	f.revisions = slices.DeleteFunc(f.revisions, func(r api.Revision) bool { return r.Rev > ev.Rev || r.Rev == ev.Rev && r.Text != ev.Text })
	n := len(f.revisions)
	return ev.Rev, n > 0 && f.revisions[n-1].Rev == ev.Rev
}

// Started is the revision of a spec that a fleet begins with, after those of the
// fleets before it. Its name, text, author and moment are r's.
func Started(before []api.Revision, s *spec.Fleet, r api.Revision) api.Revision {
	r.Rev, r.How, r.Size = 1, api.HowStart, len(r.Text)
	if n := len(before); n > 0 {
		last := &before[n-1]
		r.Rev = last.Rev + 1
		if old, _, err := spec.ParseIn(last.Name, []byte(last.Text), last.Dir); err == nil {
			r.Changes, r.More = Changes(spec.Diff(old, s), api.RevisionChangesMax)
		}
	}
	return r
}

// enlist puts the spec that the fleet began with among the revisions.
func (f *Fleet) enlist(now instant.Instant, ev SetSpec, known bool, out *Effects) {
	if !known {
		r := Started(f.revisions, ev.Fleet, api.Revision{Name: ev.Name, Dir: ev.Dir, By: ev.By, At: f.options.Origin.Wall(now), Text: ev.Text})
		r.Rev = f.rev
		f.add(r)
		if ev.Rev == 0 {
			f.keepRevision(out)
		}
	}
	f.bound()
	out.Revisions = slices.Clone(f.revisions)
}

// add puts a revision behind the others.
func (f *Fleet) add(r api.Revision) {
	r.Size = len(r.Text)
	f.revisions = append(slices.Clip(f.revisions), r) // the world has the slice of before
	f.bound()
}

// bound forgets the oldest revisions.
func (f *Fleet) bound() {
	bytes := 0
	for _, r := range f.revisions {
		bytes += len(r.Text)
	}
	for len(f.revisions) > api.RevisionsMax || len(f.revisions) > 2 && bytes > api.RevisionBytesMax {
		bytes -= len(f.revisions[0].Text)
		f.revisions = f.revisions[1:]
	}
}

// keepRevision has the newest revision kept.
func (f *Fleet) keepRevision(out *Effects) {
	r := f.revisions[len(f.revisions)-1]
	out.Keep = &Keep{
		Rev: r.Rev, Name: r.Name, Text: r.Text, Dir: r.Dir, By: r.By, Why: r.Why, At: r.At, How: r.How, Of: r.Of,
		Changes: r.Changes, More: r.More, Oldest: f.oldest(),
	}
	out.Revisions = slices.Clone(f.revisions)
}

// oldest is the oldest revision that is kept.
func (f *Fleet) oldest() uint64 {
	if len(f.revisions) == 0 {
		return f.rev
	}
	return f.revisions[0].Rev
}

// revision is one that is kept; nil: it is not.
func (f *Fleet) revision(rev uint64) *api.Revision {
	i := slices.IndexFunc(f.revisions, func(r api.Revision) bool { return r.Rev == rev })
	if i < 0 {
		return nil
	}
	return &f.revisions[i]
}

// Changes are differences as others see them, the first of them, and how many are
// left out.
func Changes(all []spec.Change, most int) (listed []api.Change, more int) {
	for _, c := range all[:min(len(all), most)] {
		listed = append(listed, api.Change{Subject: c.Subject, Of: c.Of, Kind: api.ChangeKind(c.Kind), Field: c.Field, Before: c.Before, After: c.After})
	}
	return listed, len(all) - len(listed)
}

// weigh says what a command that brings another spec would change, and why it
// should not be done, or not without a word.
func (f *Fleet) weigh(ev Ask, receipt *api.Receipt) []api.Refusal {
	if !api.Respecs(ev.Request.Command) {
		return nil
	}
	if c, ok := ev.Request.Command.(api.Rollback); ok && c.Rev < f.rev && f.revision(c.Rev) == nil && len(c.Check(f.picture)) == 0 {
		return []api.Refusal{{Reason: api.ReasonNoSuchRevision, Detail: fmt.Sprintf("%d; holdfast history lists them", c.Rev)}}
	}
	switch {
	case ev.Spec == nil && len(receipt.Refusals) > 0:
		return nil
	case ev.Spec == nil:
		return []api.Refusal{{Reason: api.ReasonSpecInvalid, Detail: "nobody has read it"}}
	}
	receipt.Changes, receipt.More = Changes(spec.Diff(f.spec, ev.Spec), api.ChangesMax)
	return f.serving(ev.Spec)
}

// serving warns of what a spec takes from users: a listener that they use, and the
// last backend of a pool that serves. A backend that leaves beside others is no
// more than a drain: it has its pool's time for the flows that it has.
func (f *Fleet) serving(next *spec.Fleet) (warnings []api.Refusal) {
	type place struct{ pool, address string }
	stays := map[string]place{}
	takes := map[string]bool{} // pools with a backend that would take flows
	for i := range next.Pools {
		p := &next.Pools[i]
		for j := range p.Backends {
			b := &p.Backends[j]
			stays[b.Name] = place{p.Name, b.AddrPort()}
			takes[p.Name] = takes[p.Name] || b.WeightNow() > 0
		}
	}
	s := f.picture
	for i := range s.Pools {
		p := &s.Pools[i]
		serves, left := false, false
		for j := range s.Backends {
			b := &s.Backends[j]
			if b.Pool != p.Name {
				continue
			}
			serves = serves || b.Serves()
			if stays[b.Name] == (place{b.Pool, b.Address}) {
				left = left || b.Serves() || b.Phase == api.PhaseStandby
			}
		}
		if serves && (!left || !takes[p.Name]) {
			warnings = append(warnings, api.Refusal{Reason: api.ReasonLastServing, Target: id.To(id.KindPool, p.Name), Warning: true, Detail: "no backend that serves now would go on"})
		}
	}
	for i := range s.Listeners {
		l := &s.Listeners[i]
		is := next.Listener(l.Name)
		if l.Traffic.Active == 0 && l.Traffic.Requests == 0 || is != nil && is.Port == l.Port && string(is.Protocol) == l.Protocol && is.Site == l.Site {
			continue
		}
		what := "it would be gone"
		if is != nil {
			what = fmt.Sprintf("it would be %s port %d in %s", is.Protocol, is.Port, is.Site)
		}
		warnings = append(warnings, api.Refusal{Reason: api.ReasonServes, Target: id.To(id.KindListener, l.Name), Warning: true, Detail: what})
	}
	return warnings
}

// respec puts the spec of an accepted command into force, as a new revision.
func (f *Fleet) respec(now instant.Instant, ev Ask, r api.Revision, receipt api.Receipt, out *Effects) {
	cause := receipt.Seq
	before := f.spec.Name
	lost := f.setSpec(now, ev.Spec, r.Text, cause, out)
	delete(f.unkept, RecordSpec)
	r.Rev, r.By, r.Why, r.At = f.rev, short(ev.Request.By.Name), short(ev.Request.Why), f.options.Origin.Wall(now)
	r.Changes, r.More = receipt.Changes, receipt.More
	if over := len(r.Changes) - api.RevisionChangesMax; over > 0 {
		r.Changes, r.More = r.Changes[:api.RevisionChangesMax], r.More+over
	}
	f.add(r)
	f.keepRevision(out)
	text := fmt.Sprintf("revision %d is in force", f.rev)
	if r.Of > 0 {
		text += fmt.Sprintf(", with the text of revision %d", r.Of)
	}
	f.emit(api.Event{
		At: f.options.Origin.Wall(now), Subject: id.To(id.KindFleet, f.spec.Name), Lane: api.LaneFleet, State: api.StateOK,
		Text: text, Reason: said(r.Changes, r.More), Cause: cause, By: r.By, Receipt: ev.ID,
	}, out)
	f.drop(now, lost, cause, ev.ID, out)
	if before != f.spec.Name {
		f.keepWords(out) // they are kept by the fleet's name
	}
}

// said is what a revision changed, in one line.
func said(all []api.Change, more int) string {
	var b strings.Builder
	for i, c := range all {
		if i == sayMax {
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(c.Subject.String() + " " + c.String())
	}
	if n := len(all) - sayMax; n > 0 {
		more += n
	}
	if more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}
