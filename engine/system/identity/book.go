package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// Bounds of a Book.
const (
	// tokenMemory is how long a token that is over is remembered, to say why it
	// is refused. The oldest are forgotten first when there are too many.
	tokenMemory = 30 * 24 * time.Hour
	recordsMax  = 4 * api.TokensMax
)

// Record is what the fleet keeps of a token: no secret.
type Record struct {
	api.Token
	Hash []byte `json:"hash"`
}

// Book is every token that a fleet gave out and remembers, the oldest first. It is
// a value: Add, Void and Redeem return the next one, which counts when it is stored.
type Book struct {
	Records []Record
}

// Add enters a token, known by its ID and its Hash, that is good for life.
func (b Book) Add(now time.Time, r Record, life time.Duration) (Book, error) {
	c := api.IssueToken{ID: r.ID, Hash: r.Hash, Site: r.Site, Host: r.Host, Person: r.Person, Role: r.Role, For: life}
	if err := c.Malformed(); err != nil {
		return b, refuse(err[0].Reason, "%s", err[0].Detail)
	}
	next := b.swept(now)
	good := 0
	for i := range next.Records {
		if next.Records[i].ID == r.ID {
			return b, refuse(api.ReasonBusy, "the token's name %s is in use", r.ID)
		}
		if next.Records[i].State(now) == api.TokenGood {
			good++
		}
	}
	if good >= api.TokensMax {
		return b, refuse(api.ReasonBusy, "%d tokens wait to be used; that is the limit", good)
	}
	r.Made, r.Until, r.Used, r.UsedBy = now, now.Add(life), time.Time{}, ""
	next.Records = append(next.Records, r)
	return next, nil
}

// swept is the book without what nobody will ask about.
func (b Book) swept(now time.Time) Book {
	over := len(b.Records) - recordsMax + 1 // the oldest, as they stand in order
	return Book{slices.DeleteFunc(slices.Clone(b.Records), func(r Record) bool {
		if r.State(now) == api.TokenGood {
			return false
		}
		over--
		return over >= 0 || now.Sub(r.Until) > tokenMemory
	})}
}

// Redeem uses a token for a host, or for a person when no host is given: that is
// whom the token names. They may come in when the book that is returned is stored,
// and not before.
func (b Book) Redeem(now time.Time, t Token, host string) (Book, Record, error) {
	if host != "" {
		if err := id.CheckName(host); err != nil {
			return b, Record{}, refuse(api.ReasonOutOfRange, "the host: %v", err)
		}
	}
	h := t.Hash()
	i := slices.IndexFunc(b.Records, func(r Record) bool { return r.ID == t.ID })
	known := make([]byte, sha256.Size) // all zero, the hash of nothing
	if i >= 0 && len(b.Records[i].Hash) == len(known) {
		known = b.Records[i].Hash
	}
	// The comparison takes the same time for a token that is known and for one
	// that is not, and whoever lacks the secret hears nothing of the rest.
	if subtle.ConstantTimeCompare(h[:], known) != 1 || i < 0 {
		return b, Record{}, refuse(api.ReasonTokenUnknown, "%s; holdfast token makes a new one", t)
	}
	r := b.Records[i]
	switch r.State(now) {
	case api.TokenUsed:
		return b, Record{}, refuse(api.ReasonTokenUsed, "%s, by %s at %s; if that was not you, remove them; holdfast token makes a new one", t, r.UsedBy, wall(r.Used))
	case api.TokenExpired:
		return b, Record{}, refuse(api.ReasonTokenExpired, "%s, since %s; holdfast token makes a new one", t, wall(r.Until))
	case api.TokenGood:
	}
	who := Name{Host: host}
	switch {
	case r.Person != "" && host != "":
		return b, Record{}, refuse(api.ReasonTokenElsewhere, "%s is for a person; holdfast context add takes it", t)
	case r.Person != "":
		who = Name{Person: r.Person}
	case host == "":
		return b, Record{}, refuse(api.ReasonTokenElsewhere, "%s is for a host; holdfast agent --join takes it", t)
	case r.Host != "" && r.Host != host:
		return b, Record{}, refuse(api.ReasonTokenElsewhere, "%s is for %s", t, id.To(id.KindHost, r.Host))
	}
	r.Used, r.UsedBy = now, who.String()
	next := Book{slices.Clone(b.Records)}
	next.Records[i] = r
	return next, r, nil
}

// Void makes a token useless that was not used.
func (b Book) Void(now time.Time, tokenID string) (Book, error) {
	for i := range b.Records {
		if b.Records[i].ID == tokenID && b.Records[i].State(now) == api.TokenGood {
			next := Book{slices.Clone(b.Records)}
			next.Records[i].Until = now
			return next, nil
		}
	}
	return b, refuse(api.ReasonTokenUnknown, "no token %.20q waits to be used", tokenID)
}

// Refuse is a no of the fleet's, for who implements Tokens.
func Refuse(reason api.Reason, format string, args ...any) *Refused {
	return &Refused{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
