package plain_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
	"github.com/holdfast-edge/holdfast/tui/plain"
)

// accepting is a fleet that accepts everything.
func accepting() *fleet {
	return &fleet{status: healthy(), receipt: func(r api.Request) api.Receipt {
		return api.Receipt{ID: "r1", OK: true, Done: r.Command.Sentence(), Seq: 4}
	}}
}

func backend(name string) id.Ref { return id.To(id.KindBackend, name) }

// drawCommand draws a command of each kind that the console can show. Its
// targets exist or not: whether they do is for the fleet to say.
func drawCommand(t *rapid.T) api.Command {
	name := rapid.StringMatching(`[a-z]([a-z0-9-]{0,20}[a-z0-9])?`)
	span := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(1, int64(24*time.Hour/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
	})
	all := api.Commands()
	switch c := rapid.SampledFrom(all).Draw(t, "command").(type) {
	case api.SetWeights:
		for range rapid.IntRange(1, 4).Draw(t, "count") {
			c.Weights = append(c.Weights, api.Weight{Backend: name.Draw(t, "backend"), Weight: rapid.IntRange(0, 100).Draw(t, "weight")})
		}
		return c
	case api.Drain:
		c.Target = id.To(rapid.SampledFrom([]id.Kind{id.KindBackend, id.KindHost}).Draw(t, "kind"), name.Draw(t, "name"))
		if rapid.Bool().Draw(t, "for") {
			c.For = span.Draw(t, "span")
		}
		return c
	case api.Undrain:
		c.Target = id.To(rapid.SampledFrom([]id.Kind{id.KindBackend, id.KindHost}).Draw(t, "kind"), name.Draw(t, "name"))
		return c
	case api.Force:
		return api.Force{Backend: name.Draw(t, "backend"), Health: rapid.SampledFrom([]api.Measure{api.Up, api.Down}).Draw(t, "health")}
	case api.Unforce:
		return api.Unforce{Backend: name.Draw(t, "backend")}
	case api.InjectFault:
		c.Kind, c.Target = rapid.SampledFrom(api.FaultKinds()).Draw(t, "fault"), backend(name.Draw(t, "backend"))
		if c.Kind != api.FaultRestart && rapid.Bool().Draw(t, "for") {
			c.For = span.Draw(t, "span")
		}
		if c.Kind == api.FaultSlow {
			c.Delay = span.Draw(t, "delay")
		}
		return c
	case api.ClearFault:
		if rapid.Bool().Draw(t, "one") {
			c.ID = name.Draw(t, "fault")
		}
		return c
	case api.StartDrill:
		return api.StartDrill{Name: name.Draw(t, "drill")}
	case api.AbortDrill:
		return c
	case api.Rollback:
		c.Rev = rapid.Uint64Range(1, 1<<50).Draw(t, "rev")
		if rapid.Bool().Draw(t, "based") {
			c.Base = rapid.Uint64Range(1, 1<<50).Draw(t, "base")
		}
		return c
	case api.Apply:
		return api.AbortDrill{} // TestApply: its file is on this side
	case api.IssueToken:
		return api.AbortDrill{} // TestToken: its secret is made on this side
	case api.VoidToken:
		return api.VoidToken{ID: name.Draw(t, "token")}
	case api.RemoveHost:
		return api.RemoveHost{Host: name.Draw(t, "host")}
	case api.RemovePerson:
		return api.RemovePerson{Person: name.Draw(t, "person")}
	case api.RotateKeys:
		return c
	}
	panic("a command that this test does not know")
}

// The command line that the console shows for an action makes the same command
// here, and in the console's palette.
func TestShownCommandIsTheSame(t *testing.T) {
	made := map[reflect.Type]bool{}
	rapid.Check(t, func(r *rapid.T) {
		for range 3 { // so many that no kind is ever missing
			want := drawCommand(r)
			f := accepting()
			words := want.Words()
			if got := (&shell{client: f}).run(t, append(words, "--dry-run")...); got.code != 0 {
				r.Fatalf("%s: %+v", api.Shell(want), got)
			}
			if diff := cmp.Diff([]api.Request{{Command: want, DryRun: true, By: f.asked[0].By}}, f.asked); diff != "" {
				r.Fatalf("%s: want (-), got (+):\n%s", api.Shell(want), diff)
			}
			typed, err := keys.Parse(words)
			if err != nil || !cmp.Equal(want, typed) {
				r.Fatalf("%s: the palette makes %+v, %v", api.Shell(want), typed, err)
			}
			made[reflect.TypeOf(want)] = true
		}
	})
	for _, c := range api.Commands() {
		_, apply := c.(api.Apply)
		_, token := c.(api.IssueToken)
		if !apply && !token && !made[reflect.TypeOf(c)] {
			t.Errorf("no %s was drawn", c.Verb())
		}
	}
}

