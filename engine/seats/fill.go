package seats

import (
	"slices"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

// fill says who is to have a seat, when held are those who have one and may keep
// it. first tells which of a place's holders is kept before which.
func (p *picture) fill(held []holder, places []place, tried func(string) bool, first func(a, b holder) int) ([]replica.Seat, []Trouble) {
	var kept, spare, added []holder
	var troubles []Trouble
	total := 0
	for _, at := range places {
		total += at.want
		var mine []holder
		for _, seat := range held {
			if seat.Witness == at.witness && slices.Contains(at.hosts, seat.Host) {
				mine = append(mine, seat)
			}
		}
		slices.SortStableFunc(mine, first)
		free := slices.DeleteFunc(slices.Clone(at.hosts), func(h string) bool {
			return !p.alive(h) || tried(h) || slices.ContainsFunc(held, func(o holder) bool { return o.Host == h })
		})
		for i, seat := range mine {
			switch {
			case i >= at.want:
				spare = append(spare, seat)
				continue
			case !p.dead(seat.Host).Reached(p.now):
			case len(free) == 0:
				troubles = append(troubles, Trouble{ReasonNobody, seat.Host})
			default:
				seat.Host, free = free[0], free[1:]
			}
			if seat.learns {
				added = append(added, seat)
			} else {
				kept = append(kept, seat)
			}
		}
		for n := len(mine); n < at.want && len(free) > 0; n++ {
			added = append(added, holder{Seat: replica.Seat{Host: free[0], Witness: at.witness}})
			free = free[1:]
		}
	}
	// Nobody goes for whom nobody comes.
	slices.SortStableFunc(spare, first)
	for _, seat := range spare {
		if len(kept)+len(added) < total {
			kept = append(kept, seat)
		}
	}
	// An even number survives no more than the odd one below it.
	if len(added) > 0 && (len(kept)+len(added))%2 == 0 {
		added = added[:len(added)-1]
	}
	var seats []replica.Seat
	for _, h := range append(kept, added...) {
		seats = append(seats, h.Seat)
	}
	return seats, troubles
}
