package seats

import (
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

// placesOf says where a group's seats are to be.
func (p *picture) placesOf(group replica.GroupID, held []holder) ([]place, []Trouble) {
	places := slices.Clone(p.sites)
	if group == Fleet {
		return places, p.fleet(places, held)
	}
	name, ok := strings.CutPrefix(string(group), SitePrefix)
	if !ok {
		return nil, nil
	}
	for i := range places {
		at := &places[i]
		if at.site != name || at.witness {
			at.hosts = nil
			continue
		}
		at.want = odd(min(len(at.hosts), VotersMax))
	}
	return places, nil
}

// fleet says how many hosts of each site vote for the whole fleet.
func (p *picture) fleet(places []place, held []holder) []Trouble {
	var data, witnesses []*place
	for i := range places {
		switch at := &places[i]; {
		case len(at.hosts) == 0:
		case at.witness:
			witnesses = append(witnesses, at)
		default:
			data = append(data, at)
		}
	}
	p.prefer(data, held)
	p.prefer(witnesses, held)
	want := min(len(data), VotersMax)
	switch {
	case len(data) == 0:
		if len(witnesses) > 0 {
			return []Trouble{{ReasonOnlyWitness, witnesses[0].site}}
		}
		return nil
	case len(data) == 1 && len(witnesses) > 0 && len(data[0].hosts) == 2:
		data[0].want, witnesses[0].want = 2, 1
		return nil
	case len(data) == 1:
		data[0].want = odd(min(len(data[0].hosts), AloneMax))
		return nil
	case want%2 == 0 && len(witnesses) > 0:
		witnesses[0].want = 1
	case want == 2:
		return two(places, held)
	default:
		want = odd(want)
	}
	for _, at := range data[:want] {
		at.want = 1
	}
	return nil
}

// prefer brings those places forward whose seats need not move.
func (p *picture) prefer(places []*place, held []holder) {
	slices.SortStableFunc(places, func(a, b *place) int { return p.reluctance(a, held) - p.reluctance(b, held) })
}

// reluctance grows with what speaks against giving a place a seat.
func (p *picture) reluctance(at *place, held []holder) int {
	holds, steady, living := false, false, slices.ContainsFunc(at.hosts, p.alive)
	for _, seat := range held {
		if slices.Contains(at.hosts, seat.Host) {
			holds = true
			steady = steady || !p.dead(seat.Host).Reached(p.now)
		}
	}
	switch {
	case holds && (steady || living):
		return 0
	case living:
		return 1
	case holds:
		return 2
	}
	return 3
}

// two gives seats to two sites that have no witness. A majority in one of them is
// all that there can be.
func two(places []place, held []holder) []Trouble {
	var sites []*place
	for i := range places {
		if at := &places[i]; !at.witness && len(at.hosts) > 0 {
			sites = append(sites, at)
		}
	}
	for i, at := range sites {
		if len(at.hosts) > 1 {
			at.want, sites[1-i].want = 2, 1
			return []Trouble{{ReasonTwoSites, at.site}}
		}
	}
	// Two hosts, and each would need the other. One alone needs nobody.
	only := sites[0]
	holds := func(at *place) bool {
		return slices.ContainsFunc(held, func(h holder) bool { return slices.Contains(at.hosts, h.Host) })
	}
	if !holds(only) && holds(sites[1]) {
		only = sites[1]
	}
	only.want = 1
	return []Trouble{{ReasonTwoSites, only.site}}
}

// odd returns the largest odd number up to n, and 0 for none.
func odd(n int) int {
	if n > 0 && n%2 == 0 {
		return n - 1
	}
	return n
}
