// Package setup makes what an agent begins with: the first host of a new fleet with
// its authority, a host that joins by a token, and a person's way in. It writes all
// of it or nothing that counts, and never over what is there.
package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/access"
	"github.com/holdfast-edge/holdfast/engine/system/admission"
	"github.com/holdfast-edge/holdfast/engine/system/agent"
	"github.com/holdfast-edge/holdfast/engine/system/agentfile"
	"github.com/holdfast-edge/holdfast/engine/system/contexts"
	"github.com/holdfast-edge/holdfast/engine/system/durable"
	"github.com/holdfast-edge/holdfast/engine/system/gossip"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// Identity is the directory of an agent's identity in its state directory.
func Identity(state string) string { return filepath.Join(state, "identity") }

// Fleet is a new fleet.
type Fleet struct {
	Spec      *spec.Fleet
	Kept      statedir.Kept // Spec as it is kept; Revision 1
	Host      string        // the first one
	State     string        // its state directory
	Config    string        // file; the agent's configuration
	User      string        // whom the agent becomes when it is started as root
	Person    string        // the first admin
	PersonDir string        // where the admin's certificate goes
}

// Init makes a new fleet's first host: the authority, its certificate, the first key
// for gossip, the certificate of an admin, and a configuration.
func Init(f Fleet) error {
	h, site := f.Spec.Host(f.Host)
	if h == nil {
		return fmt.Errorf("the spec has no host %q", f.Host)
	}
	for _, path := range []string{Identity(f.State), f.Config, f.PersonDir} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			if err != nil {
				return err
			}
			return fmt.Errorf("%s exists: a fleet was begun here; nothing was changed", path)
		}
	}
	config := agentfile.File{Host: f.Host, State: f.State, Address: h.Address, User: f.User}
	if _, err := config.Text(); err != nil {
		return err
	}
	state, err := statedir.Open(f.State)
	if err != nil {
		return err
	}
	defer func() { _ = state.Close() }()
	now := time.Now()
	root, err := identity.NewAuthority(f.Spec.Name, now)
	if err != nil {
		return err
	}
	key := gossip.NewKey()
	first, err := credentials(root, now, identity.Name{Fleet: f.Spec.Name, Site: site.Name, Host: f.Host})
	if err != nil {
		return err
	}
	first.Keys = [][]byte{key[:]}
	admin, err := credentials(root, now, identity.Name{Fleet: f.Spec.Name, Person: f.Person, Role: api.RoleAdmin})
	if err != nil {
		return err
	}
	// The identity comes last, and whole: with it the fleet exists.
	if err := errors.Join(state.Keep(f.Kept), agent.MakeFounder(f.State, f.Host)); err != nil {
		return err
	}
	if err := store(f.PersonDir, func(files identity.Files, _ string) error { return files.SaveHost(admin) }); err != nil {
		return err
	}
	if err := config.Create(f.Config); err != nil {
		return errors.Join(err, os.RemoveAll(f.PersonDir))
	}
	err = store(Identity(f.State), func(files identity.Files, dir string) error {
		return errors.Join(
			admission.SaveFounders(dir, []api.Person{{Name: f.Person, Role: api.RoleAdmin, Since: now}}),
			files.SaveAuthority(root), files.SaveHost(first))
	})
	if err != nil {
		return errors.Join(err, os.Remove(f.Config), os.RemoveAll(f.PersonDir))
	}
	return nil
}

// credentials are those of who is there from the beginning.
func credentials(root *identity.Authority, now time.Time, n identity.Name) (identity.Credentials, error) {
	key, csr, err := identity.NewRequest()
	if err != nil {
		return identity.Credentials{}, err
	}
	chain, err := root.Admit(now, csr, n, now)
	return identity.Credentials{Key: key, Chain: chain, Roots: root.Roots()}, err
}

// store fills a new directory and gives it its name when it is whole.
func store(dir string, fill func(files identity.Files, dir string) error) (err error) {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	next, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+"-") // mode 0700
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(next))
		}
	}()
	files, err := identity.OpenFiles(next)
	if err != nil {
		return err
	}
	if err := fill(files, next); err != nil {
		return err
	}
	// A directory that is there and not empty is not replaced.
	if err := os.Rename(next, dir); err != nil {
		return err
	}
	return durable.FlushNames(parent)
}

// Joining is a host that joins.
type Joining struct {
	Token   string
	Agents  []string
	Host    string
	State   string
	Config  string
	Address string // empty: the one by which this machine reaches the first agent
	User    string
}

// joinWait is how long joining may take: agents that do not answer are passed over.
const joinWait = time.Minute

