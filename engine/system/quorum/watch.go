package quorum

import (
	"context"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/replica"
)

// Watching.
const (
	// lookFor is how long another host is asked to wait for something new: then it
	// answers that there is nothing, so that both know of each other.
	lookFor = 20 * time.Second
	// behindFor is how long a watcher waits for a replica that knows less than
	// another one told it. Longer, and the history is another one.
	behindFor = 10 * time.Second
	// watchAgain is the pause after nobody could be asked.
	watchAgain = 200 * time.Millisecond
)

// Update is what a watcher is told.
type Update = facts.Update

// Watch tells everything with a prefix, and then what changes, until ctx or the
// quorum ends; then the channel is closed. Leases are among the changes: one whose
// name has the prefix. Who takes long to read misses nothing, and is told in larger
// pieces. What is told must not be changed.
func (f *Facts) Watch(ctx context.Context, prefix string) <-chan Update {
	out := make(chan Update)
	if !f.q.start(func() {
		defer close(out)
		f.watch(ctx, prefix, out)
	}) {
		close(out)
	}
	return out
}

func (f *Facts) watch(ctx context.Context, prefix string, out chan<- Update) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.q.ctx, cancel)()
	next := look{prefix: prefix, whole: true}
	behind := time.Time{}
	for ctx.Err() == nil {
		answers, ok := f.look(ctx, next)
		if !ok {
			sleep(ctx, jitter(watchAgain))
			continue
		}
		last := answers[len(answers)-1]
		if !next.whole && last.Forgotten {
			if last.Revision < next.since {
				// Another replica, which is behind the one that told so far.
				if behind.IsZero() {
					behind = time.Now()
				}
				if time.Since(behind) < behindFor {
					sleep(ctx, watchAgain/4)
					continue
				}
			}
			next.whole = true
			continue
		}
		if next.whole && last.Revision < next.since && time.Since(behind) < behindFor {
			sleep(ctx, watchAgain/4)
			continue
		}
		behind = time.Time{}
		u := Update{All: next.whole, Revision: last.Revision}
		for _, a := range answers {
			u.Facts = append(u.Facts, a.Facts...)
			u.Changes = append(u.Changes, a.Changes...)
		}
		next = look{prefix: prefix, since: last.Revision}
		if n := len(u.Changes); n > 0 && last.More {
			next.since = u.Changes[n-1].Revision
		}
		if !u.All && len(u.Changes) == 0 {
			continue
		}
		select {
		case out <- u:
		case <-ctx.Done():
		}
	}
}

// look looks here or elsewhere, and waits until there is something to tell or a
// while has passed.
func (f *Facts) look(ctx context.Context, l look) ([]facts.Answer, bool) {
	if answers, ok := f.q.seen(ctx, f.group, l); ok {
		return answers, true
	}
	one, done := context.WithTimeout(ctx, lookFor)
	defer done()
	f.q.start(func() { f.here(one, done) })
	a := f.q.forward(one, f.group, askWatch, l.bytes())
	if a.Reason != "" {
		return nil, false
	}
	answers, err := parseAnswers(a.Result)
	return answers, err == nil
}

// here ends a look elsewhere when this host has the facts itself: it was founded, or
// filled, while others were asked.
func (f *Facts) here(ctx context.Context, found func()) {
	for ctx.Err() == nil {
		changed := f.q.Changed()
		if f.q.serves(f.group) {
			found()
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
		case <-f.q.ctx.Done():
			return
		}
	}
}

// seen looks at this host's facts. It reports false when there are none here.
func (q *Quorum) seen(ctx context.Context, group replica.GroupID, l look) ([]facts.Answer, bool) {
	s := q.machine.signal(group)
	for {
		changed := s.wait()
		var answers []facts.Answer
		if !q.machine.view(group, func(store *facts.Store) { answers = l.at(store) }) {
			return nil, false
		}
		last := answers[len(answers)-1]
		if l.whole || last.Forgotten || len(last.Changes) > 0 {
			return answers, true
		}
		// What changed has another prefix; it need not be looked at again.
		l.since = last.Revision
		select {
		case <-changed:
		case <-ctx.Done():
			return answers, true
		case <-q.ctx.Done():
			return nil, false
		}
	}
}

// at looks at facts, all pages of them at one revision.
func (l look) at(store *facts.Store) []facts.Answer {
	if !l.whole {
		return []facts.Answer{store.Ask(facts.Since{Prefix: l.prefix, Revision: l.since})}
	}
	var all []facts.Answer
	for after := ""; ; {
		a := store.Ask(facts.List{Prefix: l.prefix, After: after})
		all = append(all, a)
		if !a.More {
			return all
		}
		after = a.Facts[len(a.Facts)-1].Key
	}
}
