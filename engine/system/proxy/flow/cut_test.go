package flow_test

import (
	"testing"

	"github.com/holdfast-edge/holdfast/engine/balance"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
)

// A flow that has its place and has not said yet how it is cut, for it is still
// connecting, is cut as soon as it says so; one of another address is not, and
// none that is over stays behind.
func TestACutFindsFlowsThatHaveJustBegun(t *testing.T) {
	f, _ := two(t)
	begin := func() *flow.Place {
		place, err := f.Acquire(t.Context(), f.Now(), flow.Ask{})
		if err != nil {
			t.Fatal(err)
		}
		return place
	}
	one, two := begin(), begin()
	three := begin() // of the backend of one
	three.Done(flow.Outcome{})
	f.Cut([]balance.Cut{{Backend: one.Name, Address: one.Address}, {Backend: two.Name, Address: "192.0.2.1:9"}})
	cuts := map[string]int{}
	for _, p := range []*flow.Place{one, two} {
		p.OnCut(func() { cuts[p.Name]++ })
	}
	if cuts[one.Name] != 1 || cuts[two.Name] != 0 {
		t.Errorf("cut were %v, want %s once", cuts, one.Name)
	}
	f.Cut([]balance.Cut{{Backend: one.Name}, {Backend: two.Name}})
	if cuts[one.Name] != 1 || cuts[two.Name] != 1 {
		t.Errorf("cut were %v, want each once", cuts)
	}
}