// Names alone, where only one thing has them.
func TestTargets(t *testing.T) {
	st := healthy()
	st.Hosts = append(st.Hosts, api.Host{Name: "zed"})
	st.Backends = append(st.Backends, api.Backend{Name: "zed", Pool: "shop-tokyo", PID: 1})
	for _, c := range []struct {
		words string
		want  api.Command
		says  string
	}{
		{"drain shop-tokyo-1 --for 5s", api.Drain{Target: backend("shop-tokyo-1"), For: 5 * time.Second}, ""},
		{"drain tokyo-1", api.Drain{Target: id.To(id.KindHost, "tokyo-1")}, ""},
		{"drain zed", nil, `"zed" is more than one thing; write one of backend/zed, host/zed`},
		{"drain pool/shop-tokyo", nil, "pool/shop-tokyo is a pool; give a backend or a host"},
		{"drain nosuch/x", nil, `"nosuch" is not a kind of target; the kinds are`},
		{"drain Shop", nil, `begin with a lower-case letter`},
		{"drain", nil, "give a backend or a host: holdfast drain TARGET"},
		{"undrain a b", nil, "give a backend or a host: holdfast undrain TARGET"},
		{"weight zed=3 shop-tokyo-1=7", api.SetWeights{Weights: []api.Weight{{Backend: "zed", Weight: 3}, {Backend: "shop-tokyo-1", Weight: 7}}}, ""},
		{"weight zed", nil, `"zed" is not BACKEND=N`},
		{"weight zed=many", nil, `"zed=many" is not BACKEND=N`},
		{"weight host/tokyo-1=3", nil, "host/tokyo-1 is a host; give a backend"},
		{"force up zed", api.Force{Backend: "zed", Health: api.Up}, ""},
		{"force zed up", nil, `"zed" is neither up nor down`},
		{"force up", nil, "give up or down, and a backend: holdfast force up|down BACKEND"},
		{"unforce zed", api.Unforce{Backend: "zed"}, ""},
		{"fault slow zed", api.InjectFault{Kind: api.FaultSlow, Target: backend("zed"), Delay: keys.SlowDelay}, ""},
		{"fault kill zed --delay 3s", nil, "fault kill has no flag --delay"},
		{"fault", nil, "say what: holdfast fault clear|freeze|kill|list|restart|slow"},
		{"fault burn zed", nil, `"burn" is no command of holdfast fault`},
		{"fault kil zed", nil, "(did you mean kill?)"},
		{"fault clear f1 f2", nil, `"f2" is too much`},
		{"drill run drill/lose-backend --wait=false", api.StartDrill{Name: "lose-backend"}, ""},
		{"drill run", nil, "give a drill: holdfast drill run DRILL"},
		{"drill run --wait=false X", nil, "begin with a lower-case letter"},
		{"drill", nil, "say what: holdfast drill"},
		{"drill abort now", nil, `"now" is too much`},
	} {
		f := accepting()
		f.status = st
		r := (&shell{client: f}).run(t, strings.Fields(c.words)...)
		if c.want == nil {
			if r.code != 2 || len(f.asked) > 0 || r.out != "" || !strings.Contains(r.err, c.says) || strings.Count(r.err, "\n") != 1 {
				t.Errorf("%s: %+v, want %q", c.words, r, c.says)
			}
			continue
		}
		if r.code != 0 || len(f.asked) != 1 || !cmp.Equal(c.want, f.asked[0].Command) {
			t.Errorf("%s: %+v, asked %+v", c.words, r, f.asked)
		}
	}
}

