// Command holdfast is high availability for edge sites: a whole fleet on one
// machine, its console, its wallboard and its command line, by its subcommand.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"
	gossh "golang.org/x/crypto/ssh"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/access"
	"github.com/holdfast-edge/holdfast/engine/system/agentfile"
	"github.com/holdfast-edge/holdfast/engine/system/auditlog"
	"github.com/holdfast-edge/holdfast/engine/system/contexts"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/local"
	"github.com/holdfast-edge/holdfast/engine/system/service"
	"github.com/holdfast-edge/holdfast/engine/system/setup"
	"github.com/holdfast-edge/holdfast/engine/system/specfile"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
	"github.com/holdfast-edge/holdfast/profiles"
	"github.com/holdfast-edge/holdfast/tui"
	"github.com/holdfast-edge/holdfast/tui/plain"
	"github.com/holdfast-edge/holdfast/tui/sshd"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/wall"
)

var version = "unknown" // set by the linker

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	root := plain.Root(plain.Worlds{
		Version: version, Up: up, Dial: dial, Console: console, Wallboard: wallboard, Service: backend, SSH: serveSSH, Log: auditLog,
		Contexts: plain.Contexts{List: listContexts, Use: useContext, Add: addContext, Remove: removeContext},
		Validate: validate, Differ: specfile.Differ, Token: newToken, Init: initFleet, Agent: runAgent, AgentHost: agentHost,
		Schema: spec.Schema, Profiles: profiles.Names(), Profile: profiles.Read,
	})
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends what does not end by itself
	err := root.ExecuteContext(ctx)
	stop()
	if say := plain.Message(err); say != "" {
		fmt.Fprintln(os.Stderr, say)
	}
	os.Exit(plain.Code(err))
}

// newToken draws a token; its secret is here and on paper only.
func newToken(authority string) (plain.NewToken, error) {
	t, err := identity.TokenFor(authority)
	h := t.Hash()
	return plain.NewToken{ID: t.ID, Hash: h[:], Text: t.Reveal()}, err
}

// validate checks a spec with its files, and says all that is wrong with it.
func validate(name string, text []byte, dir string) (flaws []plain.SpecFlaw, err error) {
	_, err = specfile.Read(name, text, dir)
	return specFlaws(err), err
}

// specFlaws are what is wrong with a spec, one by one.
func specFlaws(err error) (flaws []plain.SpecFlaw) {
	var all spec.Errors
	if errors.As(err, &all) {
		for _, e := range all {
			flaws = append(flaws, plain.SpecFlaw(e))
		}
	}
	return flaws
}

// stateDir is the directory that a flag, the environment or the default names.
func stateDir(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	return statedir.Default()
}

func dial(where plain.Where) (api.Client, error) {
	c, dir, err := client(where)
	if err != nil || dir == "" {
		return c, err
	}
	if _, err := os.Stat(statedir.Socket(dir)); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: no fleet runs from %s; start one with «holdfast up», or name its directory with --state", api.ErrUnreachable, dir)
	}
	return c, nil
}

// client returns the client of a fleet, and its state directory if it is on this
// machine. The flags come before the environment, and that before the context in
// use.
func client(where plain.Where) (c api.Client, dir string, err error) {
	to, dir, err := pick(where)
	if err != nil {
		return nil, "", err
	}
	if dir != "" {
		c, err = remote.Dial(statedir.Socket(dir))
		return c, dir, err
	}
	c, err = access.DialAs(to.Identity, to.Agents...)
	var none *access.NoCertificateError
	if errors.As(err, &none) {
		err = plain.Usage(fmt.Errorf("context %s: %w", to.Name, err))
	}
	return c, "", err
}

// pick is the state directory of a fleet on this machine, or, where there is none, the
// context whose agents are asked.
func pick(where plain.Where) (to contexts.Context, dir string, err error) {
	if where.State == "" && (where.Context != "" || os.Getenv("HOLDFAST_STATE") == "") {
		to, ok, err := contexts.Pick(where.Context)
		if err != nil || ok && to.State == "" {
			return to, "", plain.Usage(err)
		}
		where.State = to.State
	}
	dir, err = stateDir(where.State)
	return to, dir, err
}

