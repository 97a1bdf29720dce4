package apitest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

func (s *suite) pictureFirst() {
	from := s.status().Seq
	u := s.next(s.watch(s.ctx, from))
	if u.Status.Seq < from {
		s.Errorf("the first picture knows event %d; Status knew %d before", u.Status.Seq, from)
	}
	if u.Missed != 0 {
		s.Errorf("%d events missed, of none that could be", u.Missed)
	}
}

func (s *suite) inOrder() {
	from := s.status().Seq
	y := tally{at: from}
	updates := s.watch(s.ctx, from)
	y.take(s.T, s.next(updates))
	var last api.Receipt
	for i := range 20 {
		last = s.weigh(20 + i)
	}
	for y.at < last.Seq {
		y.take(s.T, s.next(updates))
	}
	if y.gone != 0 {
		s.Errorf("a reader that kept up missed %d events", y.gone)
	}
	// The same again, from the middle.
	y = tally{at: from + 7}
	again := s.watch(s.ctx, from+7)
	for y.at < last.Seq {
		y.take(s.T, s.next(again))
	}
	if y.gone != 0 {
		s.Errorf("a reader that came late missed %d events that are still kept", y.gone)
	}
	// A number that was never reached is of another life of the fleet: all that
	// is kept comes anew.
	u := s.next(s.watch(s.ctx, last.Seq+1_000_000))
	if len(u.Events) == 0 || u.Events[0].Seq != 1 {
		s.Errorf("after an event that never was, %d events came; the first must be 1", len(u.Events))
	}
}

func (s *suite) sameForAll() {
	const watchers = 8
	from := s.status().Seq
	var all [watchers]<-chan api.Update
	for i := range all {
		all[i] = s.watch(s.ctx, from)
	}
	receipt := s.weigh(33)
	for i := range all {
		y := tally{at: from}
		found := false
		for !found {
			u := s.next(all[i])
			y.take(s.T, u)
			for _, e := range u.Events {
				found = found || e.Receipt == receipt.ID && e.Seq == receipt.Seq
			}
		}
	}
}

// rate also holds that pictures come while commands are asked without a pause.
func (s *suite) rate() {
	ctx, cancel := context.WithCancel(s.ctx)
	asking := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			_, err := s.Client.Do(ctx, api.Request{Command: weights(s.backend, 1+i%100), DryRun: i%2 == 0, By: api.Actor{Name: "suite"}})
			if err != nil {
				asking <- err
				return
			}
		}
	}()
	var before *api.Status
	updates := s.watch(s.ctx, 0)
	for range 8 {
		st := s.next(updates).Status
		if before != nil && !st.At.Equal(before.At) {
			// The fleet's own clock: how fast this reader is has no part in it.
			if gap := st.At.Sub(before.At); gap < 99*time.Millisecond {
				s.Errorf("two pictures are %s apart", gap)
			}
		}
		before = st
	}
	cancel()
	if err := <-asking; !errors.Is(err, context.Canceled) {
		s.Errorf("asking ended with %v", err)
	}
}

// slow holds that a watcher who does not read costs nobody anything, that it
// loses nothing untold, and that one who comes too late is told how much.
func (s *suite) slow() {
	lazy := s.watch(s.ctx, 0)
	filler := s.Filler
	if filler == nil {
		filler = s.Client
	}
	// Side by side: a world that keeps what it acknowledges writes for all of them
	// at once.
	const askers = 16
	var all sync.WaitGroup
	for a := range askers {
		all.Go(func() {
			for i := 0; ; i++ {
				r, err := filler.Do(s.ctx, api.Request{Command: weights(s.backend, 1+(a+i)%100)})
				if err != nil {
					s.Errorf("Do: %v", err)
				}
				if err != nil || r.Seq > api.EventRing+50 {
					return
				}
			}
		})
	}
	all.Wait()
	if s.Failed() {
		return
	}
	last := s.weigh(7)
	var y tally
	for y.at < last.Seq {
		y.take(s.T, s.next(lazy))
	}
	u := s.next(s.watch(s.ctx, 1))
	late := tally{at: 1}
	late.take(s.T, u)
	if want := uint64(late.at) - api.EventRing - 1; u.Missed < want || len(u.Events) == 0 {
		s.Errorf("%d events and %d missed; the ring keeps %d, so at least %d are missed", len(u.Events), u.Missed, api.EventRing, want)
	}
}