// Dangerous things are confirmed, by --yes and a reason where nobody can be
// asked.
func TestConfirmation(t *testing.T) {
	last := healthy()
	last.Backends = last.Backends[:1]
	for _, c := range []struct {
		name  string
		words []string
		code  int
		asked int
		out   string
		err   string
	}{
		{"nobody can be asked", []string{"drain", "shop-tokyo-1"}, 3, 0, "", "refused: pool/shop-tokyo: it is the last one that serves"},
		{"yes and why", []string{"drain", "shop-tokyo-1", "--yes", "--why", "the disk"}, 0, 1, "done: drain backend/shop-tokyo-1", ""},
		{"yes alone", []string{"drain", "shop-tokyo-1", "--yes"}, 2, 0, "", "--yes needs --why TEXT"},
		{"yes and an empty why", []string{"drain", "shop-tokyo-1", "--yes", "--why", " "}, 2, 0, "", "--yes needs --why TEXT"},
		{"too long a why", []string{"drain", "shop-tokyo-1", "--why", strings.Repeat("x", 401)}, 2, 0, "", "--why has 401 bytes"},
		{"dry run", []string{"drain", "shop-tokyo-1", "--dry-run"}, 0, 1, "would be done: holdfast drain backend/shop-tokyo-1\n  to be confirmed: pool/shop-tokyo: it is the last one", ""},
		{"yes does not answer a no", []string{"drain", "shop-tokyo-9", "--yes", "--why", "x"}, 3, 1, "", "refused: backend/shop-tokyo-9: there is nothing of that name (holdfast get backends lists them) (did you mean backend/shop-tokyo-1?)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fleet{status: last}
			r := (&shell{client: f, in: "shop-tokyo-1\n"}).run(t, c.words...)
			if r.code != c.code || len(f.asked) != c.asked || !strings.HasPrefix(r.out, c.out) || !strings.Contains(r.err, c.err) || c.err == "" && r.err != "" {
				t.Errorf("%+v, asked %d", r, len(f.asked))
			}
			if len(f.asked) == 1 && c.code == 0 && f.asked[0].Confirm != "shop-tokyo-1" {
				t.Errorf("confirmed with %q", f.asked[0].Confirm)
			}
		})
	}
	f := accepting()
	(&shell{client: f}).run(t, "undrain", "shop-tokyo-1", "--why", "it is\x1b[2J well")
	if r := f.asked[0]; r.Why != "it is?[2J well" || r.By.Name == "" || r.By.From != "command line" {
		t.Errorf("asked as %+v", r)
	}
}

// One object on standard output, whatever came of it.
func TestActsInJSON(t *testing.T) {
	for _, c := range []struct {
		name, words string
		client      api.Client
		code        int
		file        string
	}{
		{"done", "weight shop-tokyo-1=50 shop-tokyo-2=7", &fleet{status: healthy()}, 0, "done"},
		{"refused", "weight shop-tokyo-1=50 shop-tokyo-9=7", &fleet{status: healthy()}, 3, "refused"},
		{"to be confirmed", "drain host/tokyo-1", &fleet{status: picture()}, 3, "unconfirmed"},
		{"dry run", "drain host/tokyo-1 --dry-run", &fleet{status: picture()}, 0, "dry-run"},
		{"usage", "drain pool/shop-tokyo", &fleet{status: picture()}, 2, "usage"},
		{"unreachable", "drain backend/shop-tokyo-1", nil, 4, "unreachable"},
		{"a drill is no surprise", "drill run nosuch", &fleet{status: healthy()}, 3, "no-drill"},
	} {
		r := (&shell{client: c.client}).run(t, append(strings.Fields(c.words), "-o", "json")...)
		if r.code != c.code || r.err != "" {
			t.Errorf("%s: %+v", c.name, r)
		}
		golden(t, "act/"+c.file+".json", r.out)
		var d struct {
			OK       *bool
			Reason   *string
			Refusals []struct{ Reason string }
		}
		if err := json.Unmarshal([]byte(r.out), &d); err != nil || d.OK == nil || *d.OK != (c.code == 0) || d.Reason == nil || (*d.Reason == "") != (c.code == 0) || d.Refusals == nil {
			t.Errorf("%s: %v: %s", c.name, err, r.out)
		}
	}
}

func TestCode(t *testing.T) {
	if plain.Code(plain.Refused(api.ErrUnreachable)) != 3 || plain.Code(plain.Usage(api.ErrUnreachable)) != 2 || plain.Usage(nil) != nil || plain.Message(nil) != "" {
		t.Error("the marks do not hold")
	}
}
