package api_test

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// commands are every command with every field set.
func commands() []api.Command {
	return []api.Command{
		api.SetWeights{Weights: []api.Weight{{Backend: "a-1", Weight: 30}, {Backend: "a-2"}}},
		api.Drain{Target: id.To(id.KindHost, "h-1"), For: 90 * time.Second},
		api.Undrain{Target: id.To(id.KindBackend, "a-1")},
		api.Force{Backend: "a-1", Health: api.Down},
		api.Unforce{Backend: "a-1"},
		api.InjectFault{Kind: api.FaultSlow, Target: id.To(id.KindBackend, "a-1"), For: time.Minute, Delay: 300 * time.Millisecond},
		api.ClearFault{ID: "f1"},
		api.StartDrill{Name: "lose-backend"},
		api.AbortDrill{},
		api.Apply{Name: "shop.yaml", Text: "fleet: shop\n", Dir: "/etc", Base: 7},
		api.Rollback{Rev: 5, Base: 7},
		api.IssueToken{ID: "abcdefgh", Hash: []byte("a hash"), Site: "tokyo", Host: "h-1", Person: "mika", Role: api.RoleViewer, For: time.Hour},
		api.VoidToken{ID: "abcdefgh"},
		api.RemoveHost{Host: "h-1"},
		api.RemovePerson{Person: "mika"},
		api.RotateKeys{},
	}
}

func golden(t *testing.T, file string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: want (-), got (+):\n%s", file, diff)
	}
}

// Requests cross sockets between versions: their form changes on purpose only,
// and every command comes back as it went.
func TestRequestsOnTheWire(t *testing.T) {
	all := commands()
	if len(all) != len(api.Commands()) {
		t.Fatalf("%d commands are tried, there are %d", len(all), len(api.Commands()))
	}
	var requests []api.Request
	for i, c := range all {
		if reflect.TypeOf(c) != reflect.TypeOf(api.Commands()[i]) {
			t.Fatalf("command %d is %T, want %T", i, c, api.Commands()[i])
		}
		requests = append(requests, api.Request{Command: c, By: api.Actor{Name: "ana", From: "console"}, Why: "test", Confirm: "a-1", DryRun: true})
	}
	golden(t, "testdata/requests.json", requests)
	b, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	var back []api.Request
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(requests, back); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// Half a command is not obeyed.
func TestRequestsThatAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		``:                                      "unexpected end",
		`{}`:                                    `"" is no command of this version`,
		`[]`:                                    "cannot unmarshal array",
		`{"verb":"explode","command":{}}`:       `"explode" is no command of this version`,
		`{"verb":"drain"}`:                      "send {} for a command without settings",
		`{"verb":"fault-clear"}`:                "send {} for a command without settings",
		`{"verb":"fault-clear","command":null}`: "send {} for a command without settings",
		`{"verb":"fault-clear","command":[]}`:   "send {} for a command without settings",
		`{"verb":"drain","command":{"target":"host/a"}}`:                                 "decode drain",
		`{"verb":"drain","command":{"target":{"kind":"host","name":"a"},"from":1}}`:      `unknown field "from"`,
		`{"verb":"drain","command":{},"who":"me"}`:                                       `unknown field "who"`,
		`{"verb":"weight","command":{"weights":[{"backend":"a","weight":1.5}]}}`:         "decode weight",
		`{"verb":"weight","command":{"weights":[{"backend":"a","weight":1e400}]}}`:       "decode weight",
		`{"verb":"fault","command":{"for_ns":99999999999999999999}}`:                     "decode fault",
		`{"verb":"force","command":{"backend":{"a":1}}}`:                                 "decode force",
		`{"verb":"drain","command":{"target":{"kind":"host","name":"a"}} } {"verb":"x"}`: "invalid character",
	} {
		var r api.Request
		err := json.Unmarshal([]byte(text), &r)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
		if r.Command != nil {
			t.Errorf("%s: left %+v", text, r)
		}
	}
	if _, err := json.Marshal(api.Request{}); err == nil || !strings.Contains(err.Error(), "a request without a command") {
		t.Errorf("a request without a command: %v", err)
	}
}

// fill sets every field of v to something that is not its zero, the same each
// time.
func fill(v reflect.Value, name string) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Date(2026, 11, 24, 12, 0, 0, 500_000_000, time.UTC)
		return
	case *id.Ref:
		*x = id.To(id.KindBackend, "shop-tokyo-1")
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), name)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.String:
		v.SetString(strings.ToLower(name))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint64:
		v.SetUint(8)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1.5)
	default:
		panic("no way to fill a " + v.Type().String())
	}
}

// The picture crosses sockets between versions too: no field is renamed, and
// none is lost.
func TestPictureOnTheWire(t *testing.T) {
	var u api.Update
	fill(reflect.ValueOf(&u).Elem(), "update")
	golden(t, "testdata/update.json", u)
	b, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	var back api.Update
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(u, back); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	var r api.Receipt
	fill(reflect.ValueOf(&r).Elem(), "receipt")
	golden(t, "testdata/receipt.json", r)
}

// FuzzRequest: whatever comes is decoded or refused, and what was decoded can be
// checked, said and encoded, and comes back the same.
func FuzzRequest(f *testing.F) {
	for _, c := range commands() {
		b, err := json.Marshal(api.Request{Command: c, By: api.Actor{Name: "ana"}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"verb":"fault","command":{"kind":"slow","target":{"kind":"backend","name":"a-1"},"delay_ns":-1}}`))
	s := fleet()
	f.Fuzz(func(t *testing.T, b []byte) {
		var r api.Request
		if json.Unmarshal(b, &r) != nil {
			return
		}
		for _, x := range r.Command.Check(s) {
			if x.Reason.Sentence() == string(x.Reason) || x.String() == "" {
				t.Errorf("%+v: the refusal %+v has no sentence", r.Command, x)
			}
		}
		r.Command.Check(&api.Status{})
		if r.Command.Sentence() == "" || len(r.Command.Words()) == 0 || !strings.HasPrefix(api.Shell(r.Command), "holdfast ") {
			t.Errorf("%+v cannot be said", r.Command)
		}
		api.Confirmation(r.Command, s)
		r.Command.Targets()
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back api.Request
		if err := json.Unmarshal(again, &back); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if third, _ := json.Marshal(back); string(third) != string(again) {
			t.Errorf("it comes back as %s, it went as %s", third, again)
		}
	})
}
