package auditlog_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/system/auditlog"
)

// fleet obeys, and notes the order in which things were done.
type fleet struct {
	api.Client
	did     *[]string
	receipt api.Receipt
	err     error
}

func (f *fleet) Do(_ context.Context, req api.Request) (api.Receipt, error) {
	*f.did = append(*f.did, "obeyed")
	return f.receipt, f.err
}

// TestEveryCommandIsRecordedFirst: the question before it is obeyed, and then what
// became of it.
func TestEveryCommandIsRecordedFirst(t *testing.T) {
	drain := api.Drain{Target: id.To(id.KindBackend, "a")}
	ada := api.Actor{Name: "ada", From: "ssh 192.0.2.1:4711", Key: "SHA256:k", Role: api.RoleOperator, Session: "7.1"}
	for _, x := range []struct {
		about   string
		receipt api.Receipt
		err     error
		want    audit.Entry
	}{
		{"obeyed", api.Receipt{ID: "r1", OK: true, Done: "drain a", Seq: 9}, nil, audit.Entry{Outcome: "done", Receipt: "r1", Event: 9, Detail: "drain a"}},
		{"refused", api.Receipt{ID: "r2", Refusals: []api.Refusal{{Reason: api.ReasonLastServing}}}, nil, audit.Entry{Outcome: "refused", Detail: "last-serving: " + api.ReasonLastServing.Sentence()}},
		{"unknown", api.Receipt{}, api.ErrUnreachable, audit.Entry{Outcome: "unknown", Detail: api.ErrUnreachable.Error()}},
	} {
		var did []string
		var book []audit.Entry
		c := auditlog.Recorded(&fleet{did: &did, receipt: x.receipt, err: x.err}, func(_ context.Context, e audit.Entry) (audit.Record, error) {
			did, book = append(did, string(e.Kind)), append(book, e)
			return audit.Record{Seq: uint64(40 + len(book)), Entry: e}, nil
		})
		r, err := c.Do(t.Context(), api.Request{Command: drain, By: ada, Why: " its disk is full "})
		if r.ID != x.receipt.ID || !errors.Is(err, x.err) {
			t.Errorf("%s: %+v, %v", x.about, r, err)
		}
		if !slices.Equal(did, []string{"ask", "obeyed", "answer"}) {
			t.Fatalf("%s: %q", x.about, did)
		}
		common := audit.Entry{Kind: audit.KindAsk, Who: "SHA256:k", Name: "ada", Role: "operator", From: ada.From, Session: "7.1", Command: "holdfast drain backend/a"}
		ask := common
		ask.Why = "its disk is full"
		if book[0] != ask {
			t.Errorf("%s: asked %+v", x.about, book[0])
		}
		x.want.Kind, x.want.Who, x.want.Name, x.want.Role, x.want.From, x.want.Session, x.want.Command, x.want.Of = audit.KindAnswer, common.Who, common.Name, common.Role, common.From, common.Session, common.Command, 41
		if book[1] != x.want {
			t.Errorf("%s: answered %+v", x.about, book[1])
		}
	}
}

// TestWhatIsNotRecordedIsNotDone, and a dry run is a look.
func TestWhatIsNotRecordedIsNotDone(t *testing.T) {
	for _, x := range []struct {
		err  error
		says string
	}{
		{errors.New("auditlog: no space left"), "(no space left)"},
		{&auditlog.LostError{Lease: "coordinator"}, "another host coordinates the fleet"},
		{auditlog.ErrUnknown, "most of the fleet cannot be reached"},
	} {
		var did []string
		c := auditlog.Recorded(&fleet{did: &did, receipt: api.Receipt{ID: "r1", OK: true}}, func(context.Context, audit.Entry) (audit.Record, error) {
			return audit.Record{}, x.err
		})
		r, err := c.Do(t.Context(), api.Request{Command: api.AbortDrill{}})
		if err != nil || r.OK || r.ID == "" || len(r.Refusals) != 1 || r.Refusals[0].Reason != api.ReasonNotRecorded || !strings.Contains(r.Refusals[0].String(), x.says) {
			t.Errorf("%v: %+v, %v", x.err, r, err)
		}
		if len(did) > 0 {
			t.Errorf("%v: %q", x.err, did)
		}
		if r, err := c.Do(t.Context(), api.Request{Command: api.AbortDrill{}, DryRun: true}); err != nil || !r.OK {
			t.Errorf("a dry run: %+v, %v", r, err)
		}
	}
}

// TestTheTextOfASpecIsNamed: a file's name says little a day later.
func TestTheTextOfASpecIsNamed(t *testing.T) {
	e := auditlog.EntryOf(api.Request{Command: api.Apply{Name: "fleet.yaml", Text: "fleet: x"}})
	if want := "8 bytes with the SHA-256 1fe942dd6d10b3c8ac6c349927ef57d6041f58b4b27f4a866ece8086afc31cd6"; e.Detail != want {
		t.Errorf("%q", e.Detail)
	}
}
