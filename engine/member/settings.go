package member

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Settings are the times of the decisions.
type Settings struct {
	// Beat is how often hosts of a site report to each other. Suspect is the
	// silence after which something may be wrong; Dead is the one after which
	// it is.
	Beat, Suspect, Dead time.Duration
	// FarBeat and FarDead are the same between sites.
	FarBeat, FarDead time.Duration
	Flap             Flap
}

// Flap says when a host that comes and goes is held back: when it was lost Count
// times within Window it is suspected for Hold after it came back, twice as long
// each time, up to HoldMax. Each Window of calm takes one doubling back.
type Flap struct {
	Count   int
	Window  time.Duration
	Hold    time.Duration
	HoldMax time.Duration
}

// Defaults lose a host only after five lost reports in a row, or a pause of its
// agent that users would notice too; and keep NearDetection under one second and
// FarDetection under two. More reports would find nothing sooner, and cost the
// square of a site's hosts.
func Defaults() Settings {
	return Settings{
		Beat: 150 * time.Millisecond, Suspect: 400 * time.Millisecond, Dead: 750 * time.Millisecond,
		FarBeat: 250 * time.Millisecond, FarDead: 1500 * time.Millisecond,
		Flap: Flap{Count: 3, Window: time.Minute, Hold: 5 * time.Second, HoldMax: 2 * time.Minute},
	}
}

// NearDetection is the longest time from the death of a host to the moment when
// every host of its site says so, but for the network's delay: it may have been
// heard just before, and is judged every Beat.
func (s Settings) NearDetection() time.Duration { return s.Dead + s.Beat }

// FarDetection is the longest time until every host of the fleet says so, but
// for the network's delays: the site's gateways tell the others at once, and a
// gateway that hears it late by a Beat passes it on at once too. When the whole
// site is gone, its silence is what tells.
func (s Settings) FarDetection() time.Duration {
	return max(s.NearDetection()+s.Beat, s.FarDead+s.Beat)
}

// Bounds.
const (
	// HostsMax is how many hosts of a site one view can have: with names of
	// usual length it fits one packet of 1,400 bytes. FleetMax is how many hosts
	// a fleet has. A spec with more is refused.
	HostsMax = spec.HostsMax
	FleetMax = spec.FleetHostsMax
	// GatewaysOf is how many hosts of a site talk to other sites: one may die.
	GatewaysOf = 2
	// HopsMax is how often a view is passed on: to a third site, from there to
	// the one that lost its link, and inside that.
	HopsMax = 3
)
