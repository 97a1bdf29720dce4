package agentfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/system/agentfile"
)

const good = `host: tokyo-1
state: /var/lib/holdfast
address: 10.0.0.1
agents: [10.0.0.2, "10.1.0.1:7420"]
metrics: 127.0.0.1:9100
user: holdfast
console:
  ssh: {listen: ":2222", authorized_keys: /etc/holdfast/authorized_keys}
`

func TestParse(t *testing.T) {
	f, err := agentfile.Parse("agent.yaml", []byte(good))
	want := agentfile.File{
		Host: "tokyo-1", State: "/var/lib/holdfast", Address: "10.0.0.1", Agents: []string{"10.0.0.2", "10.1.0.1:7420"}, Metrics: "127.0.0.1:9100", User: "holdfast",
		Console: &agentfile.Console{SSH: &agentfile.SSH{Listen: ":2222", Keys: "/etc/holdfast/authorized_keys"}},
	}
	if err != nil || !reflect.DeepEqual(f, want) {
		t.Fatalf("%+v, %v", f, err)
	}
	for name, c := range map[string]struct{ from, to, says string }{
		"no YAML":        {"host: tokyo-1", "host: [", "agent.yaml:"},
		"unknown":        {"user: holdfast", "usr: holdfast", "agent.yaml:6:1"},
		"a host":         {"tokyo-1", "Tokyo", "agent.yaml:1:7: host:"},
		"no host":        {"host: tokyo-1\n", "", "agent.yaml:1:1: host:"},
		"relative state": {"/var/lib/holdfast", "state", "agent.yaml:2:8: state:"},
		"an address":     {"10.0.0.1\n", "tokyo\n", "agent.yaml:3:10: address:"},
		"any address":    {"10.0.0.1\n", "0.0.0.0\n", "agent.yaml:3:10: address:"},
		"an agent":       {"10.0.0.2", `""`, "agent.yaml:4:10: agents[0]:"},
		"metrics":        {"127.0.0.1:9100", "9100", "agent.yaml:5:10: metrics:"},
		"ssh":            {`":2222"`, `"22 22"`, "agent.yaml:8:17: console.ssh.listen:"},
	} {
		if _, err := agentfile.Parse("agent.yaml", []byte(strings.Replace(good, c.from, c.to, 1))); err == nil || !strings.HasPrefix(err.Error(), c.says) {
			t.Errorf("%s: %v; want %s", name, err, c.says)
		}
	}
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etc", "agent.yaml")
	f, err := agentfile.Parse("agent.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Create(path); err != nil {
		t.Fatal(err)
	}
	if back, err := agentfile.Load(path); err != nil || !reflect.DeepEqual(back, f) {
		t.Errorf("it comes back as %+v, %v", back, err)
	}
	if err := f.Create(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a file was written over: %v", err)
	}
	f.Host = "Tokyo"
	if err := f.Create(path + "2"); err == nil {
		t.Error("a file that cannot be read was written")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := agentfile.Parse("agent.yaml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "agent.yaml") {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := file.Text()
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", file, err)
		}
		if back, err := agentfile.Parse("agent.yaml", again); err != nil || back.Host != file.Host || back.State != file.State {
			t.Errorf("%+v came back as %+v, %v", file, back, err)
		}
	})
}
