package sshd

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Face is what a session shows.
type Face string

// The faces.
const (
	FaceConsole   Face = "console"
	FaceWallboard Face = "wallboard"
	FaceCommand   Face = "command"
)

// Person is a session that is open.
type Person struct {
	Name        string
	Fingerprint string
	Role        api.Role
	From        string
	Face        Face
	Since       time.Time
}

// people are the sessions that are open.
type people struct {
	limits Limits

	mu    sync.Mutex
	next  int
	here  map[int]Person
	cells int // of their terminals
}

func newPeople(l Limits) *people { return &people{limits: l, here: map[int]Person{}} }

// enter counts a session in, or says why it is not let in.
func (p *people) enter(who Person) (n int, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := 0
	for _, x := range p.here {
		if x.Fingerprint == who.Fingerprint {
			own++
		}
	}
	switch {
	case len(p.here) >= p.limits.Sessions:
		return 0, fmt.Sprintf("%d sessions are open, and no more are served", p.limits.Sessions)
	case own >= p.limits.PerKey:
		return 0, fmt.Sprintf("this key has %d sessions open, and no more are served", own)
	}
	p.next++
	p.here[p.next] = who
	return p.next, ""
}

func (p *people) leave(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.here, n)
}

// draw gives a terminal its cells back and takes others. It reports whether there
// are enough.
func (p *people) draw(back, take int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cells-back+take > cellsTotal && take > back {
		return false
	}
	p.cells += take - back
	return true
}

// others are the people with a console open, but for one session, who came first
// first.
func (p *people) others(but int) []Person {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Person
	for n, x := range p.here {
		if n != but && x.Face == FaceConsole {
			all = append(all, x)
		}
	}
	slices.SortFunc(all, func(a, b Person) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name), cmp.Compare(a.From, b.From))
	})
	return all
}

// count is how many sessions are open.
func (p *people) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.here)
}
