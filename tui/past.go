package tui

import (
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// pastBytes bounds what kept pictures may take, roughly: each costs about
// pictureBytes and backendBytes for every backend.
const (
	pastBytes    = 32 << 20
	pictureBytes = 16 << 10
	backendBytes = 2 << 10
	pastMost     = 300
)

// past is the pictures that < and > go through: one for each change, the oldest
// forgotten first.
type past struct {
	pictures []*api.Status
}

// keep adds a picture. Two of the same event number are one.
func (p *past) keep(s *api.Status) {
	if n := len(p.pictures); n > 0 && p.pictures[n-1].Seq == s.Seq {
		p.pictures[n-1] = s
		return
	}
	p.pictures = append(p.pictures, s)
	most := min(pastMost, max(pastBytes/(pictureBytes+backendBytes*len(s.Backends)), 8))
	if extra := len(p.pictures) - most; extra > 0 {
		p.pictures = append(p.pictures[:0:0], p.pictures[extra:]...)
	}
}

// before returns the newest kept picture that is not younger than t, the
// oldest one when all are, nil when none is kept.
func (p *past) before(t time.Time) *api.Status {
	var found *api.Status
	for _, s := range p.pictures {
		if found != nil && s.At.After(t) {
			break
		}
		found = s
	}
	return found
}

// step returns the kept picture before or after s, nil beyond the ends.
func (p *past) step(s *api.Status, by int) *api.Status {
	at := len(p.pictures)
	for i, q := range p.pictures {
		if q.Seq >= s.Seq {
			at = i
			break
		}
	}
	at += by
	if at < 0 || at >= len(p.pictures) {
		return nil
	}
	return p.pictures[at]
}
