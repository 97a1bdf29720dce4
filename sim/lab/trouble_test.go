//go:build lab

package lab_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab"
)

// trouble is one fault of a random round.
type trouble struct {
	what  string
	begin func() error
	end   func() error
	hurt  []*lab.Host // whose users may notice
	away  []*lab.Site // whose facts may be out of reach
	all   bool        // nobody's facts need be in reach
}

// draw draws a fault. Those of one round may meet: whoever is killed and paused is
// dead, and full.
func (r *running) draw(random *rand.Rand) trouble {
	hosts := r.All()
	host := func() *lab.Host { return hosts[random.IntN(len(hosts))] }
	site := func() *lab.Site { return r.Sites[random.IntN(len(r.Sites))] }
	other := func(s *lab.Site) *lab.Site { return r.others(s)[random.IntN(len(r.Sites)-1)] }
	links := func(x trouble, faults ...lab.LinkFault) trouble {
		var heal func() error
		var what []string
		for _, f := range faults {
			what = append(what, f.String())
		}
		x.what = strings.Join(what, ", ")
		x.begin = func() (err error) { heal, err = r.Break(faults...); return err }
		x.end = func() error { return heal() }
		return x
	}
	kill := func(what string, all ...*lab.Host) trouble {
		return trouble{
			what: what, hurt: all,
			begin: func() error { return each(all, func(h *lab.Host) error { return r.agents[h].Kill() }) },
			end: func() error {
				return each(all, func(h *lab.Host) error {
					if r.agents[h].Runs() { // two troubles met
						return nil
					}
					return r.agents[h].Start()
				})
			},
		}
	}
	switch random.IntN(14) {
	case 0, 1:
		h := host()
		return kill("kill "+h.Name, h)
	case 2:
		h := r.acting()
		return kill("kill the coordinator "+h.Name, h)
	case 3:
		s := site()
		x := kill("kill site "+s.Name, s.Hosts...)
		x.away = []*lab.Site{s}
		return x
	case 4: // beyond what a majority survives
		var some []*lab.Host
		for _, h := range hosts {
			if random.IntN(3) > 0 {
				some = append(some, h)
			}
		}
		x := kill(fmt.Sprintf("kill %v", some), some...)
		x.all = true
		return x
	case 5:
		s := site()
		return links(trouble{away: []*lab.Site{s}}, lab.Cut(s, r.others(s)[0]), lab.Cut(s, r.others(s)[1]))
	case 6:
		s := site()
		o := other(s)
		// Who cannot reach the leader, and hears it, is as good as cut off.
		return links(trouble{away: []*lab.Site{s, o}}, lab.CutOneWay(s, o))
	case 7:
		h := host()
		return links(trouble{hurt: []*lab.Host{h}, away: []*lab.Site{h.Site()}}, lab.Cut(h, lab.Everywhere))
	case 8:
		h := host()
		x := lab.CutOneWay(h, lab.Everywhere)
		if random.IntN(2) == 0 {
			x = lab.CutOneWay(lab.Everywhere, h)
		}
		return links(trouble{hurt: []*lab.Host{h}, away: []*lab.Site{h.Site()}, all: true}, x)
	case 9:
		s := site()
		o := other(s)
		return links(trouble{all: true}, lab.LinkFault{From: s, To: o, Drop: 0.02 + 0.2*random.Float64()})
	case 10:
		s := site()
		return links(trouble{all: true}, lab.LinkFault{From: s, To: other(s), Delay: time.Duration(random.IntN(150)) * time.Millisecond, Jitter: time.Duration(random.IntN(100)) * time.Millisecond})
	case 11:
		h := host()
		if random.IntN(2) == 0 {
			h = r.acting()
		}
		return trouble{
			what: "pause " + h.Name, hurt: []*lab.Host{h},
			begin: func() error { return r.ifRuns(h, (*lab.Process).Pause) },
			end:   func() error { return r.ifRuns(h, (*lab.Process).Resume) },
		}
	case 12:
		h := host()
		return trouble{what: "full disk of " + h.Name, begin: r.agents[h].Disk.Fill, end: r.agents[h].Disk.Free}
	default:
		h, by := host(), time.Duration(random.IntN(7200)-3600)*time.Second
		return trouble{
			what: fmt.Sprintf("clock of %s by %v", h, by),
			// Certificates may not be valid by its clock.
			away:  []*lab.Site{h.Site()},
			begin: func() error { return r.stepClock(h, by) },
			end:   func() error { return r.stepClock(h, 0) },
		}
	}
}

// ifRuns does something to a host's agent unless another trouble killed it.
func (r *running) ifRuns(h *lab.Host, do func(*lab.Process) error) error {
	if !r.agents[h].Runs() {
		return nil
	}
	return do(r.agents[h].Process())
}

func (r *running) stepClock(h *lab.Host, by time.Duration) error {
	return r.ifRuns(h, func(p *lab.Process) error { return p.StepClock(by) })
}

func each(all []*lab.Host, do func(*lab.Host) error) error {
	for _, h := range all {
		if err := do(h); err != nil {
			return fmt.Errorf("%s: %w", h, err)
		}
	}
	return nil
}

// reach are the sites whose clients must get writes acknowledged under troubles.
// With more than one at a time nothing is asked of anybody, but that it heals.
func (r *running) reach(all []trouble) []*lab.Site {
	if len(all) != 1 || all[0].all {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.Sites), func(s *lab.Site) bool { return slices.Contains(all[0].away, s) })
}
