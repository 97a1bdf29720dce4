package spec_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestRefusals: each testdata/bad/*.yaml is refused with exactly the errors in
// the .txt beside it.
func TestRefusals(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f, err := spec.Parse(filepath.Base(file), text)
			if err == nil || f != nil {
				t.Fatalf("it was accepted: %+v", f)
			}
			got, golden := err.Error()+"\n", strings.TrimSuffix(file, ".yaml")+".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

const small = `fleet: small
sites: [{name: a, hosts: [{name: a-1}, {name: a-2}]}]
probes:
  - {name: base, kind: http, interval: 1s, http: {path: /x}, flap: {hold: 9s}}
  - {name: like, like: base, fall: 4}
  - {name: slow, preset: reference, kind: udp}
pools: [{name: p, site: a, probe: like, backends: [{name: b, host: a-2, port: 80}]}]
listeners: [{name: l, site: a, protocol: http, port: 8080, pool: p}]
`

func TestDefaults(t *testing.T) {
	f, err := spec.Parse("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if h, site := f.Host("a-2"); h.Address != "127.11.0.2" || site.Name != "a" {
		t.Errorf("host a-2 is %+v in %s", h, site.Name)
	}
	b := f.Pool("p").Backends[0]
	if b.Address != "127.11.0.2" || b.WeightNow() != 100 {
		t.Errorf("backend is %+v", b)
	}
	l := f.Listener("l")
	if len(l.Hosts) != 2 || l.Idle.D() != 15*time.Second || l.Request.D() != time.Minute || !*l.XForwarded || l.HeaderMax != 16<<10 {
		t.Errorf("listener is %+v", l)
	}
	p := f.Probe("like")
	if p.Kind != spec.ProbeHTTP || p.Interval.D() != time.Second || p.Fall != 4 || p.Rise != 2 || p.HTTP.Path != "/x" || p.Flap.Hold.D() != 9*time.Second {
		t.Errorf("the probe that is like another is %+v", p)
	}
	if p := f.Probe("slow"); p.Interval.D() != 5*time.Second || p.Timeout.D() != 10*time.Second || p.Rise != 3 {
		t.Errorf("the reference's UDP probe is %+v", p)
	}
}

func TestHostileFilesAreRefusedQuickly(t *testing.T) {
	for name, text := range map[string]string{
		"empty":          "",
		"comments":       "# nothing\n",
		"10 MB of junk":  strings.Repeat("x", 10<<20),
		"2 MB of keys":   strings.Repeat("a: b\n", 1<<19),
		"deep brackets":  strings.Repeat("[", 1<<15),
		"deep braces":    strings.Repeat("{a: ", 1<<12),
		"deep indent":    deep(2000),
		"deep lists":     strings.Repeat("- ", 1<<12) + "a",
		"not UTF-8":      "fleet: \xff\xfe",
		"NUL":            "fleet: \"a\x00b\"",
		"alias bomb":     "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nsites: *c\n",
		"two documents":  "fleet: a\n---\nfleet: b\n",
		"a list":         "- a\n- b\n",
		"a word":         "hello",
		"binary tag":     "fleet: !!binary aGVsbG8=\n",
		"merge key":      "<<: {fleet: a}\n",
		"escape":         "fleet: \"\\e[2J\"\n",
		"tabs":           "fleet:\n\t- a\n",
		"unclosed quote": "fleet: \"abc\nsites: []\n",
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			f, err := spec.Parse("f.yaml", []byte(text))
			if err == nil {
				t.Fatalf("it was accepted: %+v", f)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("the refusal took %v", took)
			}
			if strings.ContainsAny(err.Error(), "\x1b\x00\x07") {
				t.Errorf("a control character is in the error: %q", err.Error())
			}
			if len(err.Error()) > 20_000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func deep(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i))
		b.WriteString("a:\n")
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	more, _ := filepath.Glob("../../profiles/*.yaml")
	for _, file := range append(files, more...) {
		if text, err := os.ReadFile(file); err == nil {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fleet, err := spec.Parse("f.yaml", text)
		if (fleet == nil) == (err == nil) {
			t.Fatalf("a fleet (%v) or errors (%v), never both", fleet, err)
		}
		if err != nil && err.Error() == "" {
			t.Fatal("an error without a word")
		}
	})
}
