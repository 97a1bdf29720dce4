package api_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Every thing is found by its name, a stranger is not, and neither costs memory:
// faces look things up for each row of each frame.
func TestLookup(t *testing.T) {
	s := &api.Status{}
	for i := range 100 {
		s.Backends = append(s.Backends, api.Backend{Name: fmt.Sprintf("b%02d", i)})
	}
	for i := range s.Backends {
		if b, ok := s.Backend(s.Backends[i].Name); !ok || b != &s.Backends[i] {
			t.Fatalf("%s is found: %t", s.Backends[i].Name, ok)
		}
	}
	for _, name := range []string{"", "a", "b000", "b42x", "c"} {
		if b, ok := s.Backend(name); ok || b != nil {
			t.Errorf("%q is found: %v", name, b)
		}
	}
	if n := testing.AllocsPerRun(100, func() { s.Backend("b42") }); n != 0 {
		t.Errorf("a look costs %g allocations", n)
	}
}
