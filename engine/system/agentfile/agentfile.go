// Package agentfile reads and writes the configuration of an agent: a small YAML
// file that says which host it is and where its state is. What the fleet is stands
// in the spec, which the fleet keeps itself.
package agentfile

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// Bounds of a file.
const (
	sizeMax   = 64 << 10
	agentsMax = 16
)

// Default is where the file is when nothing else is said.
const Default = "/etc/holdfast/agent.yaml"

// File is an agent's configuration.
type File struct {
	// Host is who it is, as the spec names it, and State the directory where its
	// state is.
	Host  string `yaml:"host"`
	State string `yaml:"state"`
	// Address is where it listens: its host's in the spec. Port is that of all agents
	// of the fleet; 0: the default one.
	Address string `yaml:"address"`
	Port    int    `yaml:"port,omitempty"`
	// Agents are asked first, before the spec is known.
	Agents []string `yaml:"agents,omitempty"`
	// Metrics is the address that serves /metrics, /live and /ready.
	Metrics string `yaml:"metrics,omitempty"`
	// User is whom the agent becomes when it is started as root.
	User    string   `yaml:"user,omitempty"`
	Console *Console `yaml:"console,omitempty"`
}

// Console is how people reach the fleet through this host.
type Console struct {
	SSH *SSH `yaml:"ssh,omitempty"`
}

// SSH serves the console over SSH.
type SSH struct {
	Listen string `yaml:"listen"`
	// Keys is the file that says who may come in; empty: in the state directory.
	Keys string `yaml:"authorized_keys,omitempty"`
}

// IP is the address as one.
func (f File) IP() netip.Addr {
	a, err := netip.ParseAddr(f.Address)
	if err != nil {
		return netip.Addr{}
	}
	return a
}

// Load reads a file.
func Load(path string) (File, error) {
	i, err := os.Stat(path)
	if err == nil && i.Size() > sizeMax {
		err = fmt.Errorf("%s has %d bytes; %d are the limit", path, i.Size(), sizeMax)
	}
	if err != nil {
		return File{}, fmt.Errorf("the agent's configuration: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return File{}, fmt.Errorf("the agent's configuration: %w", err)
	}
	return Parse(path, text)
}

// Parse reads the text of a file. Errors begin with name:line:column.
func Parse(name string, text []byte) (f File, err error) {
	// The library has panicked on odd input before.
	defer func() {
		if r := recover(); r != nil {
			f, err = File{}, fmt.Errorf("%s: it is no YAML that can be read", name)
		}
	}()
	if len(text) > sizeMax {
		return File{}, fmt.Errorf("%s has %d bytes; %d are the limit", name, len(text), sizeMax)
	}
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		line, column := 1, 1
		what := err.Error()
		var at yaml.Error
		if errors.As(err, &at) {
			what = at.GetMessage()
			if t := at.GetToken(); t != nil && t.Position != nil {
				line, column = t.Position.Line, t.Position.Column
			}
		}
		return File{}, fmt.Errorf("%s:%d:%d: %q", name, line, column, what)
	}
	if flaw := f.flaw(); flaw != nil {
		line, column := place(text, flaw.path)
		return File{}, fmt.Errorf("%s:%d:%d: %s: %s", name, line, column, flaw.path, flaw.text)
	}
	return f, nil
}

// flaw is what is wrong with one value.
type flaw struct{ path, text string }

func (f File) flaw() *flaw {
	if err := id.CheckName(f.Host); err != nil {
		return &flaw{"host", err.Error()}
	}
	if !filepath.IsAbs(f.State) {
		return &flaw{"state", fmt.Sprintf("%q is no absolute directory; write one such as /var/lib/holdfast", f.State)}
	}
	if a := f.IP(); !a.IsValid() || a.IsUnspecified() || a.IsMulticast() {
		return &flaw{"address", fmt.Sprintf("%q is no address of a host; write that of the host in the spec", f.Address)}
	}
	if f.Port < 0 || f.Port > 65535 {
		return &flaw{"port", fmt.Sprintf("%d is no port", f.Port)}
	}
	if len(f.Agents) > agentsMax {
		return &flaw{"agents", fmt.Sprintf("%d addresses; %d are the limit", len(f.Agents), agentsMax)}
	}
	for i, a := range f.Agents {
		if a == "" {
			return &flaw{fmt.Sprintf("agents[%d]", i), "an address is empty"}
		}
	}
	if f.Metrics != "" && !hostPort(f.Metrics) {
		return &flaw{"metrics", fmt.Sprintf("%q is no address; write one such as 127.0.0.1:9100", f.Metrics)}
	}
	if f.Console != nil && f.Console.SSH != nil {
		if !hostPort(f.Console.SSH.Listen) {
			return &flaw{"console.ssh.listen", fmt.Sprintf("%q is no address; write one such as :2222", f.Console.SSH.Listen)}
		}
		if k := f.Console.SSH.Keys; k != "" && !filepath.IsAbs(k) {
			return &flaw{"console.ssh.authorized_keys", fmt.Sprintf("%q is no absolute path", k)}
		}
	}
	return nil
}

func hostPort(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil && port != ""
}

// place is where a value stands; the beginning when it is missing.
func place(text []byte, path string) (line, column int) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return 1, 1
	}
	p, err := yaml.PathString("$." + path)
	if err != nil {
		return 1, 1
	}
	var at ast.Node
	if at, err = p.FilterFile(file); err != nil || at == nil || at.GetToken() == nil || at.GetToken().Position == nil {
		return 1, 1
	}
	return at.GetToken().Position.Line, at.GetToken().Position.Column
}

// Text is the file as it is written.
func (f File) Text() ([]byte, error) {
	if flaw := f.flaw(); flaw != nil {
		return nil, fmt.Errorf("the agent's configuration: %s: %s", flaw.path, flaw.text)
	}
	var b bytes.Buffer
	b.WriteString("# The agent of one host; what the fleet is stands in its spec.\n")
	if err := yaml.NewEncoder(&b).Encode(f); err != nil {
		return nil, fmt.Errorf("the agent's configuration: %w", err)
	}
	return b.Bytes(), nil
}

// Create writes a file that does not exist yet.
func (f File) Create(path string) error {
	text, err := f.Text()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("the agent's configuration: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("the agent's configuration: %w", err)
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("the agent's configuration: %w", err)
	}
	return nil
}
