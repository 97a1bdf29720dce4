package seats

import (
	"slices"

	"github.com/holdfast-edge/holdfast/engine/replica"
)

// found sees to it that every group is founded once.
func (s *Seats) found(p *picture, out *Effects) {
	for _, o := range s.view.Origins {
		if o.Host != s.self || o.Founded {
			continue
		}
		if s.here(o.Group) {
			if s.write(p.now, o.Group) {
				out.Founds = append(out.Founds, Found{o.Group})
			}
			continue
		}
		if s.may(p.now, o.Group) {
			s.ask(p.now, o.Group)
			out.Creates = append(out.Creates, Create{o.Group, []replica.Seat{{Host: s.self}}})
		}
	}
	if !s.leads(Fleet) {
		return
	}
	for _, at := range p.sites {
		if at.witness || len(at.hosts) == 0 {
			continue
		}
		group := OfSite(at.site)
		was := ""
		if o := s.origin(group); o != nil {
			if o.Founded {
				continue
			}
			if p.hosts[o.Host].Joined {
				// It may have founded it already, so nobody else can.
				if o.Host != s.self && !s.leads(group) {
					s.plan(group, nil, Trouble{ReasonFounder, o.Host})
				}
				continue
			}
			was = o.Host
		}
		first := slices.IndexFunc(at.hosts, p.alive)
		if first < 0 {
			s.plan(group, nil, Trouble{ReasonNoFounder, at.site})
			continue
		}
		if s.write(p.now, group) {
			out.Names = append(out.Names, Name{group, at.hosts[first], was})
		}
	}
}

func (s *Seats) plan(group replica.GroupID, seats []replica.Seat, troubles ...Trouble) {
	s.plans = append(s.plans, Plan{group, seats, troubles})
}

func (s *Seats) origin(group replica.GroupID) *Origin {
	for i := range s.view.Origins {
		if s.view.Origins[i].Group == group {
			return &s.view.Origins[i]
		}
	}
	return nil
}

func (s *Seats) here(group replica.GroupID) bool {
	return slices.ContainsFunc(s.view.Groups, func(g replica.GroupStatus) bool { return g.Group == group })
}

func (s *Seats) leads(group replica.GroupID) bool {
	return slices.ContainsFunc(s.view.Groups, func(g replica.GroupStatus) bool { return g.Group == group && g.Leads })
}
