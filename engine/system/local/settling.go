package local

import (
	"context"
	"sync"
)

// settling lets the hosts of a fleet wait for each other's services. A probe of a
// host that was quicker would find those of the others down.
type settling struct {
	mu      sync.Mutex
	hosts   map[string]uint64 // the revision whose services each has started
	changed chan struct{}     // closed when hosts is another one
}

// expect makes the hosts of a spec those that are waited for.
func (s *settling) expect(hosts map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := map[string]uint64{}
	for name := range hosts {
		next[name] = s.hosts[name]
	}
	s.hosts = next
	s.tell()
}

// tell wakes those who wait. The caller holds the lock.
func (s *settling) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait says that a host has started its services of a revision, and waits for the
// others until ctx ends.
func (s *settling) wait(ctx context.Context, host string, rev uint64) {
	s.mu.Lock()
	if _, ok := s.hosts[host]; ok { // one that left is waited for by nobody
		s.hosts[host] = rev
		s.tell()
	}
	for {
		all := true
		for _, r := range s.hosts {
			all = all && r >= rev
		}
		changed := s.changed
		s.mu.Unlock()
		if all {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
	}
}
