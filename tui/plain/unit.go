package plain

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func (s *shell) unitCommand() *cobra.Command {
	var config, user string
	c := &cobra.Command{
		Use: "unit", Short: "Print the systemd unit of the agent", Args: none,
		Long: `Print a systemd unit that runs the agent with the least privileges: a user of its
own, no capability but to bind low ports, and a file system that it cannot write but
for its state directory, /var/lib/holdfast. It is started again whenever it ends,
unless this host was removed from the fleet. systemctl reload replaces it by the
program that is there now, without dropping a connection.`,
		Example: "  holdfast agent unit | sudo tee /etc/systemd/system/holdfast.service",
		RunE: func(*cobra.Command, []string) error {
			program, err := os.Executable()
			if err != nil {
				return err
			}
			for _, word := range []string{program, config, user} {
				if strings.ContainsAny(word, " \t\n%\"'\\") {
					return usage(fmt.Errorf("%q cannot stand in a unit", clean(word)))
				}
			}
			if !filepath.IsAbs(config) {
				return usage(fmt.Errorf("--config %q is no absolute path", clean(config)))
			}
			_, err = fmt.Fprintf(s.w, unitText, program, config, user)
			return err
		},
	}
	c.Flags().StringVarP(&config, "config", "c", filepath.Join(StateDefault, agentConfig), "`FILE` of the agent's configuration")
	c.Flags().StringVar(&user, "user", "holdfast", "the `USER` that it runs as; the unit has the user made when there is none")
	return c
}

// unitText is the unit, for a program, a configuration and a user. Exec probes run
// programs of the host and need none of what is taken away here; those that do get
// a drop-in. Memory that is written and run is refused: nothing here compiles at run
// time.
const unitText = `# Made by holdfast agent unit. Changes belong in a drop-in: systemctl edit holdfast
[Unit]
Description=Holdfast agent: high availability for edge sites
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
ExecStart=%[1]s agent -c %[2]s
ExecReload=/bin/kill -USR2 $MAINPID
Restart=always
RestartSec=1
RestartPreventExitStatus=3
TimeoutStopSec=30
KillMode=mixed
LimitNOFILE=1048576
LimitCORE=0

DynamicUser=yes
User=%[3]s
StateDirectory=holdfast
StateDirectoryMode=0700
UMask=0077

AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes

ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`
