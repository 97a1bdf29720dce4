package plain_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/tui/plain"
)

// auditLog is a log with one of everything that people look for.
func auditLog(t *testing.T) [][]byte {
	t.Helper()
	var c audit.Chain
	var lines [][]byte
	for i, e := range []audit.Entry{
		{Kind: audit.KindStart, Detail: "SSH is served at 127.0.0.1:2222"},
		{Kind: audit.KindRefuse, From: "192.0.2.1:4711", Outcome: "refused", Detail: "the key is not known"},
		{Kind: audit.KindLogin, Who: "SHA256:abc", Name: "mina", Role: "admin", From: "192.0.2.2:4712", Session: "2", Detail: "line 1"},
		{Kind: audit.KindAsk, Who: "SHA256:abc", Name: "mina", Role: "admin", From: "192.0.2.2:4712", Session: "2.1", Command: "holdfast fault kill backend/a", Why: "to see", Rev: 7},
		{Kind: audit.KindAnswer, Who: "SHA256:abc", Name: "mina", Role: "admin", From: "192.0.2.2:4712", Session: "2.1", Command: "holdfast fault kill backend/a", Outcome: "done", Detail: "kill backend/a", Receipt: "r1", Rev: 7, Event: 12, Of: 4},
	} {
		_, line, next, err := c.Next(time.Date(2026, 11, 24, 12, 0, i, 0, time.UTC), e)
		if err != nil {
			t.Fatal(err)
		}
		lines, c = append(lines, line), next
	}
	return lines
}

func TestLog(t *testing.T) {
	s := &shell{log: auditLog(t)}
	for name, words := range map[string][]string{
		"log/all.txt": {"log"}, "log/all.json": {"log", "-o", "json"}, "log/last.txt": {"log", "--last", "2"},
		"log/verified.txt": {"log", "verify"}, "log/verified.json": {"log", "verify", "-o", "json"},
	} {
		r := s.run(t, words...)
		if r.code != 0 || r.err != "" {
			t.Errorf("%v: %+v", words, r)
		}
		golden(t, name, r.out)
	}
	if r := (&shell{}).run(t, "log", "verify"); r.code != 0 || r.out != "the audit log is empty\n" {
		t.Errorf("no log: %+v", r)
	}
}

// A byte that was changed is found, and nothing behind it is shown as true.
func TestLogThatWasChanged(t *testing.T) {
	lines := auditLog(t)
	lines[2] = bytes.Replace(lines[2], []byte("mina"), []byte("nina"), 1)
	s := &shell{log: lines}
	r := s.run(t, "log", "verify")
	if r.code != plain.ExitFailed || !strings.Contains(r.err, "record 3 (line 3) is broken") {
		t.Errorf("verify: %+v", r)
	}
	r = s.run(t, "log", "verify", "-o", "json")
	if r.code != plain.ExitFailed || !strings.Contains(r.out, `"ok": false`) || !strings.Contains(r.out, `"last": 2`) {
		t.Errorf("verify -o json: %+v", r)
	}
	r = s.run(t, "log")
	if r.code != plain.ExitFailed || strings.Contains(r.out, "nina") || !strings.Contains(r.out, "the key is not known") || !strings.Contains(r.err, "record 3") {
		t.Errorf("log: %+v", r)
	}
}

// The newest records cut off leave a whole log; a hash kept elsewhere tells.
func TestLogThatWasCut(t *testing.T) {
	lines := auditLog(t)
	s := &shell{log: lines}
	out := s.run(t, "log", "verify").out
	head := strings.TrimSpace(out[strings.Index(out, "head ")+5:])
	if r := s.run(t, "log", "verify", "--head", strings.ToUpper(head)); r.code != 0 {
		t.Errorf("the whole log: %+v", r)
	}
	s.log = lines[:4]
	if r := s.run(t, "log", "verify"); r.code != 0 {
		t.Errorf("cut, and nobody knows: %+v", r)
	}
	if r := s.run(t, "log", "verify", "--head", head); r.code != plain.ExitFailed || !strings.Contains(r.err, "cut off") {
		t.Errorf("cut: %+v", r)
	}
	if r := s.run(t, "log", "verify", "--head", "abc"); r.code != plain.ExitUsage {
		t.Errorf("no hash: %+v", r)
	}
	if r := s.run(t, "log", "--last", "-1"); r.code != plain.ExitUsage {
		t.Errorf("--last -1: %+v", r)
	}
}

// Somebody on another host starts nothing on this one, and reads no file of it.
func TestRemoteCommandLine(t *testing.T) {
	who := api.Actor{Name: "mina SHA256:abc", From: "ssh 192.0.2.2:4712"}
	f := accepting()
	s := &shell{client: f, remote: &who, in: "fleet: edge\n"}
	for _, words := range [][]string{{"up"}, {"console"}, {"wallboard"}, {"ssh"}, {"service"}, {"context"}, {}} {
		if r := s.run(t, words...); r.code != plain.ExitUsage {
			t.Errorf("%v: %+v", words, r)
		}
	}
	for _, verb := range []string{"apply", "diff", "validate"} {
		if r := s.run(t, verb, "-f", "/etc/passwd"); r.code != plain.ExitUsage || !strings.Contains(r.err, "files of this host are not read") {
			t.Errorf("%s: %+v", verb, r)
		}
	}
	if len(s.ran) > 0 {
		t.Errorf("it started %v", s.ran)
	}
	if r := s.run(t, "validate", "-f", "-"); r.code != 0 {
		t.Errorf("validate from standard input: %+v", r)
	}
	if r := s.run(t, "drain", "backend/shop-tokyo-1"); r.code != 0 || !slices.ContainsFunc(f.asked, func(q api.Request) bool { return q.By == who }) {
		t.Errorf("drain: %+v, asked %+v", r, f.asked)
	}
	if r := s.run(t, "help"); r.code != 0 || strings.Contains(r.out, "holdfast up") && strings.Contains(r.out, "  ssh ") {
		t.Errorf("help: %s", r.out)
	}
}
