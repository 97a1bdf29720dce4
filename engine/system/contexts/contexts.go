// Package contexts is the file in a user's configuration directory that names
// fleets: where their agents are, and as whom to go there.
package contexts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"

	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/system/durable"
)

// Bounds of the file.
const (
	Max       = 100 // contexts
	AgentsMax = 16  // of one context
	fileMax   = 1 << 20
)

// Context is one way to a fleet: a state directory on this machine, or agents
// and the directory of an identity.
type Context struct {
	Name     string   `yaml:"name"`
	State    string   `yaml:"state,omitempty"`
	Agents   []string `yaml:"agents,omitempty"`
	Identity string   `yaml:"identity,omitempty"`
}

// File is all of it. Add, Remove and With return another one; Save stores it.
type File struct {
	// Use names the context that is used when none is given; empty: this
	// machine's state directory.
	Use      string    `yaml:"use,omitempty"`
	Contexts []Context `yaml:"contexts"`
}

// Path is where the file is: HOLDFAST_CONTEXTS, or in the user's configuration
// directory.
func Path() (string, error) {
	if p := os.Getenv("HOLDFAST_CONTEXTS"); p != "" {
		return p, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("contexts: no configuration directory: %w; name the file with HOLDFAST_CONTEXTS", err)
	}
	return filepath.Join(dir, "holdfast", "contexts.yaml"), nil
}

// Load reads a file. One that does not exist is an empty one.
func Load(path string) (File, error) {
	var f File
	i, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	if err == nil && i.Size() > fileMax {
		err = fmt.Errorf("it has %d bytes; %d are the limit", i.Size(), fileMax)
	}
	if err != nil {
		return f, fmt.Errorf("contexts: %s: %w", path, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return f, fmt.Errorf("contexts: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		return File{}, fmt.Errorf("contexts: read %s: %w", path, err)
	}
	if err := f.check(); err != nil {
		return File{}, fmt.Errorf("contexts: read %s: %w", path, err)
	}
	return f, nil
}

// Save replaces the file whole.
func (f File) Save(path string) error {
	text, err := yaml.Marshal(f)
	if err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	if err := durable.Replace(path, text); err != nil {
		return fmt.Errorf("contexts: write %s: %w", path, err)
	}
	return nil
}

func (f File) check() error {
	if len(f.Contexts) > Max {
		return fmt.Errorf("%d contexts; %d are the limit", len(f.Contexts), Max)
	}
	for i, c := range f.Contexts {
		if err := c.Check(); err != nil {
			return err
		}
		if slices.ContainsFunc(f.Contexts[:i], func(o Context) bool { return o.Name == c.Name }) {
			return fmt.Errorf("context %s stands twice", c.Name)
		}
	}
	if _, ok := f.Find(f.Use); f.Use != "" && !ok {
		return fmt.Errorf("context %.80q is used and is not in it", f.Use)
	}
	return nil
}

// Check returns why it leads nowhere, and nil if it may lead somewhere.
func (c Context) Check() error {
	if err := id.CheckName(c.Name); err != nil {
		return err
	}
	switch {
	case c.State != "" && (len(c.Agents) > 0 || c.Identity != ""):
		return fmt.Errorf("context %s has a state directory and agents; give one of them", c.Name)
	case c.State == "" && len(c.Agents) == 0:
		return fmt.Errorf("context %s has neither a state directory nor agents", c.Name)
	case c.State == "" && c.Identity == "":
		return fmt.Errorf("context %s has agents and no identity; give the directory with your certificate", c.Name)
	case len(c.Agents) > AgentsMax:
		return fmt.Errorf("context %s has %d agents; %d are the limit", c.Name, len(c.Agents), AgentsMax)
	}
	for _, path := range []string{c.State, c.Identity} {
		if path != "" && !filepath.IsAbs(path) {
			return fmt.Errorf("context %s: the directory %q is not absolute", c.Name, path)
		}
	}
	return nil
}

// Find returns a context by its name.
func (f File) Find(name string) (Context, bool) {
	i := slices.IndexFunc(f.Contexts, func(c Context) bool { return c.Name == name })
	if i < 0 {
		return Context{}, false
	}
	return f.Contexts[i], true
}

// Names lists the contexts.
func (f File) Names() []string {
	all := make([]string, len(f.Contexts))
	for i, c := range f.Contexts {
		all[i] = c.Name
	}
	return all
}

// Add returns the file with one context more. The first one that is added is
// used.
func (f File) Add(c Context) (File, error) {
	if _, ok := f.Find(c.Name); ok {
		return f, fmt.Errorf("contexts: there is a context %s already; remove it first", c.Name)
	}
	next := File{Use: f.Use, Contexts: append(slices.Clone(f.Contexts), c)}
	if next.Use == "" && len(f.Contexts) == 0 {
		next.Use = c.Name
	}
	if err := next.check(); err != nil {
		return f, fmt.Errorf("contexts: %w", err)
	}
	return next, nil
}

// Remove returns the file without a context.
func (f File) Remove(name string) (File, error) {
	if _, ok := f.Find(name); !ok {
		return f, missing(name)
	}
	next := File{Use: f.Use, Contexts: slices.DeleteFunc(slices.Clone(f.Contexts), func(c Context) bool { return c.Name == name })}
	if next.Use == name {
		next.Use = "" // no other fleet gets what was meant for this one
	}
	return next, nil
}

// With returns the file with another context in use; empty: none.
func (f File) With(name string) (File, error) {
	if _, ok := f.Find(name); !ok && name != "" {
		return f, missing(name)
	}
	return File{Use: name, Contexts: f.Contexts}, nil
}

func missing(name string) error {
	return fmt.Errorf("contexts: there is no context %.80q; holdfast context list lists them", name)
}

// Change replaces the user's contexts by what change makes of them.
func Change(change func(File) (File, error)) error {
	path, err := Path()
	if err != nil {
		return err
	}
	f, err := Load(path)
	if err != nil {
		return err
	}
	if f, err = change(f); err != nil {
		return err
	}
	return f.Save(path)
}

// Open loads the user's contexts.
func Open() (File, error) {
	path, err := Path()
	if err != nil {
		return File{}, err
	}
	return Load(path)
}

// Pick returns the context of a name, or the one in use when none is given; false
// when none is. Without a home nothing can be in use.
func Pick(name string) (Context, bool, error) {
	if _, err := Path(); err != nil && name == "" {
		return Context{}, false, nil
	}
	f, err := Open()
	if err != nil {
		return Context{}, false, err
	}
	if name == "" {
		name = f.Use
	}
	c, ok := f.Find(name)
	if name != "" && !ok {
		return c, false, missing(name)
	}
	return c, ok, nil
}

// Add enters a context among the user's. Its directories may be relative to the
// present one.
func Add(c Context) error {
	for _, path := range []*string{&c.State, &c.Identity} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("contexts: %w", err)
		}
		*path = abs
	}
	return Change(func(f File) (File, error) { return f.Add(c) })
}
