package fleet

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/member"
)

// direction is how one site hears another, as its best placed host says.
type direction struct {
	known bool
	state member.State
	via   string
}

// hearing is how site a hears site b, by those who were heard of not long ago.
func (f *Fleet) hearing(now instant.Instant, a, b string) (d direction, ever bool) {
	rank := []member.State{member.StateAlive, member.StateCut, member.StateDead}
	for i := range f.spec.Sites {
		if f.spec.Sites[i].Name != a {
			continue
		}
		for _, h := range f.spec.Sites[i].Hosts {
			v, ok := f.sees[h.Name]
			if k := slices.IndexFunc(v.sites, func(s member.SiteStatus) bool { return s.Site == b }); ok && k >= 0 {
				ever = true
				s := &v.sites[k]
				old := now.Sub(v.at) > staleAfter || h.Name != f.options.Host && f.hosts[h.Name].gone
				if !old && (!d.known || slices.Index(rank, s.State) < slices.Index(rank, d.state)) {
					d = direction{true, s.State, s.Via}
				}
			}
		}
	}
	return d, ever
}

// drawLinks draws the links between sites of which anything was ever said.
func (f *Fleet) drawLinks(now instant.Instant, s *api.Status) {
	if f.options.Host == "" {
		return
	}
	for i := range f.spec.Sites {
		for j := range f.spec.Sites {
			if a, b := f.spec.Sites[i].Name, f.spec.Sites[j].Name; a < b {
				f.drawLink(now, s, a, b)
			}
		}
	}
	slices.SortFunc(s.Links, func(a, b api.Link) int { return cmp.Compare(a.Name, b.Name) })
}

func (f *Fleet) drawLink(now instant.Instant, s *api.Status, a, b string) {
	there, everThere := f.hearing(now, a, b)
	back, everBack := f.hearing(now, b, a)
	if !everThere && !everBack {
		return
	}
	alive := func(d direction) bool { return d.known && d.state == member.StateAlive }
	lost := func(d direction) bool { return d.known && d.state != member.StateAlive }
	state, reason, word := api.StateUnknown, "nobody who looks along it is heard of", ""
	switch {
	case lost(there) && alive(back):
		state, reason, word = api.StateDegraded, a+" does not hear "+b+", and "+b+" hears "+a, "is cut one way"
	case lost(back) && alive(there):
		state, reason, word = api.StateDegraded, b+" does not hear "+a+", and "+a+" hears "+b, "is cut one way"
	case alive(there) || alive(back):
		state, reason = api.StateOK, "heartbeats come through"
	case lost(there), lost(back):
		state, reason, word = api.StateDown, "no heartbeat comes through", "is cut"
	}
	out := api.Link{Name: api.LinkName(a, b), Sites: [2]string{a, b}, Via: cmp.Or(there.via, back.via), Latency: f.latency(a, b)}
	if state == api.StateOK {
		out.Via = ""
	}
	st := f.stand(now, id.To(id.KindLink, out.Name), state, reason)
	st.word = word
	out.State, out.Since, out.Reason = st.state, f.options.Origin.Wall(st.since), st.reason
	s.Links = append(s.Links, out)
}

// latency is how long a message and its answer take between two sites, if one of
// them is where the picture is kept: the least of all hosts there.
func (f *Fleet) latency(a, b string) time.Duration {
	_, mine := f.spec.Host(f.options.Host)
	if mine == nil || mine.Name != a && mine.Name != b {
		return 0
	}
	other := a
	if mine.Name == a {
		other = b
	}
	least := time.Duration(0)
	for i := range f.spec.Sites {
		if f.spec.Sites[i].Name != other {
			continue
		}
		for _, h := range f.spec.Sites[i].Hosts {
			if x := f.agents[h.Name]; x != nil && x.measured > 0 && (least == 0 || x.rtt < least) {
				least = x.rtt
			}
		}
	}
	return least
}
