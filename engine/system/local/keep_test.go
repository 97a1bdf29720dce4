package local_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// apply asks a fleet in a process of its own for a spec.
func (f *ownFleet) apply(t *testing.T, text string) api.Receipt {
	t.Helper()
	r, err := f.Do(t.Context(), api.Request{Command: api.Apply{Name: "next.yaml", Text: text, Dir: f.dir}, By: api.Actor{Name: "kim"}, Why: "a test"})
	if err != nil || !r.OK {
		t.Fatalf("%+v, %v", r, err)
	}
	return r
}

func full(s *api.Status) bool {
	for _, p := range s.Problems {
		if p.Subject == id.To(id.KindHost, "lab-1") && strings.Contains(p.Text, "the journal's disk is full") {
			return true
		}
	}
	return false
}

// TestFullDisk lets no file of a fleet grow. It goes on serving, refuses what could
// not be agreed on, says why, and heals when there is room.
func TestFullDisk(t *testing.T) {
	text := strings.ReplaceAll(small, "127.32.0.1", "127.44.5.1")
	dir := filepath.Join(place(t), "s")
	f := startProcess(t, dir, text)
	see(t, f, "all green", green)
	var before unix.Rlimit
	room := func(limit uint64) {
		if err := unix.Prlimit(f.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: before.Max}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Prlimit(f.cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &before); err != nil {
		t.Fatal(err)
	}
	room(16)
	next := strings.Replace(text, "{name: web-2,", "{name: web-2, weight: 7,", 1)
	apply := api.Request{Command: api.Apply{Name: "next.yaml", Text: next, Dir: f.dir}, By: api.Actor{Name: "kim"}, Why: "a test"}
	if r, err := f.Do(t.Context(), apply); err != nil || r.OK || !strings.Contains(r.Refusals[0].Detail, "it could not be agreed on") {
		t.Errorf("who applied it is told %+v, %v", r, err)
	}
	s := see(t, f, "a problem that says so, of a fleet that serves", func(s *api.Status) bool {
		l, _ := s.Listener("web")
		return s.Alone() && full(s) && l.State == api.StateOK
	})
	if b, _ := s.Backend("web-2"); s.State != api.StateDegraded || s.Rev != 1 || b.Weight != 100 {
		t.Errorf("%s, revision %d, weight %d", s.State, s.Rev, b.Weight)
	}
	for _, name := range []string{"spec.yaml", "spec.yaml.next"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is left of what was refused", name)
		}
	}
	if r, err := f.Do(t.Context(), api.Request{Command: weight("web-1", 3)}); err != nil || r.OK {
		t.Errorf("who sets a weight is told %+v, %v", r, err)
	}
	room(before.Cur)
	see(t, f, "it heals by itself", func(s *api.Status) bool { return green(s) && s.Coordinator.Kind == api.CoordinationActing })
	f.apply(t, next)
	if r, err := f.Do(t.Context(), api.Request{Command: weight("web-1", 3)}); err != nil || !r.OK {
		t.Fatalf("%+v, %v", r, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "operators-small.json")); err != nil || !strings.Contains(string(b), `"backend":"web-1","verb":"weight","weight":3`) {
		t.Errorf("%v: %s", err, b)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "spec.yaml")); err != nil || !strings.HasSuffix(string(b), next) {
		t.Errorf("%v: %s", err, b)
	}
}

// TestAcknowledgedIsKept kills a fleet with the receipt in hand: what it promised
// is on the disk.
func TestAcknowledgedIsKept(t *testing.T) {
	text := strings.ReplaceAll(small, "127.32.0.1", "127.44.6.1")
	dir := filepath.Join(place(t), "s")
	f := startProcess(t, dir, text)
	for i, w := range []string{"1", "2", "3"} {
		next := strings.Replace(text, "{name: web-2,", "{name: web-2, weight: "+w+",", 1)
		f.apply(t, next)
		b, err := os.ReadFile(filepath.Join(dir, "spec.yaml"))
		if err != nil || !strings.HasSuffix(string(b), next) {
			t.Fatalf("spec %d was acknowledged and is not on the disk: %v: %s", i+1, err, b)
		}
	}
	for i := range 3 {
		if r, err := f.Do(t.Context(), api.Request{Command: weight("web-1", 4+i)}); err != nil || !r.OK {
			t.Fatalf("%+v, %v", r, err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "operators-small.json")); err != nil || !strings.Contains(string(b), fmt.Sprintf(`"weight":%d`, 4+i)) {
			t.Fatalf("a weight was acknowledged and is not on the disk: %v: %s", err, b)
		}
	}
	if r, err := f.Do(t.Context(), api.Request{Command: api.Apply{Name: "n.yaml", Text: strings.Replace(text, "weight", "weihgt", 1) + "nonsense: 1\n", Dir: dir}}); err != nil || r.OK {
		t.Fatalf("%+v, %v", r, err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "spec.yaml")); strings.Contains(string(b), "nonsense") {
		t.Error("a refused spec is kept")
	}
}

// TestFilesOfAnAppliedSpec: over the socket too, a spec whose files are not there
// is refused with the place that names them, and a dry run keeps nothing.
func TestFilesOfAnAppliedSpec(t *testing.T) {
	text := strings.ReplaceAll(small, "127.32.0.1", "127.44.7.1")
	r := start(t, text)
	bad := strings.Replace(text, "protocol: http, port: 8080", "protocol: https, tls: {certificates: [{chain: a.pem, key: a.key}]}, port: 8080", 1)
	for dir, want := range map[string]string{r.dir: "the certificate chain " + r.dir + "/a.pem cannot be read", "": "comes from no directory", "here": "is relative"} {
		receipt, err := r.socket(t).Do(t.Context(), api.Request{Command: api.Apply{Name: "bad.yaml", Text: bad, Dir: dir}})
		if err != nil || receipt.OK || len(receipt.Refusals) != 1 || receipt.Refusals[0].Reason != api.ReasonSpecInvalid || !strings.Contains(receipt.Refusals[0].Detail, want) {
			t.Errorf("in %q: %+v, %v", dir, receipt, err)
		}
	}
	if receipt, err := r.socket(t).Do(t.Context(), api.Request{Command: api.Apply{Name: "ok.yaml", Text: text}, DryRun: true}); err != nil || !receipt.OK {
		t.Fatalf("%+v, %v", receipt, err)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "spec.yaml")); err == nil {
		t.Error("a dry run is kept")
	}
}
