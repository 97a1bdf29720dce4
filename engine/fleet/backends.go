package fleet

import (
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// votesEvery is after how many seconds a backend's votes are drawn anew although
// none of them changed: only the latency of the newest probe differs, and there
// are as many votes as hosts times backends.
const votesEvery = 5

// drawVotes draws what each host says of a backend.
func (f *Fleet) drawVotes(sights []sight) []api.Vote {
	votes := make([]api.Vote, 0, len(sights))
	for i := range sights {
		v := &sights[i]
		votes = append(votes, api.Vote{
			Host: v.host, Measured: v.Probe.Health.Measured, Since: f.options.Origin.Wall(v.Probe.Since), Reason: v.Probe.Reason,
			Latency: v.Probe.Latency, Phase: v.Balance.Phase, Weight: v.Balance.Weight,
		})
	}
	return votes
}

func (f *Fleet) drawBackend(now instant.Instant, p *spec.Pool, b *spec.Backend, v *view) api.Backend {
	ref := id.To(id.KindBackend, b.Name)
	k := &v.sum
	out := api.Backend{
		Name: b.Name, Pool: p.Name, Site: p.Site, Host: b.Host, Address: b.AddrPort(), Weight: b.WeightNow(), SpecWeight: b.WeightNow(),
		Backup: b.Backup, Phase: k.phase, Health: k.health, Share: k.share, PID: f.processes[b.Name].PID, Votes: v.votes,
		Asked: f.operator.asked(b),
	}
	if k.strip >= 0 {
		out.Weight, out.Strip = k.weight, v.sights[k.strip].Probe.Strip
	}
	if k.drainTo != instant.Never {
		out.DrainLeft = max(k.drainTo.Sub(now), 0) // it counts down in every picture
	}
	if se, ok := f.series[ref]; ok {
		out.Traffic, out.Trend = se.traffic(), se.trend()
	}
	state, reason := k.state, k.reason
	if state == api.StateOK && out.Traffic.ErrorsPct >= 5 && out.Traffic.Errors > 0 {
		state, reason = api.StateDegraded, fmt.Sprintf("%.1f %% of its requests fail", out.Traffic.ErrorsPct)
	}
	if x := f.processes[b.Name]; x.Taken && k.fresh && out.Health.Forced == "" {
		reason = x.Reason
		if state == api.StateOK {
			state = api.StateDegraded // without a probe nobody else finds out
		}
	}
	st := f.stand(now, ref, state, reason)
	out.State, out.Since, out.Reason = st.state, f.options.Origin.Wall(st.since), st.reason
	return out
}

// summary is what the sights of a backend come to.
type summary struct {
	phase   api.Phase
	health  api.Health
	state   api.State
	reason  string
	fresh   bool // of hosts that were heard of not long ago
	weight  int
	share   float64
	drainTo instant.Instant // Never: it does not drain
	strip   int             // the sight whose strip is shown: the longest one; -1 none
}

// sum works out phase, health and state from all hosts that have a fresh report:
// the worst phase is shown, the state is down only when all agree. Without any
// fresh report the last word stands, and says so.
func sum(sights []sight) summary {
	k := summary{phase: api.PhaseOut, health: api.Combine(api.Unknown, ""), drainTo: instant.Never, strip: -1}
	if len(sights) == 0 {
		k.state, k.reason = api.StateUnknown, "no host has reported on it"
		return k
	}
	fresh := 0
	for i := range sights {
		if sights[i].from.shown {
			fresh++
		}
	}
	k.fresh = fresh > 0
	known, down := 0, 0
	var worst *sight
	for i := range sights {
		v := &sights[i]
		if k.fresh && !v.from.shown {
			continue
		}
		if v.Probe.Health.Effective != api.Unknown {
			known++
		}
		if host.PhaseState(v.Balance.Phase) == api.StateDown && v.Probe.Health.Effective != api.Unknown {
			down++
		}
		if worst == nil || rank(v) > rank(worst) {
			worst = v
		}
		k.weight = v.Balance.Weight
		k.share += v.Balance.Share
		if k.strip < 0 || len(v.Probe.Strip) > len(sights[k.strip].Probe.Strip) {
			k.strip = i
		}
		if v.Balance.DrainTo != instant.Never && v.Balance.Phase == api.PhaseDraining {
			k.drainTo = v.Balance.DrainTo
		}
	}
	if k.fresh {
		k.share /= float64(fresh)
	} else {
		k.share = 0 // nobody knows
	}
	k.phase, k.health = worst.Balance.Phase, worst.Probe.Health
	k.state, k.reason = judge(worst, fresh, known, down)
	return k
}

// judge says what the worst sight makes of a backend, when down of known hosts
// have it out.
func judge(worst *sight, fresh, known, down int) (api.State, string) {
	state, reason := host.PhaseState(worst.Balance.Phase), worst.Balance.Reason
	switch {
	case fresh == 0:
		return api.StateUnknown, "its hosts are silent; when last heard of: " + reason
	case worst.Probe.Health.Effective == api.Unknown:
		return api.StateUnknown, reason
	case state == api.StateDown && down < known:
		return api.StateDegraded, fmt.Sprintf("%s, say %d of %d hosts", reason, down, known)
	case state == api.StateDown && worst.Probe.Health.Forced != "":
		return api.StateDown, reason
	case state == api.StateDown && known > 1:
		return state, fmt.Sprintf("%s, say all %d hosts", reason, known)
	case state == api.StateOK && worst.Probe.Health.Forced != "":
		return api.StateDegraded, worst.Probe.Reason
	case state == api.StateOK && worst.Probe.Warning != "":
		return api.StateDegraded, worst.Probe.Warning
	}
	return state, reason
}

// rank orders sights by how much they matter: out, ejected, draining, the rest. A
// host that has not measured it yet has nothing to say beside others.
func rank(v *sight) int {
	switch v.Balance.Phase {
	case api.PhaseOut:
		if v.Probe.Health.Effective == api.Unknown {
			return 0
		}
		return 8
	case api.PhaseEjected:
		return 7
	case api.PhaseDraining:
		return 6
	case api.PhaseDrained:
		return 5
	case api.PhaseIdle:
		return 4
	case api.PhaseRising:
		return 3
	case api.PhaseStandby:
		return 2
	case api.PhaseServing:
		return 1
	}
	return 0
}
