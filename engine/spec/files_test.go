package spec_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/spec"
)

const naming = `fleet: named
sites: [{name: a, hosts: [{name: a-1}]}]
probes:
  - {name: run, kind: exec, exec: {command: [./check, web]}}
  - {name: also, like: run}
  - {name: path, kind: exec, exec: {command: [true]}}
  - {name: safe, kind: https, tls: {ca: ../roots.pem}}
pools:
  - {name: p, site: a, probe: also, upstream: {tls: true, ca: /etc/roots.pem}, backends: [{name: b, port: 80, address: 10.0.0.1}]}
listeners:
  - name: l
    site: a
    protocol: https
    port: 8443
    pool: p
    tls:
      certificates:
        - chain: tls/a.pem
          key: tls/a.key
`

// TestFilesAreBesideTheSpec holds that a spec read in a directory has the whole
// names of its files, and knows where it names them.
func TestFilesAreBesideTheSpec(t *testing.T) {
	text := strings.Replace(naming, "[true]", `["true"]`, 1)
	f, files, err := spec.ParseIn("fleet.yaml", []byte(text), "/etc/holdfast")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range files {
		got = append(got, fmt.Sprintf("%s %s: %s", x.Kind, x.Name, x.Bad("bad", "good")))
	}
	want := []string{
		"certificate chain /etc/holdfast/tls/a.pem: fleet.yaml:18:18: listeners[0].tls.certificates[0].chain: bad; good",
		"key /etc/holdfast/tls/a.key: fleet.yaml:19:16: listeners[0].tls.certificates[0].key: bad; good",
		"roots /etc/roots.pem: fleet.yaml:9:63: pools[0].upstream.ca: bad; good",
		"program /etc/holdfast/check: fleet.yaml:4:46: probes[0].exec.command[0]: bad; good",
		"program true: fleet.yaml:6:47: probes[2].exec.command[0]: bad; good",
		"roots /etc/roots.pem: fleet.yaml:7:41: probes[3].tls.ca: bad; good",
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got:\n%s\nwant:\n%s", g, w)
	}
	for _, name := range []string{"run", "also"} {
		if x := f.Probe(name).Exec; x.Command[0] != "/etc/holdfast/check" || x.Dir != "/etc/holdfast" || x.Command[1] != "web" {
			t.Errorf("%s runs %q in %s", name, x.Command, x.Dir)
		}
	}
	if k := f.Listener("l").TLS.Certificates[0].Key; k != "/etc/holdfast/tls/a.key" {
		t.Errorf("the key is %s", k)
	}
	f, err = spec.Parse("fleet.yaml", []byte(text))
	if err != nil || f.Listener("l").TLS.Certificates[0].Key != "tls/a.key" {
		t.Errorf("without a directory names stay as they are: %v", err)
	}
}

// TestNoFileSaysWhatIsFilledIn: a field without a key cannot be written.
func TestNoFileSaysWhatIsFilledIn(t *testing.T) {
	_, err := spec.Parse("x.yaml", []byte("fleet: x\nsites: []\nprobes:\n  - {name: p, kind: exec, exec: {command: [\"true\"], \"-\": /tmp}}\n"))
	if err == nil || !strings.Contains(err.Error(), `unknown key "-"`) {
		t.Error(err)
	}
}
