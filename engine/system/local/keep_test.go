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

func unkept(s *api.Status) bool {
	for _, p := range s.Problems {
		if p.Subject == id.To(id.KindFleet, "small") && strings.Contains(p.Text, "cannot be kept") && strings.Contains(p.Text, "file too large") {
			return true
		}
	}
	return false
}

// TestFullDisk lets no file of a fleet grow. It goes on serving, puts a spec into
// force, says that a restart would lose it, and keeps it when there is room.
func TestFullDisk(t *testing.T) {
	text := strings.ReplaceAll(small, "127.32.0.1", "127.44.5.1")
	dir := filepath.Join(place(t), "s")
	f := startProcess(t, dir, text)
	see(t, f, "all green", green)
	var before unix.Rlimit
	full := func(limit uint64) {
		if err := unix.Prlimit(f.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: before.Max}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Prlimit(f.cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &before); err != nil {
		t.Fatal(err)
	}
	full(16)
	next := strings.Replace(text, "{name: web-2,", "{name: web-2, weight: 7,", 1)
	r := f.apply(t, next)
	if !strings.Contains(r.Done, "a restart would lose it") || !strings.Contains(r.Done, "file too large") {
		t.Errorf("who applied it is told %q", r.Done)
	}
	s := see(t, f, "a problem that says so, of a fleet that serves", func(s *api.Status) bool {
		b, _ := s.Backend("web-2")
		return unkept(s) && b.Weight == 7 && b.Serves()
	})
	if s.State != api.StateDegraded || s.Rev != 2 || len(pids(s)) != 2 {
		t.Errorf("%s, revision %d, %d processes", s.State, s.Rev, len(pids(s)))
	}
	if _, err := os.Stat(filepath.Join(dir, "spec.yaml.next")); err == nil {
		t.Error("half a file is left")
	}
	r, err := f.Do(t.Context(), api.Request{Command: weight("web-1", 3)})
	if err != nil || !r.OK || !strings.Contains(r.Done, "a restart would lose it") {
		t.Errorf("who set a weight is told %q, %v", r.Done, err)
	}
	if err := unix.Kill(pids(s)[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	see(t, f, "a problem of the list of processes", func(s *api.Status) bool {
		for _, p := range s.Problems {
			if strings.HasPrefix(p.Text, "the list of backends' processes cannot be written: ") {
				return true
			}
		}
		return false
	})
	full(before.Cur)
	if err := unix.Kill(pids(s)[1], unix.SIGKILL); err != nil { // the next change writes it whole
		t.Fatal(err)
	}
	see(t, f, "it is kept by itself", func(s *api.Status) bool { return green(s) && !unkept(s) })
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
