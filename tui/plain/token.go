package plain

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// NewToken is a token that was just drawn: what the fleet keeps of it, and what
// is handed to who joins.
type NewToken struct {
	ID   string
	Hash []byte
	Text string // with its secret
}

func (s *shell) tokenCommand() *cobra.Command {
	var t api.IssueToken
	var role string
	c := s.acts(&cobra.Command{
		Use: "token", Short: "Let a host or a person in, once",
		Long: `Make a token that lets one host or one person into the fleet, once, and print it.
Its secret is made here and stays with whoever has the token: the fleet keeps a
hash of it, and it carries the hash of the fleet's authority, so that who joins
talks to no other fleet.

Without --host and --person it is for any host that the spec names and that has
not joined. With --host it also replaces a machine that bears the name: that one is
shut out when the token is used.`,
		Example: `  holdfast token --host tokyo-2
  holdfast token --person mika --role operator --for 24h
  holdfast token list`,
		Args: s.verbsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t.Role = api.Role(role)
			return s.issue(cmd, t)
		},
	})
	c.Flags().StringVar(&t.Host, "host", "", "the `HOST` that it is for, as the spec names it")
	c.Flags().StringVar(&t.Site, "site", "", "any host of this `SITE`")
	c.Flags().StringVar(&t.Person, "person", "", "the `NAME` of a person that it is for")
	c.Flags().StringVar(&role, "role", "", "the person's `ROLE`: viewer, operator or admin")
	c.Flags().DurationVar(&t.For, "for", api.TokenFor, "how long it can be used, a `TIME` up to 168h")
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"viewer", "operator", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("host", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return trimmed(s.offer(id.KindHost)), cobra.ShellCompDirectiveNoFileComp
	})
	list := s.outputs(&cobra.Command{
		Use: "list", Short: "List the tokens", Long: "List the tokens that the fleet remembers, without their secrets.",
		Example: "  holdfast token list", Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.tokens(cmd) },
	}, outTable, outJSON, outYAML)
	void := s.acts(&cobra.Command{
		Use: "void TOKEN", Short: "Make a token useless", Long: "Make a token useless that was not used, by its name as holdfast token list says\nit.",
		Example: "  holdfast token void abcdefgh", Args: exact(1, "a token's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.do(cmd.Context(), api.VoidToken{ID: args[0]})
		},
	})
	c.AddCommand(list, void)
	return c
}

// issue has a token made and prints it: alone on standard output, as scripts want
// it, with what to do next on standard error.
func (s *shell) issue(cmd *cobra.Command, t api.IssueToken) error {
	if t.Person == "" && t.Role != "" || t.Person != "" && t.Role == "" {
		return usage(fmt.Errorf("--person and --role go together: %s --person NAME --role viewer|operator|admin", cmd.CommandPath()))
	}
	if t.Person != "" && (t.Host != "" || t.Site != "") {
		return usage(fmt.Errorf("a token is for a host or for a person; give one of them"))
	}
	c, st, err := s.fleet(cmd.Context())
	if err != nil {
		return err
	}
	refused := func(r api.Receipt) error {
		d := doneOf(t, r, s.dryRun)
		return s.told(d, exit{ExitRefused, fmt.Errorf("refused: %s%s", d.Reason, hint(r.Refusals, st))})
	}
	if st.Admission == nil {
		return refused(api.Receipt{Refusals: t.Check(st)})
	}
	made, err := s.worlds.Token(st.Admission.Authority)
	if err != nil {
		return err
	}
	t.ID, t.Hash = made.ID, made.Hash
	r, err := s.ask(cmd.Context(), c, st, t)
	if err != nil {
		return err
	}
	d := doneOf(t, r, s.dryRun)
	switch {
	case !r.OK:
		return refused(r)
	case s.dryRun:
		return s.told(d, nil)
	}
	if s.output == outJSON {
		d.Token = made.Text
		return s.told(d, nil)
	}
	if _, err := fmt.Fprintln(s.w, made.Text); err != nil {
		return err
	}
	if t.Person != "" {
		_, err = fmt.Fprintf(s.err, "good once, for %s: %s types\n  holdfast context add %s --agent ADDRESS --token TOKEN\n", t.For, t.Person, st.Fleet)
		return err
	}
	host := t.Host
	if host == "" {
		host = "NAME"
	}
	_, err = fmt.Fprintf(s.err, "good once, for %s: on the new host\n  holdfast agent --join TOKEN --agent ADDRESS --host %s\n", t.For, host)
	return err
}

// tokenItem is a token as token list prints it.
type tokenItem struct {
	Name   string         `json:"name" doc:"the token's name"`
	State  api.TokenState `json:"state" doc:"good, used or expired"`
	For    string         `json:"for" doc:"whom it lets in: host/NAME, person/NAME, site/NAME, or any host"`
	Role   api.Role       `json:"role,omitempty" doc:"of a person"`
	By     string         `json:"by" doc:"who made it"`
	Made   string         `json:"made" doc:"when it was made"`
	Until  string         `json:"until" doc:"when it ends"`
	Used   string         `json:"used" doc:"when it was used; empty: it was not"`
	UsedBy string         `json:"used_by" doc:"host/NAME or person/NAME that came in by it"`
}

func (s *shell) tokens(cmd *cobra.Command) error {
	st, err := s.admission(cmd)
	if err != nil {
		return err
	}
	items := []tokenItem{}
	for i := range st.Admission.Tokens {
		t := &st.Admission.Tokens[i]
		x := tokenItem{t.ID, t.State(st.At), "any host", t.Role, t.By, stamp(t.Made), stamp(t.Until), stamp(t.Used), t.UsedBy}
		switch {
		case t.Person != "":
			x.For = "person/" + t.Person
		case t.Host != "":
			x.For = "host/" + t.Host
		case t.Site != "":
			x.For = "site/" + t.Site
		}
		items = append(items, x)
	}
	if s.output != outTable {
		return s.value(items)
	}
	rows := make([][]string, len(items))
	for i, x := range items {
		rows[i] = []string{string(x.State), clean(x.Name), clean(x.For), string(x.Role), clean(x.By), minute(st.Admission.Tokens[i].Until), clean(x.UsedBy)}
	}
	return s.table([]string{"STATE", "TOKEN", "FOR", "ROLE", "BY", "UNTIL", "USED BY"}, rows)
}

// minute is a moment as people compare it across days.
func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

// admission is the picture of a fleet that can be joined.
func (s *shell) admission(cmd *cobra.Command) (*api.Status, error) {
	_, st, err := s.fleet(cmd.Context())
	if err != nil {
		return nil, err
	}
	if st.Admission == nil {
		return nil, exit{ExitRefused, fmt.Errorf("refused: %s", api.ReasonNobodyJoins.Sentence())}
	}
	return st, nil
}
