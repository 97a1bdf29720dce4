package plain

import (
	"time"

	"github.com/spf13/cobra"
)

// SSHOptions are what holdfast ssh was told.
type SSHOptions struct {
	State  string // directory; empty: the default
	Listen string
	Keys   string // file; empty: in the state directory
	Idle   time.Duration
}

// SSHListen is where SSH is served when nothing else is said: for this host only,
// since who else may reach it is for its owner to say.
const SSHListen = "127.0.0.1:2222"

func (s *shell) sshCommand() *cobra.Command {
	var o SSHOptions
	c := &cobra.Command{
		Use: "ssh", Short: "Serve the console over SSH", Args: none,
		Long: `Serve the console, the wallboard and the command line over SSH, for the fleet that
runs from the state directory. It ends with Ctrl-C; fleets may come and go.

Who may come in stands in a file like authorized_keys (sshd(8)), with a role in
each line's options: viewer looks, operator moves traffic and ends what was begun,
admin also breaks things on purpose and changes the spec.

  role="operator" ssh-ed25519 AAAA... mina
  role="admin",from="10.0.0.0/8" ssh-ed25519 AAAA... kenji
  role="admin",expiry-time="20270101" ssh-ed25519 AAAA... akiko
  wallboard ssh-ed25519 AAAA... lobby
  cert-authority,role="viewer",principals="crew" ssh-ed25519 AAAA... authority
  revoked ssh-ed25519 AAAA... stolen

The file is read again when it changes, and who is in is held to it. A line with
an option that is not known admits nobody. Whoever logs in, and every command with
its reason, is kept in the audit log: holdfast log.`,
		Example: `  holdfast ssh --listen :2222
  ssh -t -p 2222 127.0.0.1                        the console
  ssh -t -p 2222 127.0.0.1 wallboard              the wallboard
  ssh -p 2222 127.0.0.1 get pools -o json         any command`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.State = s.state
			return s.worlds.SSH(cmd.Context(), o)
		},
	}
	c.Flags().StringVar(&o.Listen, "listen", SSHListen, "serve at this `ADDRESS`, such as :2222 for everybody who can reach it")
	c.Flags().StringVar(&o.Keys, "authorized-keys", "", "`FILE` with who may come in (default ssh/authorized_keys in the state directory)")
	_ = c.MarkFlagFilename("authorized-keys")
	c.Flags().DurationVar(&o.Idle, "idle", 30*time.Minute, "end a console that nobody has touched for this `TIME`; wallboards stay")
	return c
}
