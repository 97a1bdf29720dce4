// Command holdfast is high availability for edge sites: a whole fleet on one
// machine, its console, its wallboard and its command line, by its subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/charmbracelet/x/term"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/access"
	"github.com/holdfast-edge/holdfast/engine/system/contexts"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/local"
	"github.com/holdfast-edge/holdfast/engine/system/service"
	"github.com/holdfast-edge/holdfast/engine/system/specfile"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
	"github.com/holdfast-edge/holdfast/profiles"
	"github.com/holdfast-edge/holdfast/tui"
	"github.com/holdfast-edge/holdfast/tui/plain"
	"github.com/holdfast-edge/holdfast/tui/theme"
	"github.com/holdfast-edge/holdfast/tui/wall"
)

var version = "unknown" // set by the linker

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	root := plain.Root(plain.Worlds{
		Version: version, Up: up, Dial: dial, Console: console, Wallboard: wallboard, Service: backend, SSH: serveSSH, Log: auditLog,
		Contexts: plain.Contexts{List: listContexts, Use: useContext, Add: addContext, Remove: removeContext},
		Validate: validate,
		Schema:   spec.Schema, Profiles: profiles.Names(), Profile: profiles.Read,
	})
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends what does not end by itself
	err := root.ExecuteContext(ctx)
	stop()
	if say := plain.Message(err); say != "" {
		fmt.Fprintln(os.Stderr, say)
	}
	os.Exit(plain.Code(err))
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
	dir = where.State
	if dir == "" && (where.Context != "" || os.Getenv("HOLDFAST_STATE") == "") {
		to, ok, err := contextOf(where.Context)
		if err != nil {
			return nil, "", err
		}
		if ok && to.State == "" {
			c, err := agents(to)
			return c, "", err
		}
		dir = to.State
	}
	if dir, err = stateDir(dir); err != nil {
		return nil, "", err
	}
	c, err = remote.Dial(statedir.Socket(dir))
	return c, dir, err
}

// contextOf is the context of a name, or the one in use.
func contextOf(name string) (contexts.Context, bool, error) {
	path, err := contexts.Path()
	if err != nil && name == "" {
		return contexts.Context{}, false, nil // no home: nothing can be in use
	}
	if err != nil {
		return contexts.Context{}, false, plain.Usage(err)
	}
	f, err := contexts.Load(path)
	if err != nil {
		return contexts.Context{}, false, plain.Usage(err)
	}
	if name == "" {
		name = f.Use
	}
	c, ok := f.Find(name)
	if name != "" && !ok {
		return c, false, plain.Usage(fmt.Errorf("there is no context %q; holdfast context list lists them", name))
	}
	return c, ok, nil
}

// agents returns a client of the agents of a context.
func agents(to contexts.Context) (api.Client, error) {
	files, err := identity.OpenFiles(to.Identity)
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", to.Name, err)
	}
	own, err := files.LoadHost()
	if errors.Is(err, os.ErrNotExist) {
		return nil, plain.Usage(fmt.Errorf("context %s: there is no certificate in %s", to.Name, to.Identity))
	}
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", to.Name, err)
	}
	holder, err := identity.NewHolder(own, nil)
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", to.Name, err)
	}
	return access.Dial(holder, to.Agents...)
}

func listContexts() ([]plain.ContextItem, error) {
	path, err := contexts.Path()
	if err != nil {
		return nil, err
	}
	f, err := contexts.Load(path)
	if err != nil {
		return nil, err
	}
	var all []plain.ContextItem
	for _, c := range f.Contexts {
		all = append(all, plain.ContextItem{Name: c.Name, InUse: c.Name == f.Use, State: c.State, Agents: append([]string{}, c.Agents...), Identity: c.Identity})
	}
	return all, nil
}

// changeContexts replaces the user's contexts.
func changeContexts(change func(contexts.File) (contexts.File, error)) error {
	path, err := contexts.Path()
	if err != nil {
		return err
	}
	f, err := contexts.Load(path)
	if err != nil {
		return err
	}
	if f, err = change(f); err != nil {
		return err
	}
	return f.Save(path)
}

func useContext(name string) error {
	return changeContexts(func(f contexts.File) (contexts.File, error) { return f.With(name) })
}

func removeContext(name string) error {
	return changeContexts(func(f contexts.File) (contexts.File, error) { return f.Remove(name) })
}

