package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	gossh "golang.org/x/crypto/ssh"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/auditlog"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
	"github.com/holdfast-edge/holdfast/profiles"
	"github.com/holdfast-edge/holdfast/tui/plain"
	"github.com/holdfast-edge/holdfast/tui/sshd"
)

// auditLog reads the audit log of a state directory.
func auditLog(state string) (plain.LogSource, error) {
	dir, err := stateDir(state)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, do func([]byte) error) error {
		return auditlog.Each(statedir.Audit(dir), func(line []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(line)
		})
	}, nil
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
	key, err := sshd.HostKey(filepath.Join(statedir.SSH(dir), "host_key"))
	if err != nil {
		return err
	}
	keys := cmp.Or(o.Keys, filepath.Join(statedir.SSH(dir), "authorized_keys"))
	server, err := sshd.New(sshd.Options{
		Client: client, Keys: keys, HostKey: key, Record: records.Append, Command: overSSH(dir), Idle: o.Idle, Where: dir,
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
			Version: version, Remote: &l.Actor,
			Dial: func(plain.Where) (api.Client, error) { return l.Client, nil },
			// The files that a spec names are looked for where it comes into force.
			Validate: func(name string, text []byte, _ string) (flaws []plain.SpecFlaw, err error) {
				_, err = spec.Parse(name, text)
				return specFlaws(err), err
			},
			Schema: spec.Schema, Profiles: profiles.Names(), Profile: profiles.Read,
			Log: func(string) (plain.LogSource, error) {
				if !l.Role.Includes(api.RoleOperator) {
					return nil, plain.Refused(fmt.Errorf("refused: %s (the audit log takes the role operator; yours is %s)", api.ReasonNotAllowed.Sentence(), l.Role))
				}
				if err := l.Look("the audit log"); err != nil {
					return nil, err
				}
				return auditLog(dir)
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
