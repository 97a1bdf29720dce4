package plain

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-edge/holdfast/engine/audit"
)

// LogSource gives every line of an audit log to do, oldest first.
type LogSource func(ctx context.Context, do func(line []byte) error) error

// recordItem is a record of the audit log.
type recordItem struct {
	Seq     uint64     `json:"seq" doc:"number, from 1"`
	At      string     `json:"at" doc:"when, RFC 3339 in UTC"`
	Hash    string     `json:"hash" doc:"SHA-256 of the record, which the next one carries"`
	Kind    audit.Kind `json:"kind" doc:"start, stop, repair, keys, login, logout, refuse, ask, answer or look"`
	Who     string     `json:"who" doc:"fingerprint of the key"`
	Person  string     `json:"person" doc:"what its owner is called"`
	Role    string     `json:"role" doc:"viewer, operator or admin"`
	From    string     `json:"from" doc:"address:port"`
	Session string     `json:"session" doc:"ties the records of one session"`
	Command string     `json:"command" doc:"as a shell would give it"`
	Why     string     `json:"why" doc:"the person's reason"`
	Outcome string     `json:"outcome" doc:"done, refused, failed or unknown"`
	Detail  string     `json:"detail" doc:"what else is known, for people"`
	Receipt string     `json:"receipt" doc:"of the command; the fleet's events carry it too"`
	Rev     uint64     `json:"revision" doc:"of the spec that was seen"`
	Event   uint64     `json:"event" doc:"the fleet's event of the command"`
	Of      uint64     `json:"of" doc:"an answer: the record that it answers"`
}

// verified is what log verify prints.
type verified struct {
	OK     bool   `json:"ok" doc:"every record is as it was written, and none is missing"`
	Reason string `json:"reason" doc:"what is wrong, for people"`
	First  uint64 `json:"first" doc:"number of the oldest record; more than 1 when older ones are kept no more"`
	Last   uint64 `json:"last" doc:"number of the newest record that holds; 0 without one"`
	Head   string `json:"head" doc:"hash of that record: keep it elsewhere, and give it to --head later"`
}

func (s *shell) logCommand() *cobra.Command {
	var last int
	c := &cobra.Command{
		Use: "log", Short: "Read the audit log", Args: s.verbsOnly,
		Long: `Print the audit log, oldest first: who came in over SSH and who was refused, every
command that was asked for with its reason, and what became of it. Each record
carries the hash of the one before it; log verify checks them.

A fleet of agents has one log, which hosts of several sites keep copies of. With a
context it is read from one of its agents, which takes the role operator and is in
the log itself. With --state it is read from the files of that directory, also when
no agent runs.`,
		Example: "  holdfast log --last 20\n  holdfast log -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.printLog(cmd.Context(), last)
		},
	}
	c.Flags().IntVar(&last, "last", 100, "the newest `N` records; 0 is all")
	s.outputs(c, outTable, outJSON)
	c.AddCommand(s.verifyCommand())
	return c
}

// logSource is the log of the fleet that is meant.
func (s *shell) logSource() (LogSource, error) {
	where, err := s.where()
	if err != nil {
		return nil, err
	}
	return s.worlds.Log(where)
}

func (s *shell) verifyCommand() *cobra.Command {
	var head string
	c := &cobra.Command{
		Use: "verify", Short: "Check that no record was changed, added or taken out", Args: none,
		Long: `Check the audit log from its oldest record to its newest one, and print the hash of
the newest. The exit code is 1 when a record is not as it was written, and the
first such record is named.

Who can write the file can cut records off its end, or write all of it anew. So
keep the hash elsewhere and give it to --head another day: the log must still have
that record, and follow it.`,
		Example: "  holdfast log verify\n  holdfast log verify -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.verify(cmd.Context(), head)
		},
	}
	c.Flags().StringVar(&head, "head", "", "`HASH` that an earlier verify printed")
	return s.outputs(c, outText, outJSON)
}