func listContexts() (all []plain.ContextItem, err error) {
	f, err := contexts.Open()
	for _, c := range f.Contexts {
		all = append(all, plain.ContextItem{Name: c.Name, InUse: c.Name == f.Use, State: c.State, Agents: append([]string{}, c.Agents...), Identity: c.Identity})
	}
	return all, err
}

func useContext(name string) error {
	return contexts.Change(func(f contexts.File) (contexts.File, error) { return f.With(name) })
}

func removeContext(name string) error {
	return contexts.Change(func(f contexts.File) (contexts.File, error) { return f.Remove(name) })
}

func addContext(ctx context.Context, c plain.ContextItem, token string) error {
	return setup.AddContext(ctx, contexts.Context{Name: c.Name, State: c.State, Agents: c.Agents, Identity: c.Identity}, token)
}

// initFleet makes the first host of a fleet, and a context for whoever does it.
func initFleet(ctx context.Context, o plain.InitOptions) (plain.InitDone, error) {
	text, dir, err := readSpec(ctx, o.Spec)
	if err != nil {
		return plain.InitDone{}, err
	}
	f, err := specfile.Read(o.Spec, text, dir)
	if err != nil {
		return plain.InitDone{}, plain.Usage(err)
	}
	config, own, err := setup.Begin(setup.Fleet{
		Spec: f, Kept: statedir.Kept{Revision: 1, Name: o.Spec, Dir: dir, By: o.Person, Why: "the fleet begins", At: time.Now(), Text: string(text)},
		Host: o.Host, State: o.Dir, Config: o.Config, User: o.User, Person: o.Person,
	})
	return plain.InitDone{Fleet: f.Name, Config: config, Authority: filepath.Join(setup.Identity(o.Dir), "authority.pem"), Context: own}, err
}

