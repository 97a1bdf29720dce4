package plain_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/plain"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fleet is an api.Client with a picture that stands still, or with the pictures
// that a test gives it.
type fleet struct {
	status    *api.Status
	events    []api.Event
	revisions []api.Revision
	updates   []api.Update // what Watch sends; then it waits for its end
	ends      bool         // after them the fleet is gone
	asked     []api.Request
	from      api.Seq // that Watch was asked for
	receipt   func(api.Request) api.Receipt
}

func (f *fleet) Status(context.Context) (*api.Status, error) { return f.status, nil }

func (f *fleet) Events(_ context.Context, from api.Seq, most int) ([]api.Event, error) {
	return f.events, nil
}

func (f *fleet) Watch(ctx context.Context, from api.Seq) (<-chan api.Update, error) {
	f.from = from
	out := make(chan api.Update)
	go func() {
		defer close(out)
		for _, u := range f.updates {
			select {
			case out <- u:
			case <-ctx.Done():
				return
			}
		}
		if !f.ends {
			<-ctx.Done()
		}
	}()
	return out, nil
}

// Do answers as a fleet does: refused by the command's own check.
func (f *fleet) Revisions(_ context.Context, texts ...uint64) ([]api.Revision, error) {
	return api.WithTexts(f.revisions, texts)
}

func (f *fleet) Do(_ context.Context, req api.Request) (api.Receipt, error) {
	f.asked = append(f.asked, req)
	if f.receipt != nil {
		return f.receipt(req), nil
	}
	no := api.Check(req.Command, f.status)
	need := api.Confirmation(req.Command, f.status)
	r := api.Receipt{ID: "r1", Refusals: no, OK: !api.Stops(no, req.Confirm != "" && req.Confirm == need)}
	if r.OK {
		r.Done, r.Seq = req.Command.Sentence(), f.status.Seq
	}
	return r, nil
}

// result is how a command line ended.
type result struct {
	out, err string
	code     int
}

// shell runs command lines against a fleet.
type shell struct {
	client   api.Client // nil: none answers
	in       string
	ctx      context.Context
	validate func(string, []byte) ([]plain.SpecFlaw, error)
	ran      []any // what the worlds were told
	where    plain.Where
	contexts plain.Contexts
	log      [][]byte
	remote   *api.Actor
}

func (s *shell) run(t *testing.T, words ...string) result {
	t.Helper()
	if s.contexts.List == nil {
		s.contexts = plain.Contexts{
			List: func() ([]plain.ContextItem, error) { return nil, nil },
			Use:  func(string) error { return nil }, Remove: func(string) error { return nil },
			Add: func(context.Context, plain.ContextItem, string) error { return nil },
		}
	}
	root := plain.Root(plain.Worlds{
		Version: "test",
		Up:      func(_ context.Context, o plain.UpOptions) error { s.ran = append(s.ran, o); return nil },
		Dial: func(w plain.Where) (api.Client, error) {
			s.where = w
			if s.client == nil {
				return nil, fmt.Errorf("%w: no fleet runs from %q", api.ErrUnreachable, w.State)
			}
			return s.client, nil
		},
		Console: func(_ context.Context, _ api.Client, o plain.FaceOptions) error {
			s.ran = append(s.ran, o)
			return nil
		},
		Wallboard: func(_ context.Context, w plain.Where, o plain.FaceOptions) error {
			s.where = w
			s.ran = append(s.ran, o)
			return nil
		},
		Contexts: s.contexts,
		Init: func(_ context.Context, o plain.InitOptions) (plain.InitDone, error) {
			s.ran = append(s.ran, o)
			return plain.InitDone{Fleet: "edge", Config: o.Dir + "/agent.yaml", Authority: o.Dir + "/identity/authority.pem", Context: "edge"}, nil
		},
		Agent:     func(_ context.Context, o plain.AgentOptions) error { s.ran = append(s.ran, o); return nil },
		AgentHost: func(string) (string, string, error) { return "tokyo-1", "/var/lib/holdfast", nil },
		Token: func(authority string) (plain.NewToken, error) {
			return plain.NewToken{ID: "abcdefgh", Hash: make([]byte, api.TokenHashSize), Text: "hf1.abcdefgh.secret." + authority}, nil
		},
		SSH: func(_ context.Context, o plain.SSHOptions) error { s.ran = append(s.ran, o); return nil },
		Log: func(plain.Where) (plain.LogSource, error) {
			return func(_ context.Context, do func([]byte) error) error {
				for _, line := range s.log {
					if err := do(line); err != nil {
						return err
					}
				}
				return nil
			}, nil
		},
		Remote:  s.remote,
		Service: func(context.Context, string, string, string) error { return errors.New("not here") },
		Validate: func(name string, text []byte, _ string) ([]plain.SpecFlaw, error) {
			if s.validate != nil {
				return s.validate(name, text)
			}
			return nil, nil
		},
		Differ: func(a, b api.Revision) ([]api.Change, int, error) {
			if a.Text == b.Text {
				return nil, 0, nil
			}
			return []api.Change{{Subject: id.To(id.KindFleet, "edge"), Kind: api.ChangeChanged, Field: "title", Before: a.Text, After: b.Text}}, 2, nil
		},
		Schema:   func() ([]byte, error) { return []byte(`{}`), nil },
		Profiles: []string{"three-sites", "single-site"},
		Profile: func(name string) ([]byte, error) {
			if name != "single-site" {
				return nil, errors.New("none")
			}
			return []byte("fleet: single-site\n"), nil
		},
	})
	var out, errs bytes.Buffer
	root.SetArgs(words)
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetIn(strings.NewReader(s.in))
	ctx := s.ctx
	if ctx == nil {
		ctx = t.Context()
	}
	err := root.ExecuteContext(ctx)
	if say := plain.Message(err); say != "" {
		fmt.Fprintln(&errs, say)
	}
	return result{out.String(), errs.String(), plain.Code(err)}
}

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: want (-), got (+):\n%s", path, diff)
	}
}