func (s *suite) events() {
	from := s.status().Seq
	var receipts []api.Receipt
	for i := range 5 {
		receipts = append(receipts, s.weigh(40+i))
	}
	all := s.since(from, api.EventRing)
	y := tally{at: from}
	y.take(s.T, api.Update{Status: &api.Status{Seq: all[len(all)-1].Seq}, Events: all})
	for _, r := range receipts {
		if i := int(r.Seq - from - 1); i >= len(all) || all[i].Receipt != r.ID {
			s.Errorf("event %d is not there when the receipt is: %d events", r.Seq, len(all))
		}
	}
	if two := s.since(from, 2); len(two) != 2 || two[1].Seq != two[0].Seq+1 || two[1].Seq < receipts[4].Seq {
		s.Errorf("the newest two are %+v", two)
	}
	for _, most := range []int{0, -1} {
		if none := s.since(from, most); len(none) != 0 {
			s.Errorf("at most %d: %d events came", most, len(none))
		}
	}
	if none := s.since(all[len(all)-1].Seq+500_000_000, 1); len(none) > 1 {
		s.Errorf("at most 1: %d events came", len(none))
	}
}

func (s *suite) since(from api.Seq, most int) []api.Event {
	s.Helper()
	all, err := s.Client.Events(s.ctx, from, most)
	if err != nil {
		s.Fatalf("Events: %v", err)
	}
	return all
}

func (s *suite) contexts() {
	ended, cancel := context.WithCancel(s.ctx)
	live := s.watch(ended, 0)
	unread := s.watch(ended, 0)
	s.next(live)
	cancel()
	for _, updates := range []<-chan api.Update{live, unread} {
		s.closes(updates)
	}
	_, err1 := s.Client.Status(ended)
	_, err2 := s.Client.Events(ended, 0, 10)
	_, err3 := s.Client.Do(ended, api.Request{Command: weights(s.backend, 61)})
	_, err4 := s.Client.Watch(ended, 0)
	for call, err := range map[string]error{"Status": err1, "Events": err2, "Do": err3, "Watch": err4} {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s with an ended context: %v", call, err)
		}
	}
	if r := s.do(api.Request{Command: weights(s.backend, 61), DryRun: true}); !r.OK {
		s.Errorf("what nobody waited for was carried out: %+v", r)
	}
}

// closes requires that updates end, with no more than what was under way.
func (s *suite) closes(updates <-chan api.Update) {
	s.Helper()
	for n := 0; ; n++ {
		select {
		case _, ok := <-updates:
			if !ok {
				return
			}
			if n > 1000 {
				s.Fatal("updates go on")
			}
		case <-s.ctx.Done():
			s.Fatal("the updates do not end")
		}
	}
}

func (s *suite) gone() {
	live := s.watch(s.ctx, 0)
	unread := s.watch(s.ctx, 0)
	s.next(live)
	s.Gone()
	s.closes(live)
	s.closes(unread)
	_, err1 := s.Client.Status(s.ctx)
	_, err2 := s.Client.Events(s.ctx, 0, 10)
	_, err3 := s.Client.Do(s.ctx, api.Request{Command: weights(s.backend, 7)})
	_, err4 := s.Client.Watch(s.ctx, 0)
	_, err5 := s.Client.Revisions(s.ctx)
	for call, err := range map[string]error{"Status": err1, "Events": err2, "Do": err3, "Watch": err4, "Revisions": err5} {
		if !errors.Is(err, api.ErrUnreachable) {
			s.Errorf("%s of a fleet that is gone: %v", call, err)
		}
	}
}
