package admission

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// redeemWait is how long a join may take in the facts: longer than an election.
const redeemWait = 8 * time.Second

// Redeem implements identity.Tokens. The use and who came in by it are one
// transaction.
func (r *Register) Redeem(ctx context.Context, now time.Time, t identity.Token, name string, allow func(identity.Record) error) (used identity.Record, err error) {
	ctx, cancel := context.WithTimeout(ctx, redeemWait)
	defer cancel()
	err = change(ctx, func() error {
		used, err = r.redeem(ctx, now, t, name, allow)
		return err
	})
	if err != nil {
		return identity.Record{}, err
	}
	return used, nil
}

func (r *Register) redeem(ctx context.Context, now time.Time, t identity.Token, name string, allow func(identity.Record) error) (identity.Record, error) {
	var none identity.Record
	key := prefixToken + t.ID
	token, err := get[identity.Record](ctx, r.w.Facts, key)
	if err != nil {
		return none, err
	}
	var book identity.Book
	if token.revision != 0 {
		book.Records = []identity.Record{token.value}
	}
	_, used, err := book.Redeem(now, t, name)
	if err != nil {
		return none, err
	}
	if err := allow(used); err != nil {
		return none, err
	}
	gone := prefixRemoved + used.UsedBy
	removed, err := get[removal](ctx, r.w.Facts, gone)
	if err != nil {
		return none, err
	}
	txn := facts.Txn{If: []facts.Cond{token.is(key), removed.is(gone)}}
	// Whoever bore the name before is shut out by the same transaction, just before
	// the new one has joined.
	var replaces bool
	used.Used = after(now, removed.value.At)
	if used.Person != "" {
		k := prefixPerson + used.Person
		was, err := get[person](ctx, r.w.Facts, k)
		if err != nil {
			return none, err
		}
		replaces = was.revision != 0 && was.value.Role != used.Role
		used.Used = after(used.Used, was.value.Since)
		txn.If = append(txn.If, was.is(k))
		txn.Ops = append(txn.Ops, put(k, person{used.Role, used.Used, used.ID}))
	} else {
		k := prefixHost + name
		was, err := get[host](ctx, r.w.Facts, k)
		if err != nil {
			return none, err
		}
		if was.revision != 0 && was.value.Token == used.ID {
			return none, errChanged // by this very token, between the two reads
		}
		if replaces = was.revision != 0; replaces && used.Host == "" {
			return none, identity.Refuse(api.ReasonNameTaken, "%s joined at %s; a token that names it, by holdfast token --host %s, lets another machine take its place", id.To(id.KindHost, name), was.value.Since.UTC().Format(time.DateTime), name)
		}
		used.Used = after(used.Used, was.value.Since)
		site, _ := r.place(name)
		txn.If = append(txn.If, was.is(k))
		txn.Ops = append(txn.Ops, put(k, host{site, used.Used, used.ID}))
	}
	if replaces {
		txn.Ops = append(txn.Ops, put(gone, removal{used.Used.Add(-1), used.By}))
	}
	txn.Ops = append(txn.Ops, put(key, used))
	return used, write(ctx, r.w.Facts, txn)
}

// after is now, or just after a moment that another clock has put later.
func after(now, moment time.Time) time.Time {
	if now.After(moment) {
		return now
	}
	return moment.Add(1)
}

// issue enters a token, and forgets those that nobody will ask about.
func (r *Register) issue(ctx context.Context, now time.Time, by string, c api.IssueToken, under []facts.Token) error {
	all, err := list[identity.Record](ctx, r.w.Facts, prefixToken)
	if err != nil {
		return err
	}
	book := bookOf(all)
	next, err := book.Add(now, identity.Record{Token: api.Token{ID: c.ID, Site: c.Site, Host: c.Host, Person: c.Person, Role: c.Role, By: by}, Hash: c.Hash}, c.For)
	if err != nil {
		return err
	}
	made := next.Records[len(next.Records)-1]
	txn := facts.Txn{Under: under, If: []facts.Cond{{Key: prefixToken + made.ID}}, Ops: []facts.Op{put(prefixToken+made.ID, made)}}
	for _, old := range book.Records {
		kept := slices.ContainsFunc(next.Records, func(n identity.Record) bool { return n.ID == old.ID })
		if !kept && len(txn.Ops) < facts.OpsMax {
			txn.If = append(txn.If, all[old.ID].is(prefixToken+old.ID))
			txn.Ops = append(txn.Ops, facts.Op{Key: prefixToken + old.ID, Delete: true})
		}
	}
	return write(ctx, r.w.Facts, txn)
}

// bookOf are tokens in the order in which they were made.
func bookOf(all map[string]got[identity.Record]) identity.Book {
	var b identity.Book
	for _, g := range all {
		b.Records = append(b.Records, g.value)
	}
	slices.SortFunc(b.Records, func(x, y identity.Record) int {
		return cmp.Or(x.Made.Compare(y.Made), strings.Compare(x.ID, y.ID))
	})
	return b
}

// void makes a token useless.
func (r *Register) void(ctx context.Context, now time.Time, tokenID string, under []facts.Token) error {
	key := prefixToken + tokenID
	token, err := get[identity.Record](ctx, r.w.Facts, key)
	if err != nil {
		return err
	}
	var book identity.Book
	if token.revision != 0 {
		book.Records = []identity.Record{token.value}
	}
	next, err := book.Void(now, tokenID)
	if err != nil {
		return err
	}
	return write(ctx, r.w.Facts, facts.Txn{Under: under, If: []facts.Cond{token.is(key)}, Ops: []facts.Op{put(key, next.Records[0])}})
}