// runAgent runs a host's agent until ctx ends, after it has joined where it must.
func runAgent(ctx context.Context, o plain.AgentOptions) error {
	f, err := setup.Ready(ctx, setup.Joining{Token: o.Join, Agents: o.Agents, Host: o.Host, State: o.Dir, Config: o.Config, Address: o.Address, User: o.User})
	if err != nil {
		return err
	}
	var console setup.Console
	if f.Console != nil && f.Console.SSH != nil {
		console = func(ctx context.Context, c api.Client, record func(audit.Entry) (audit.Record, error)) error {
			return serveConsole(ctx, plain.SSHOptions{Listen: f.Console.SSH.Listen, Keys: f.Console.SSH.Keys, Idle: 30 * time.Minute}, f.State, c, record, true)
		}
	}
	fmt.Printf("the agent of host/%s runs; state in %s\n", f.Host, f.State)
	err = setup.Run(ctx, f, version, console)
	if setup.Removed(err) {
		return plain.Refused(err)
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// agentHost is which host an agent's configuration is of, and its state directory.
func agentHost(config string) (host, state string, err error) {
	f, err := agentfile.Load(config)
	return f.Host, f.State, err
}

// readSpec reads a profile by its name, or a file.
func readSpec(ctx context.Context, name string) (text []byte, dir string, err error) {
	if text, err := profiles.Read(name); err == nil {
		return text, "", nil // profiles name no files
	}
	i, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, "", plain.Usage(fmt.Errorf("%q is neither a profile nor a file; holdfast profiles lists the profiles", name))
	case err == nil && i.IsDir():
		err = fmt.Errorf("%s is a directory", name)
	}
	if err == nil {
		text, err = plain.ReadSpec(ctx, name)
	}
	if err == nil && len(text) > api.SpecSizeMax {
		return nil, "", plain.Usage(fmt.Errorf("%s has more than %d MiB, the limit of a spec", name, api.SpecSizeMax>>20))
	}
	if err != nil {
		return nil, "", plain.Usage(fmt.Errorf("cannot read the spec: %w; name a profile (holdfast profiles lists them) or a YAML file", err))
	}
	name, err = filepath.Abs(name)
	return text, filepath.Dir(name), err
}

// named is the spec that an argument of holdfast up names.
func named(ctx context.Context, name string) (local.Beginning, error) {
	text, dir, err := readSpec(ctx, name)
	if err != nil {
		return local.Beginning{}, err
	}
	f, err := specfile.Read(name, text, dir)
	return local.Beginning{Spec: f, Text: string(text), Name: name, Dir: dir}, err
}

// up runs a local fleet until ctx ends, the person leaves the console, or the
// fleet ends by itself.
func up(ctx context.Context, o plain.UpOptions) (err error) {
	var asked local.Beginning
	if o.Spec != "" {
		if asked, err = named(ctx, o.Spec); err != nil {
			return err
		}
	}
	dir, err := stateDir(o.State)
	if err != nil {
		return err
	}
	state, err := statedir.Open(dir)
	var busy *statedir.BusyError
	if errors.As(err, &busy) {
		return plain.Refused(err)
	}
	if err != nil {
		return err
	}
	b, err := local.Begin(state, asked, func() (local.Beginning, error) { return named(ctx, profiles.Default) }, profiles.Default, os.Stderr)
	if err != nil {
		return errors.Join(err, state.Close())
	}
	logFile, err := state.Log()
	if err != nil {
		return errors.Join(err, state.Close())
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	log := slog.New(slog.NewJSONHandler(logFile, nil))
	running, err := local.Start(local.Options{Spec: b.Spec, SpecText: b.Text, Rev: b.Rev, From: b.From, Words: b.Words, Revisions: b.Revisions, Name: b.Name, Dir: b.Dir, By: o.Face.Actor.Name, State: state, Log: log, Metrics: o.Metrics, Version: version})
	if err != nil {
		err = errors.Join(err, state.Close())
		var taken *local.TakenError
		if errors.As(err, &taken) {
			return plain.Refused(err)
		}
		return err
	}
	defer func() { err = errors.Join(err, running.Close()) }()
	if !o.Headless {
		no := tui.Supported(os.Environ(), terminal())
		if no == nil {
			return console(ctx, running.Client(), o.Face)
		}
		// The fleet is worth running all the same, and this is what scripts meet.
		fmt.Fprintln(os.Stderr, no)
	}
	fmt.Printf("fleet %s runs; state in %s. Ctrl-C ends it\n", b.Spec.Name, state.Path)
	select {
	case <-ctx.Done():
	case <-running.Done():
	}
	return running.Err()
}

func backend(ctx context.Context, name, kind, address string) error {
	return service.Run(ctx, service.Options{
		Name: name, Kind: spec.ServiceKind(kind), Address: address, Control: os.Stdin,
		Ready: func(net.Addr) { fmt.Println("ready") }, // keeper.Ready
	})
}

// terminal reports whether both ends are a terminal.
func terminal() bool { return term.IsTerminal(os.Stdin.Fd()) && term.IsTerminal(os.Stdout.Fd()) }

func console(ctx context.Context, c api.Client, o plain.FaceOptions) error {
	if err := tui.Supported(os.Environ(), terminal()); err != nil {
		return err
	}
	palette, err := palette(o.Theme)
	if err != nil {
		return err
	}
	return tui.Run(ctx, tui.Options{
		Client: c, Actor: o.Actor, ReadOnly: o.ReadOnly, Theme: palette, ASCII: o.ASCII, Mouse: o.Mouse, Page: o.Page,
	})
}

func palette(s string) (theme.Palette, error) {
	if s == "" {
		return "", nil
	}
	p, ok := theme.ParsePalette(s)
	if !ok {
		return "", plain.Usage(fmt.Errorf("--theme %q is not known; use dark, light, 16 or none", s))
	}
	return p, nil
}

// wallboard does not ask whether a fleet runs: it waits for one.
func wallboard(ctx context.Context, where plain.Where, o plain.FaceOptions) error {
	if err := tui.Supported(os.Environ(), terminal()); err != nil {
		return err
	}
	c, dir, err := client(where)
	if err != nil {
		return err
	}
	if dir == "" {
		dir = where.Context
	}
	palette, err := palette(o.Theme)
	if err != nil {
		return err
	}
	return wall.Run(ctx, wall.Options{Client: c, Theme: palette, ASCII: o.ASCII, Where: dir})
}

// auditLog reads the audit log of a fleet.
func auditLog(where plain.Where) (plain.LogSource, error) {
	to, dir, err := pick(where)
	if err != nil {
		return nil, err
	}
	if dir == "" {
		dials, err := access.Dialers(to.Identity, auditlog.ReadName, to.Agents...)
		return auditlog.Remote(dials), err
	}
	return auditlog.Source(statedir.Audit(dir)), nil
}

// serveSSH serves the console over SSH until ctx ends. Like the wallboard it does
// not ask whether a fleet runs: there may be one later.
func serveSSH(ctx context.Context, o plain.SSHOptions) (err error) {
	dir, err := stateDir(o.State)
	if err != nil {
		return err
	}
	client, err := remote.Dial(statedir.Socket(dir))
	if err != nil {
		return err
	}
	records, err := auditlog.Open(auditlog.Options{Dir: statedir.Audit(dir)})
	var busy *auditlog.BusyError
	if errors.As(err, &busy) {
		return plain.Refused(err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	return serveConsole(ctx, o, dir, client, records.Append, false)
}

// serveConsole serves the console of a client, which may be recorded, over SSH.
func serveConsole(ctx context.Context, o plain.SSHOptions, dir string, client api.Client, record func(audit.Entry) (audit.Record, error), recorded bool) error {
	key, err := sshd.HostKey(filepath.Join(statedir.SSH(dir), "host_key"))
	if err != nil {
		return err
	}
	keys := cmp.Or(o.Keys, filepath.Join(statedir.SSH(dir), "authorized_keys"))
	server, err := sshd.New(sshd.Options{
		Client: client, Keys: keys, HostKey: key, Record: record, Recorded: recorded, Command: overSSH(dir), Idle: o.Idle, Where: dir,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if errors.Is(err, os.ErrNotExist) {
		return plain.Usage(fmt.Errorf("nobody may come in: %s does not exist; begin it with your own key, as role=\"admin\" and the line of ~/.ssh/id_ed25519.pub", keys))
	}
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("serve SSH: %w; give another address with --listen", err)
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "HOST"
	}
	fmt.Printf("the console is served: ssh -t -p %s %s\nhost key %s. Ctrl-C ends it\n", port, host, gossh.FingerprintSHA256(key.PublicKey()))
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err = server.Serve(l)
	return errors.Join(err, server.Close())
}

// overSSH runs the command lines that come over SSH.
func overSSH(dir string) func(context.Context, sshd.Line) int {
	return func(ctx context.Context, l sshd.Line) int {
		root := plain.Root(plain.Worlds{
			Version: version, Remote: &l.Actor, Token: newToken,
			Dial: func(plain.Where) (api.Client, error) { return l.Client, nil },
			// The files that a spec names are looked for where it comes into force.
			Validate: func(name string, text []byte, _ string) (flaws []plain.SpecFlaw, err error) {
				_, err = spec.Parse(name, text)
				return specFlaws(err), err
			},
			Differ: specfile.Differ, Schema: spec.Schema, Profiles: profiles.Names(), Profile: profiles.Read,
			Log: func(plain.Where) (plain.LogSource, error) {
				if !l.Role.Includes(api.RoleOperator) {
					return nil, plain.Refused(fmt.Errorf("refused: %s (the audit log takes the role operator; yours is %s)", api.ReasonNotAllowed.Sentence(), l.Role))
				}
				if err := l.Look("the audit log"); err != nil {
					return nil, err
				}
				return auditLog(plain.Where{State: dir})
			},
		})
		root.SetArgs(l.Words)
		root.SetIn(l.In)
		root.SetOut(l.Out)
		root.SetErr(l.Err)
		err := root.ExecuteContext(ctx)
		if say := plain.Message(err); say != "" {
			_, _ = fmt.Fprintln(l.Err, say)
		}
		return plain.Code(err)
	}
}
