package spec_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// What is no spec at all is refused at once, and the refusal says what it is.
func TestHostileFilesAreRefusedQuickly(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"empty":          {"", "f.yaml: the file is empty; expected a fleet"},
		"comments":       {"# nothing\n", "the file is empty"},
		"10 MB of junk":  {strings.Repeat("x", 10<<20), "f.yaml: the file has 10485760 bytes; at most 2097152 are read"},
		"2 MB of keys":   {strings.Repeat("a: b\n", 1<<18), "the file has 262144 lines; 20000 are the limit"},
		"a long line":    {"fleet: " + strings.Repeat("x", 1<<15), "f.yaml:1:1: a line of 32775 bytes"},
		"deep brackets":  {strings.Repeat("[", 1<<10), "brackets that are nested without end"},
		"deep braces":    {strings.Repeat("{a: ", 1<<11), "brackets that are nested without end"},
		"deep indent":    {deep(2000), "lines that are indented without end"},
		"deep lists":     {strings.Repeat("- ", 1<<12) + "a", "lines that are indented without end"},
		"not UTF-8":      {"fleet: a\nsites: \xff\xfe", "f.yaml:2:1: the file is not UTF-8 text; save it as UTF-8"},
		"NUL":            {"fleet: \"a\x00b\"", "fleet: the text has a control character at byte 2"},
		"NUL outside":    {"fleet: a\nsites: \x00\n", "f.yaml:2:8: sites: found"},
		"all NULs":       {strings.Repeat("\x00", 1000), "f.yaml:1:1: found the text"},
		"UTF-16":         {"\xff\xfef\x00l\x00", "f.yaml:1:1: the file is not UTF-8 text; save it as UTF-8"},
		"a huge number":  {"fleet: a\nsites: [{name: s, hosts: [{name: h}]}]\nprobes: [{name: p, rise: 99999999999999999999999999}]\n", "f.yaml:3:26: probes[0].rise: found the"},
		"a number of 1e": {"fleet: a\nsites: [{name: s, hosts: [{name: h}]}]\nprobes: [{name: p, rise: 1e400}]\n", "f.yaml:3:26: probes[0].rise: found the"},
		"infinity":       {"fleet: a\nsites: [{name: s, hosts: [{name: h}]}]\nclients: [{name: c, listener: l, rate: .inf}]\n", "clients[0].rate: found the number"},
		"no number":      {"fleet: a\nsites: [{name: s, hosts: [{name: h}]}]\nclients: [{name: c, listener: l, rate: .nan}]\n", "clients[0].rate: found the number"},
		"a long time":    {"fleet: a\nsites: [{name: s, hosts: [{name: h}]}]\nprobes: [{name: p, interval: 9999999999h}]\n", "probes[0].interval: found \"9999999999h\""},
		"unknown close":  {"fleet: a\nsites: [{name: s, hosts: [{name: h}]}]\nprobess: []\n", "f.yaml:3:1: unknown key \"probess\" (did you mean probes?)"},
		"alias bomb":     {"a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nsites: *c\n", "sites: found a YAML anchor or alias"},
		"two documents":  {"fleet: a\n---\nfleet: b\n", "a second YAML document begins here; expected one fleet in one file"},
		"a list":         {"- a\n- b\n", "found a list; expected a mapping with fleet, title"},
		"a word":         {"hello", "found the text \"hello\"; expected a mapping"},
		"binary tag":     {"fleet: !!binary aGVsbG8=\n", "fleet: found a YAML tag"},
		"merge key":      {"<<: {fleet: a}\n", "a key that is no plain text"},
		"escape":         {"fleet: \"\\e[2J\"\n", "control character"},
		"tabs":           {"fleet:\n\t- a\n", "not YAML"},
		"unclosed quote": {"fleet: \"abc\nsites: []\n", "not YAML"},
		"201 sites":      {"fleet: a\nsites:\n" + many(201, "  - {name: s%d, hosts: [{name: h%d}]}\n"), "201 sites; at most 200 are supported"},
		"33 hosts":       {"fleet: a\nsites:\n - name: s\n   hosts:\n" + many(33, "    - {name: h%d, address: 10.0.0.%d}\n"), "33 hosts; at most 32 in a site are supported"},
		"1000 mistakes":  {"fleet: a\nsites:\n" + many(1000, "  - {nome: s%d, x: %d}\n"), "and 80 more"},
		"a long body":    {"fleet: a\nsites: [{name: s, hosts: [{name: h}]}]\nprobes: [{name: p, kind: http, http: {body: " + strings.Repeat("x", 4097) + "}}]\n", "probes[0].http.body: the text is too long; at most 4096 bytes"},
		"a long request": {"fleet: a\nsites: [{name: s, hosts: [{name: h}]}]\nprobes: [{name: p, kind: udp, udp: {expect: " + strings.Repeat("x", 1025) + "}}]\n", "probes[0].udp: request or expect is too long"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			f, err := spec.Parse("f.yaml", []byte(c.text))
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
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %.300s, want %q", err, c.says)
			}
		})
	}
}

