package local

import (
	"context"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// users are the built-in traffic and a drill's probes.
type users struct {
	fleet *Fleet

	mu      sync.Mutex
	clients map[string]context.CancelFunc
	probes  context.CancelFunc
	all     sync.WaitGroup
}

func newUsers(f *Fleet) *users { return &users{fleet: f, clients: map[string]context.CancelFunc{}} }

func (u *users) apply(_ *spec.Fleet)             {}
func (u *users) startProbes(_ fleet.ProbesOrder) {}
func (u *users) stopProbes()                     {}
func (u *users) close()                          {}
