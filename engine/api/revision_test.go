package api_test

import (
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

func TestTextsOfThoseThatAreNamed(t *testing.T) {
	all := []api.Revision{{Rev: 3, Text: "three"}, {Rev: 4, Text: "four"}, {Rev: 7, Text: "seven"}}
	got, err := api.WithTexts(all, []uint64{7, 3, 99})
	if err != nil || len(got) != 3 || got[0].Text != "three" || got[1].Text != "" || got[2].Text != "seven" {
		t.Errorf("%+v, %v", got, err)
	}
	if all[1].Text != "four" {
		t.Error("what others have was changed")
	}
	if got, err := api.WithTexts(nil, nil); err != nil || got == nil {
		t.Errorf("of none: %v, %v; an empty list is []", got, err)
	}
	if _, err := api.WithTexts(all, []uint64{1, 2, 3, 4, 5}); err == nil || !strings.Contains(err.Error(), "4 are the limit") {
		t.Errorf("too many: %v", err)
	}
}

func TestChangesInWords(t *testing.T) {
	b, p := id.To(id.KindBackend, "b1"), id.To(id.KindPool, "shop")
	for _, c := range []struct {
		change     api.Change
		want, head string
	}{
		{api.Change{Subject: b, Of: p, Kind: api.ChangeAdded, After: "h1:80, weight 100"}, "added: h1:80, weight 100", "pool/shop"},
		{api.Change{Subject: b, Of: p, Kind: api.ChangeRemoved, Before: "h1:80, weight 100"}, "removed: h1:80, weight 100", "pool/shop"},
		{api.Change{Subject: b, Of: p, Kind: api.ChangeChanged, Field: "weight", Before: "100", After: "50"}, "weight 100 → 50", "pool/shop"},
		{api.Change{Subject: p, Kind: api.ChangeChanged, Field: "persistence.cookie", Before: "STAY"}, "persistence.cookie STAY → not set", "pool/shop"},
	} {
		if got := c.change.String(); got != c.want || c.change.Head().String() != c.head {
			t.Errorf("%+v: %q under %s; want %q under %s", c.change, got, c.change.Head(), c.want, c.head)
		}
	}
}