// printLog prints the newest records. A record behind a broken one is not
// printed: it cannot be believed.
func (s *shell) printLog(ctx context.Context, last int) error {
	if last < 0 {
		return usage(fmt.Errorf("--last %d: 0 is all, and less is nothing", last))
	}
	source, err := s.logSource()
	if err != nil {
		return err
	}
	items := []recordItem{}
	var v audit.Verifier
	broken := source(ctx, func(line []byte) error {
		r, err := v.Add(line)
		if err != nil {
			return err
		}
		_, h := v.Chain().Head()
		items = append(items, recordOf(r, h))
		if last > 0 && len(items) >= 2*last {
			items = append(items[:0], items[len(items)-last:]...)
		}
		return nil
	})
	var at *audit.BrokenError
	if broken != nil && !errors.As(broken, &at) {
		return broken
	}
	if last > 0 && len(items) > last {
		items = items[len(items)-last:]
	}
	if err := s.printRecords(items); err != nil {
		return err
	}
	if broken != nil {
		return exit{ExitFailed, fmt.Errorf("%w; nothing from there on is shown: holdfast log verify", broken)}
	}
	return nil
}

func (s *shell) printRecords(items []recordItem) error {
	if s.output == outJSON {
		return s.value(items)
	}
	rows := make([][]string, len(items))
	for i, r := range items {
		who := r.Person
		if who == "" {
			who = r.Who
		}
		rows[i] = []string{fmt.Sprint(r.Seq), r.At, string(r.Kind), who, r.Role, r.From, r.Outcome, told(r)}
	}
	return s.table([]string{"SEQ", "AT", "KIND", "WHO", "ROLE", "FROM", "OUTCOME", "WHAT"}, rows)
}

// told is what a record says, in one line.
func told(r recordItem) string {
	var parts []string
	if r.Command != "" {
		parts = append(parts, r.Command)
	}
	if r.Why != "" {
		parts = append(parts, "because "+r.Why)
	}
	if r.Detail != "" && r.Outcome != "done" {
		parts = append(parts, r.Detail)
	}
	return strings.Join(parts, " · ")
}

func recordOf(r audit.Record, h audit.Hash) recordItem {
	return recordItem{
		r.Seq, stamp(r.At), h.String(), r.Kind, r.Who, r.Name, r.Role, r.From, r.Session, r.Command, r.Why, r.Outcome, r.Detail,
		r.Receipt, r.Rev, r.Event, r.Of,
	}
}

// verify checks the whole log, and that it still has the record of a hash.
func (s *shell) verify(ctx context.Context, head string) error {
	var want audit.Hash
	if head != "" {
		var err error
		if want, err = audit.ParseHash(strings.ToLower(head)); err != nil {
			return usage(fmt.Errorf("--head: %s", strings.TrimPrefix(err.Error(), "audit: ")))
		}
	}
	source, err := s.logSource()
	if err != nil {
		return err
	}
	var v audit.Verifier
	found := head == ""
	err = source(ctx, func(line []byte) error {
		_, err := v.Add(line)
		if _, h := v.Chain().Head(); err == nil && h == want {
			found = true
		}
		return err
	})
	var broken *audit.BrokenError
	if err != nil && !errors.As(err, &broken) {
		return err
	}
	d := verified{OK: err == nil && found, First: v.First()}
	var h audit.Hash
	d.Last, h = v.Chain().Head()
	d.Head = h.String()
	switch {
	case broken != nil:
		d.Reason = strings.TrimPrefix(broken.Error(), "audit: ")
	case !found:
		d.Reason = "no record has the hash " + want.String() + ": records were cut off, or all of them were written anew"
	}
	if s.output == outJSON {
		if err := s.value(d); err != nil || d.OK {
			return err
		}
		return exit{code: ExitFailed}
	}
	if !d.OK {
		return exit{ExitFailed, errors.New(d.Reason)}
	}
	if d.Last == 0 {
		_, err = fmt.Fprintln(s.w, "the audit log is empty")
		return err
	}
	_, err = fmt.Fprintf(s.w, "records %d to %d are as they were written\nhead %s\n", d.First, d.Last, d.Head)
	return err
}
