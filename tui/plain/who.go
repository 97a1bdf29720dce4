package plain

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/tui/keys"
)

// whoItem is a host or a person as who prints them.
type whoItem struct {
	Kind  string   `json:"kind" doc:"host or person"`
	Name  string   `json:"name" doc:"unique within its kind"`
	Site  string   `json:"site,omitempty" doc:"of a host"`
	Role  api.Role `json:"role,omitempty" doc:"of a person: viewer, operator or admin"`
	Since string   `json:"since" doc:"when they joined"`
	Signs string   `json:"signs,omitempty" doc:"whose certificates a host signs: all, site, or nobody's when missing"`
}

func (s *shell) whoCommand() *cobra.Command {
	return s.outputs(&cobra.Command{
		Use: "who", Short: "List the hosts and people that are let in", Args: none,
		Long:    "List the hosts and people that joined and were not removed, and which hosts sign\ncertificates.",
		Example: "  holdfast who",
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := s.admission(cmd)
			if err != nil {
				return err
			}
			items, rows := []whoItem{}, [][]string{}
			for _, j := range st.Admission.Joined {
				items = append(items, whoItem{Kind: "host", Name: j.Name, Site: j.Site, Since: stamp(j.Since), Signs: j.Signs})
				rows = append(rows, []string{"host/" + clean(j.Name), clean(j.Site), "", minute(j.Since), clean(j.Signs)})
			}
			for _, p := range st.Admission.People {
				items = append(items, whoItem{Kind: "person", Name: p.Name, Role: p.Role, Since: stamp(p.Since)})
				rows = append(rows, []string{"person/" + clean(p.Name), "", clean(string(p.Role)), minute(p.Since), ""})
			}
			if s.output != outTable {
				return s.value(items)
			}
			return s.table([]string{"WHO", "SITE", "ROLE", "SINCE", "SIGNS"}, rows)
		},
	}, outTable, outJSON, outYAML)
}

func (s *shell) removeCommand() *cobra.Command {
	return s.acts(&cobra.Command{
		Use: "remove HOST|person/NAME", Short: "Shut a host or a person out",
		Long: `Shut a host out of the fleet: its certificates are refused everywhere from now on,
its connections are cut, and the keys that the hosts share are changed. What it
served is not moved first; drain it, or type holdfast leave on the host itself. A
person is shut out in the same way, as person/NAME. Only a new token lets them in
again.`,
		Example: "  holdfast remove host/tokyo-2\n  holdfast remove person/mika --yes --why \"left the company\"",
		Args:    exact(1, "a host, or a person as person/NAME"), ValidArgsFunction: s.complete(id.KindHost),
		RunE: func(cmd *cobra.Command, args []string) error {
			if name, ok := strings.CutPrefix(args[0], keys.PersonPrefix); ok {
				if err := id.CheckName(name); err != nil {
					return usage(err)
				}
				return s.do(cmd.Context(), api.RemovePerson{Person: name})
			}
			ref, err := s.target(cmd.Context(), args[0], id.KindHost)
			if err != nil {
				return err
			}
			return s.do(cmd.Context(), api.RemoveHost{Host: ref.Name})
		},
	})
}

func (s *shell) keysCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "keys COMMAND", Short: "Change the keys that the hosts share",
		Long: `The hosts seal their gossip and heartbeats with keys that all of them have. They
change by themselves once a day, and when a host is removed: the new key is handed
out, then used, then the old one is forgotten, each when every host has followed.`,
		Example: "  holdfast keys list\n  holdfast keys rotate",
		Args:    s.verbsOnly,
		RunE:    func(cmd *cobra.Command, _ []string) error { return verbMissing(cmd) },
	}
	list := s.outputs(&cobra.Command{
		Use: "list", Short: "List the keys, by name", Long: "List the keys by their names, which say nothing of them. The first one seals;\nwith more than one a change is under way.",
		Example: "  holdfast keys list", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := s.admission(cmd)
			if err != nil {
				return err
			}
			if s.output == outJSON {
				return s.value(struct {
					Keys  []string `json:"keys"`
					Since string   `json:"since"`
				}{append([]string{}, st.Admission.Keys...), stamp(st.Admission.KeysSince)})
			}
			for i, k := range st.Admission.Keys {
				use := "understood"
				if i == 0 {
					use = "seals"
				}
				if _, err := fmt.Fprintf(s.w, "%s  %s\n", clean(k), use); err != nil {
					return err
				}
			}
			return nil
		},
	}, outText, outJSON)
	rotate := s.acts(&cobra.Command{
		Use: "rotate", Short: "Change them now", Long: "Change the keys now and not when they are due.",
		Example: "  holdfast keys rotate", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.do(cmd.Context(), api.RotateKeys{}) },
	})
	c.AddCommand(list, rotate)
	return c
}
