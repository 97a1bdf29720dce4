package sim

// The fault budget: what nature may do at once, so that what the checkers
// require stays true. Beyond it nothing is promised.
//
//   - A host that crashes loses all it knows, and no more than all hosts but one
//     are down at a time: with none, nobody serves, and nothing is there to check.
//   - Where the knob Flat says so, one backend of a pool is hurt at a time; else
//     all of them may be.
//   - Reports of hosts may be lost, late, doubled and out of order. Messages to
//     hosts, notes and answers are held up by a cut and not lost while their
//     receiver lives: each world carries them over an ordered channel.
//   - The result of a probe may be lost. So may, with their host, all flows.
//   - A loop may stand still for a few seconds. The fleet's loop may die for good;
//     then only what hosts and keepers do by themselves is promised.

// mayCrash reports whether one more host may go.
func (w *World) mayCrash() bool {
	up := 0
	for _, h := range w.hosts {
		if !h.down {
			up++
		}
	}
	return up > 1
}

// victim draws a backend that nature may hurt; nil when the budget allows none.
func (w *World) victim() *process {
	if len(w.keeper.children) == 0 {
		return nil
	}
	p := w.keeper.children[w.rand.IntN(len(w.keeper.children))]
	if p.hurt() {
		return nil
	}
	if w.knobs.Flat {
		for _, other := range w.keeper.children {
			if other.pool == p.pool && (other.hurt() || other.fault() != nil) {
				return nil
			}
		}
	}
	return p
}

// hurt reports whether nature is at it already, or it is not there to be hurt.
func (p *process) hurt() bool { return !p.running || p.frozen || p.delay > 0 || p.errors }