// What editors leave behind changes nothing.
func TestEditorsHabits(t *testing.T) {
	plain, err := spec.Parse("f.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"BOM": "\ufeff" + small, "CRLF": strings.ReplaceAll(small, "\n", "\r\n"), "no last line end": strings.TrimSuffix(small, "\n"),
		"document start": "---\n" + small, "document end": small + "...\n", "comments": "# hello\n" + small + "# bye\n", "blank ends of lines": strings.ReplaceAll(small, "\n", "  \n"),
	} {
		f, err := spec.Parse("f.yaml", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(plain, f); diff != "" {
			t.Errorf("%s changes the fleet:\n%s", name, diff)
		}
	}
	// A place in a file with CRLF or a BOM is where an editor shows it.
	for _, text := range []string{"\ufefffleet: a\r\nsites: 7\r\n", "fleet: a\r\nsites: 7\r\n"} {
		if _, err := spec.Parse("f.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), "f.yaml:2:8: sites: found the number") {
			t.Errorf("%q says %v", text, err)
		}
	}
}

// The reference's ranges are accepted as they are, ends included.
func TestTheReferencesRanges(t *testing.T) {
	parse := func(settings string) (*spec.Probe, error) {
		f, err := spec.Parse("f.yaml", []byte("fleet: a\nsites: [{name: s, hosts: [{name: h}]}]\nprobes: [{name: p, "+settings+"}]\n"))
		if err != nil {
			return nil, err
		}
		return f.Probe("p"), nil
	}
	letters := strings.Repeat("a1", 32)
	for _, ok := range []string{
		"interval: 1s", "interval: 50s", "timeout: 1s", "timeout: 300s", "interval: 50s, timeout: 1s", "rise: 2, fall: 2", "rise: 10, fall: 10",
		"kind: http, http: {method: HEAD, path: /" + strings.Repeat("x", 79) + ", status: [http_2xx, http_3xx, http_4xx, http_5xx]}",
		"kind: udp, udp: {request: " + letters + ", expect: " + letters + "}", "port: 1", "port: 65535",
	} {
		if _, err := parse(ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for _, bad := range []string{"interval: 49ms", "interval: 301s", "timeout: 9ms", "timeout: 301s", "rise: 0", "rise: 11", "fall: 0", "fall: 11", "port: 65536", "port: -1", "jitter: 51%", "kind: http, http: {status: [http_6xx]}", "kind: https, tls: {expiry_warn: 90000h}"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	for settings, want := range map[string]time.Duration{"kind: https": 7 * 24 * time.Hour, "kind: https, tls: {expiry_warn: 0}": 0, "kind: https, tls: {expiry_warn: 48h}": 48 * time.Hour} {
		if p, err := parse(settings); err != nil || p.TLS.ExpiryWarn.D() != want {
			t.Errorf("%s warns %v (%v) before the end, want %v", settings, p, err, want)
		}
	}
}

// many repeats a line with its number.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i, i)
	}
	return b.String()
}

// A probe that is like another takes every setting of it, and keeps every one of
// its own. A key that inherit forgets is seen here.
func TestLikeTakesEverySetting(t *testing.T) {
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, err := spec.Parse("full.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	want := *f.Probe("web")
	want.Name, want.Like, want.Rise = "again", "web", 1
	if diff := cmp.Diff(want, *f.Probe("again")); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	own := map[string]string{
		"preset": "holdfast", "kind": "https", "port": "1", "interval": "9s", "timeout": "8s", "rise": "7", "fall": "6", "jitter": "5%", "slow": "4s",
		"flap": "{count: 9}", "http": "{path: /own}", "tls": "{server_name: own}",
	}
	for key, value := range own {
		line := fmt.Sprintf("  - {name: own, like: web, %s: %s}\n", key, value)
		f, err := spec.Parse("f.yaml", []byte(strings.Replace(string(text), "probes:\n", "probes:\n"+line, 1)))
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		probe, web := *f.Probe("own"), *f.Probe("web")
		probe.Name, probe.Like = web.Name, web.Like
		same := cmp.Equal(probe, web)
		if want := key == "kind"; same != want { // the same kind; another would not go with the settings
			t.Errorf("%s: %s is not kept: %+v", key, value, probe)
		}
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