func addContext(c plain.ContextItem) error {
	to := contexts.Context{Name: c.Name, State: c.State, Agents: c.Agents, Identity: c.Identity}
	for _, path := range []*string{&to.State, &to.Identity} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	for _, a := range to.Agents {
		if _, err := access.Address(a); err != nil {
			return err
		}
	}
	return changeContexts(func(f contexts.File) (contexts.File, error) { return f.Add(to) })
}

// beginning is the spec that a fleet begins with.
type beginning struct {
	spec *spec.Fleet
	text string
	rev  uint64 // of a spec that goes on; 0 for a fresh one
	from string // how it came to be
	// words are what operators had set in the fleet before.
	words []fleet.Word
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
func named(ctx context.Context, name string) (beginning, error) {
	text, dir, err := readSpec(ctx, name)
	if err != nil {
		return beginning{}, err
	}
	f, err := specfile.Read(name, text, dir)
	return beginning{spec: f, text: string(text)}, err
}

// begin says what a fleet begins with: what was asked for, or else the spec that
// was applied in the state directory last, or else the default profile. Which of
// them it is, and what became of another, is told to the person.
func begin(ctx context.Context, asked beginning, state *statedir.Dir, tell io.Writer) (beginning, error) {
	kept, ok, err := state.Kept()
	var torn *statedir.TornError
	switch {
	case errors.As(err, &torn) && asked.spec != nil:
		_, _ = fmt.Fprintf(tell, "holdfast: %s\n", err)
		return asked, nil
	case err != nil:
		return beginning{}, err
	case !ok && asked.spec == nil:
		return named(ctx, profiles.Default)
	case !ok:
		return asked, nil
	case asked.spec == nil:
		f, err := specfile.Read(kept.Name, []byte(kept.Text), kept.Dir)
		if err != nil {
			return beginning{}, fmt.Errorf("the fleet would go on with %s, as kept in %s, and cannot:\n%w\nmend that, or start with another spec: «holdfast up FILE»", kept, state.Path, err)
		}
		_, _ = fmt.Fprintf(tell, "the fleet goes on with %s. «holdfast up %s» begins with the default profile instead\n", kept, profiles.Default)
		return beginning{spec: f, text: kept.Text, rev: kept.Revision, from: "it goes on with " + kept.String()}, nil
	case asked.text == kept.Text:
		asked.rev, asked.from = kept.Revision, "it goes on with "+kept.String()
		return asked, nil
	}
	aside, err := state.SetAside(kept)
	if err != nil {
		return beginning{}, err
	}
	_, _ = fmt.Fprintf(tell, "the fleet begins with what you name. What was in force here is set aside: %s; «holdfast apply -f %s» brings it back\n", kept, aside)
	asked.from = "it takes the place of " + kept.String()
	return asked, nil
}

// goOn adds what operators had set in the fleet before: it holds for every
// backend that is still there, also under another spec of the same fleet. A
// fleet of another name has words of its own.
func (b *beginning) goOn(state *statedir.Dir, tell io.Writer) error {
	words, err := state.Words(b.spec.Name)
	var torn *statedir.TornWordsError
	add := ""
	switch {
	case errors.As(err, &torn): // its users are better served without than not at all
		add = torn.Error()
	case err != nil:
		return err
	case len(words) > 0:
		b.words, add = words, "what operators had set holds: "+fleet.Say(words)
	default:
		return nil
	}
	_, _ = fmt.Fprintf(tell, "fleet %s: %s\n", b.spec.Name, add)
	if b.from != "" {
		b.from += "; "
	}
	b.from += add
	return nil
}

// up runs a local fleet until ctx ends, the person leaves the console, or the
// fleet ends by itself.
func up(ctx context.Context, o plain.UpOptions) (err error) {
	var asked beginning
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
	b, err := begin(ctx, asked, state, os.Stderr)
	if err == nil {
		err = b.goOn(state, os.Stderr)
	}
	if err != nil {
		return errors.Join(err, state.Close())
	}
	logFile, err := state.Log()
	if err != nil {
		return errors.Join(err, state.Close())
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	log := slog.New(slog.NewJSONHandler(logFile, nil))
	running, err := local.Start(local.Options{Spec: b.spec, SpecText: b.text, Rev: b.rev, From: b.from, Words: b.words, State: state, Log: log, Metrics: o.Metrics, Version: version})
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
	fmt.Printf("fleet %s runs; state in %s. Ctrl-C ends it\n", b.spec.Name, state.Path)
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
