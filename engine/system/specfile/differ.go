package specfile

import (
	"fmt"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Differ says what differs between the specs of two revisions, and how many things
// are not listed. The files that they name are not looked at: they may be on other
// hosts, or gone.
func Differ(a, b api.Revision) (changes []api.Change, more int, err error) {
	var specs [2]*spec.Fleet
	for i, r := range []api.Revision{a, b} {
		if specs[i], _, err = spec.ParseIn(r.Name, []byte(r.Text), r.Dir); err != nil {
			return nil, 0, fmt.Errorf("compare specs: %w", err)
		}
	}
	changes, more = fleet.Changes(spec.Diff(specs[0], specs[1]), api.ChangesMax)
	return changes, more, nil
}
