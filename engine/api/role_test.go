package api_test

import (
	"context"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// counting is a fleet that counts what reaches it.
type counting struct {
	api.Client
	asked []api.Request
}

func (c *counting) Do(_ context.Context, req api.Request) (api.Receipt, error) {
	c.asked = append(c.asked, req)
	return api.Receipt{ID: "r1", OK: true}, nil
}

// TestRolesAreAnOrder holds who may what: each role all that the one before it
// may, and one that nobody knows nothing.
func TestRolesAreAnOrder(t *testing.T) {
	for _, c := range api.Commands() {
		need := api.Needs(c)
		if need == api.RoleViewer {
			t.Errorf("%s: who may only look may do it", c.Verb())
		}
		for i, r := range api.Roles() {
			fleet := &counting{}
			may := r.Includes(need)
			if i > 0 && api.Roles()[i-1].Includes(need) && !may {
				t.Errorf("%s may not %s, and the role below it may", r, c.Verb())
			}
			got, err := api.As(fleet, api.Actor{Name: "mika"}, r).Do(t.Context(), api.Request{Command: c, By: api.Actor{Name: "root"}})
			if err != nil || got.OK != may || len(fleet.asked) == 1 != may || got.ID == "" {
				t.Errorf("%s as %s: %+v, %v; %d reached the fleet", c.Verb(), r, got, err, len(fleet.asked))
			}
			if may && fleet.asked[0].By.Name != "mika" {
				t.Errorf("%s: who asks is %q, as it said itself", c.Verb(), fleet.asked[0].By.Name)
			}
			if !may && got.Refusals[0].Detail == "" {
				t.Errorf("%s as %s is refused without a word", c.Verb(), r)
			}
		}
		for _, nobody := range []api.Role{"", "root", "Admin"} {
			fleet := &counting{}
			for _, dry := range []bool{false, true} {
				if got, err := api.As(fleet, api.Actor{}, nobody).Do(t.Context(), api.Request{Command: c, DryRun: dry}); err != nil || got.OK || len(fleet.asked) > 0 {
					t.Errorf("%s as %q: %+v, %v", c.Verb(), nobody, got, err)
				}
			}
			if _, err := api.ParseRole(string(nobody)); err == nil {
				t.Errorf("%q is read as a role", nobody)
			}
		}
	}
}

// TestEverybodyMayTry holds that a viewer sees what a command would do.
func TestEverybodyMayTry(t *testing.T) {
	fleet := &counting{}
	got, err := api.As(fleet, api.Actor{Name: "mika"}, api.RoleViewer).Do(t.Context(), api.Request{Command: api.AbortDrill{}, DryRun: true})
	if err != nil || !got.OK || len(fleet.asked) != 1 || !fleet.asked[0].DryRun {
		t.Errorf("%+v, %v; %+v reached the fleet", got, err, fleet.asked)
	}
}
