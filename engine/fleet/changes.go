package fleet

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
)

// settleTime is how long a fresh thing may take to become green without anybody
// hearing of it.
const settleTime = 5 * time.Second

// changeOrder is the order of changes that come together: what others follow from
// comes first.
var changeOrder = []id.Kind{id.KindHost, id.KindLink, id.KindGroup, id.KindPool, id.KindSite, id.KindClients}

// change makes an event of each host, pool, site and so on whose state changed since
// the last picture that was sent.
func (f *Fleet) change(now instant.Instant, out *Effects) {
	var changed []id.Ref
	for ref, st := range f.states {
		if (st.said != st.state || st.saidWord != st.word) && slices.Contains(changeOrder, ref.Kind) {
			changed = append(changed, ref)
		}
	}
	rank := func(ref id.Ref) int {
		if f.standsForAll(ref) {
			return -1 // its hosts follow from it
		}
		return slices.Index(changeOrder, ref.Kind)
	}
	slices.SortFunc(changed, func(a, b id.Ref) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.Name, b.Name))
	})
	for _, ref := range changed {
		st := f.states[ref]
		// That a fresh thing becomes green is no news, and neither is how.
		fresh := st.said == "" && now.Sub(st.begun) < settleTime
		if fresh && st.state != api.StateOK {
			continue
		}
		first := st.said == ""
		st.said, st.saidWord = st.state, st.word
		if first && st.state == api.StateOK {
			continue
		}
		if f.follows(ref, st) {
			continue
		}
		lane := api.LanePool
		if ref.Kind != id.KindPool {
			lane = api.LaneFleet
		}
		text := "is " + string(st.state)
		if st.word != "" {
			text = st.word
		}
		cause := f.changeCause(ref, st)
		reason := st.reason
		if _, why, ok := strings.Cut(reason, ": "); ok && st.word != "" && (ref.Kind == id.KindHost || ref.Kind == id.KindSite) {
			reason = why // the word said it
		}
		st.told = st.state
		st.saidIn = f.emit(api.Event{
			At: f.options.Origin.Wall(now), Site: f.siteOf(ref), Subject: ref, Lane: lane, State: st.state,
			Text: text, Reason: reason, Cause: cause,
		}, out).Seq
	}
	f.changeJournals(now, out)
	f.changeLeaders(now, out)
	f.changeClocks(now, out)
}

// standsForAll reports whether ref is a site that is gone as a whole, of more than one
// host: then its event stands for all of theirs.
func (f *Fleet) standsForAll(ref id.Ref) bool {
	if ref.Kind != id.KindSite || !f.siteGone(ref.Name) {
		return false
	}
	for i := range f.spec.Sites {
		if f.spec.Sites[i].Name == ref.Name {
			return len(f.spec.Sites[i].Hosts) > 1
		}
	}
	return false
}

// follows reports whether a change is told with another one: of a host or pool
// whose site is gone as a whole, and of a link to it; of a site or group that lacks
// a host which is gone; and whether it is the end of one that was.
func (f *Fleet) follows(ref id.Ref, st *standing) bool {
	of, in := false, api.Seq(0)
	site := f.states[id.To(id.KindSite, f.siteOf(ref))]
	switch ref.Kind {
	case id.KindHost:
		of, in = f.standsForAll(id.To(id.KindSite, f.siteOf(ref))) && site.word == st.word, site.saidIn
	case id.KindPool:
		of, in = f.siteGone(f.siteOf(ref)) && st.state == api.StateUnknown, site.saidIn
	case id.KindSite:
		by := f.states[st.by]
		if of = st.word == "" && st.state == api.StateDegraded && st.by.Kind == id.KindHost && by != nil && by.word != ""; of {
			in = by.saidIn
		}
	case id.KindLink:
		for _, name := range strings.SplitN(ref.Name, "--", 2) {
			if f.siteGone(name) && st.state != api.StateOK {
				of, in = true, f.states[id.To(id.KindSite, name)].saidIn
			}
		}
	case id.KindGroup:
		g, ok := f.picture.Group(ref.Name)
		of = ok && g.State == api.StateDegraded && st.told != api.StateDown && !f.ails(g)
		in = f.groupCause(ref.Name)
	case id.KindFleet, id.KindListener, id.KindBackend, id.KindClients, id.KindDrill, id.KindFault:
	}
	if of {
		st.saidIn = in
		return true
	}
	return f.options.Host != "" && st.state == api.StateOK && (st.told == "" || st.told == api.StateOK)
}

// changeCause is what led to a change of state: for a pool the newest event of its
// backends, for what is above it that thing's own event, and for what comes back
// by itself the event that said it was gone.
func (f *Fleet) changeCause(ref id.Ref, st *standing) api.Seq {
	cause := st.cause
	switch {
	case ref.Kind == id.KindGroup:
		cause = f.groupCause(ref.Name)
	case f.standsForAll(ref):
		return 0 // the world's doing
	}
	if by, ok := f.states[st.by]; ok && ref.Kind != id.KindPool {
		if cause = 0; by.state != api.StateOK || st.state == api.StateOK {
			cause = max(by.saidIn, by.cause)
		}
	}
	if cause < st.saidIn && st.state == api.StateOK {
		return st.saidIn
	}
	return cause
}
