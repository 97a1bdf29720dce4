package local

import (
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/holder"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// TakenError says that another local fleet has an address of this one.
type TakenError struct {
	Address string
	What    string // whose address it was to be: listener web on tokyo-1
	PID     int    // of the other fleet
	Dir     string // its state directory
}

// Error says what to do.
func (e *TakenError) Error() string {
	return fmt.Sprintf("another fleet has %s, the address of %s: it runs from %s (process %d). Look at it with «holdfast console --state %s», end it with Ctrl-C in its terminal or «kill %d», or give this one hosts with other addresses",
		e.Address, e.What, e.Dir, e.PID, e.Dir, e.PID)
}

// otherFleet looks for another local fleet at the addresses of a spec: the two
// would send each other's users to each other's backends. Programs that are no
// fleet stop nobody: what they take is seen in the picture, and the rest serves.
func otherFleet(f *spec.Fleet) error {
	sockets := holder.Look()
	look := func(network, address, what string) error {
		h, ok := sockets.Of(network, address)
		if !ok || h.PID == 0 {
			return nil
		}
		for _, pid := range []int{h.PID, holder.Parent(h.PID)} { // a listener is the fleet's, a backend its child's
			if dir, ok := statedir.Of(pid); ok {
				return &TakenError{Address: address, What: what, PID: pid, Dir: dir}
			}
		}
		return nil
	}
	for i := range f.Listeners {
		l := &f.Listeners[i]
		for _, name := range l.Hosts {
			address := l.Address
			if own, _ := f.Host(name); address == "" && own != nil {
				address = own.Address
			}
			if err := look(network(l.Protocol == spec.UDP), spec.AddrPort(address, l.Port), "listener "+l.Name+" on "+name); err != nil {
				return err
			}
		}
	}
	for i := range f.Pools {
		for j := range f.Pools[i].Backends {
			b := &f.Pools[i].Backends[j]
			if b.Service == nil {
				continue
			}
			if err := look(network(b.Service.Kind == spec.ServiceUDP), b.AddrPort(), "backend "+b.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func network(udp bool) string {
	if udp {
		return "udp"
	}
	return "tcp"
}