// Join gets a host's identity by a token, and writes its configuration. A host that
// has one already, and was not removed since, keeps it.
func Join(ctx context.Context, j Joining) error {
	token, err := identity.ParseToken(j.Token)
	if err != nil {
		return err
	}
	agents, err := addresses(j.Agents)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(Identity(j.State)); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s exists: this host has joined already; move it away to join anew", Identity(j.State))
	}
	if j.Address == "" {
		if j.Address, err = outward(agents[0]); err != nil {
			return fmt.Errorf("the address of this host in the spec: %w; give it with --address", err)
		}
	}
	config := agentfile.File{Host: j.Host, State: j.State, Address: j.Address, Agents: j.Agents, User: j.User}
	if _, err := config.Text(); err != nil {
		return err
	}
	if _, err := os.Lstat(j.Config); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s exists, and %s has no identity; move it away to join", j.Config, j.State)
	}
	state, err := statedir.Open(j.State)
	if err != nil {
		return err
	}
	defer func() { _ = state.Close() }()
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	c, err := identity.Join(ctx, agents, token, j.Host)
	if err != nil {
		return err
	}
	// The token is used up: what it gave is stored before anything else can fail.
	if err := store(Identity(j.State), func(files identity.Files, _ string) error { return files.SaveHost(c) }); err != nil {
		return err
	}
	return config.Create(j.Config)
}

// outward is the address from which this machine reaches another.
func outward(agent string) (string, error) {
	c, err := net.Dial("udp", agent) // it sends nothing
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	host, _, err := net.SplitHostPort(c.LocalAddr().String())
	return host, err
}

// addresses completes those of agents.
func addresses(agents []string) ([]string, error) {
	if len(agents) == 0 {
		return nil, errors.New("no agent is given; name one of the fleet with --agent ADDRESS")
	}
	all := make([]string, len(agents))
	for i, a := range agents {
		full, err := access.Address(a)
		if err != nil {
			return nil, err
		}
		all[i] = full
	}
	return all, nil
}

// Admit gets a person's certificate by a token and stores it for a context.
func Admit(ctx context.Context, text string, agents []string, dir string) error {
	token, err := identity.ParseToken(text)
	if err != nil {
		return err
	}
	all, err := addresses(agents)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s exists: there is a certificate already; move it away, or give the context another name", dir)
	}
	ctx, cancel := context.WithTimeout(ctx, joinWait)
	defer cancel()
	c, err := identity.Join(ctx, all, token, "")
	if err != nil {
		return err
	}
	return store(dir, func(files identity.Files, _ string) error { return files.SaveHost(c) })
}

// PersonDir is where the certificate of a context is.
func PersonDir(context string) (string, error) {
	path, err := contexts.Path()
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(path), "identities", context), nil
}

// Begin is Init with a context for whoever does it, named as the fleet and used at
// once where it is the first one. It returns the configuration's file and the
// context's name.
func Begin(f Fleet) (config, name string, err error) {
	name = f.Spec.Name
	all, err := contexts.Open()
	if err != nil {
		return "", "", err
	}
	if _, taken := all.Find(name); taken {
		return "", "", fmt.Errorf("you have a context %s already; «holdfast context remove %s» forgets it. Nothing was changed", name, name)
	}
	if f.Config == "" {
		f.Config = ConfigOf(f.State)
	}
	if f.PersonDir, err = PersonDir(name); err != nil {
		return "", "", err
	}
	if err := Init(f); err != nil {
		return "", "", err
	}
	h, _ := f.Spec.Host(f.Host)
	agents := []string{h.Address}
	for i := range f.Spec.Sites {
		for _, o := range f.Spec.Sites[i].Hosts {
			if o.Name != f.Host && len(agents) < contextAgents {
				agents = append(agents, o.Address)
			}
		}
	}
	return f.Config, name, contexts.Add(contexts.Context{Name: name, Agents: agents, Identity: f.PersonDir})
}

// contextAgents is how many agents a context begins with: a few outlive any one.
const contextAgents = 5

// AddContext enters a context among the user's. With a token it gets the certificate
// first.
func AddContext(ctx context.Context, c contexts.Context, token string) (err error) {
	for _, a := range c.Agents {
		if _, err := access.Address(a); err != nil {
			return err
		}
	}
	if token != "" {
		if c.Identity == "" {
			if c.Identity, err = PersonDir(c.Name); err != nil {
				return err
			}
		}
		all, err := contexts.Open()
		if err != nil {
			return err
		}
		if _, err := all.Add(c); err != nil { // before the token is used up
			return err
		}
		if err := Admit(ctx, token, c.Agents, c.Identity); err != nil {
			return err
		}
	}
	return contexts.Add(c)
}
