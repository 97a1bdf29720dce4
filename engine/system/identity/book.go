package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// Bounds of a Book.
const (
	// TokensMax is how many tokens may be good at once: one for each host of a
	// large fleet that is set up in one go.
	TokensMax = 100
	// TokenLifeMax bounds how long a lost token is a danger.
	TokenLifeMax = 7 * 24 * time.Hour
	TokenLife    = time.Hour
	// tokenMemory is how long a token that is over is remembered, to say why it
	// is refused. The oldest are forgotten first when there are too many.
	tokenMemory = 30 * 24 * time.Hour
	recordsMax  = 4 * TokensMax
)

// Record is what the fleet keeps of a token: no secret.
type Record struct {
	ID   string `json:"id"`
	Hash []byte `json:"hash"`
	// Site is where the host that brings it will be. Host is who it must be;
	// empty: any name that is free.
	Site   string    `json:"site"`
	Host   string    `json:"host,omitempty"`
	By     string    `json:"by,omitempty"` // who made it
	Made   time.Time `json:"made"`
	Until  time.Time `json:"until"`
	Used   time.Time `json:"used,omitzero"`
	UsedBy string    `json:"used_by,omitempty"`
}

// State is how a token stands.
type State string

// The states of a token. Used and expired are its ends.
const (
	TokenGood    State = "good"
	TokenUsed    State = "used"
	TokenExpired State = "expired"
)

// State returns how the token stands at now.
func (r *Record) State(now time.Time) State {
	switch {
	case !r.Used.IsZero():
		return TokenUsed
	case !now.Before(r.Until):
		return TokenExpired
	}
	return TokenGood
}

// Book is every token that a fleet gave out and remembers. It is a value: Add
// and Redeem return the next one, which counts when it is stored.
type Book struct {
	Records []Record `json:"tokens"`
}

// Add enters a token that is good for life.
func (b Book) Add(now time.Time, t Token, r Record, life time.Duration) (Book, error) {
	if life <= 0 || life > TokenLifeMax {
		return b, refuse(api.ReasonOutOfRange, "a token for %s; more than 0, up to %s", life, TokenLifeMax)
	}
	for what, name := range map[string]string{"site": r.Site, "host": r.Host} {
		if name == "" && what == "host" {
			continue
		}
		if err := id.CheckName(name); err != nil {
			return b, refuse(api.ReasonOutOfRange, "the %s of the token: %v", what, err)
		}
	}
	next := b.swept(now)
	good := 0
	for i := range next.Records {
		if next.Records[i].ID == t.ID {
			return b, refuse(api.ReasonBusy, "the token's name %s is in use", t.ID)
		}
		if next.Records[i].State(now) == TokenGood {
			good++
		}
	}
	if good >= TokensMax {
		return b, refuse(api.ReasonBusy, "%d tokens wait to be used; that is the limit", good)
	}
	h := t.hash()
	r.ID, r.Hash, r.Made, r.Until, r.Used, r.UsedBy = t.ID, h[:], now, now.Add(life), time.Time{}, ""
	next.Records = append(next.Records, r)
	return next, nil
}

// swept is the book without what nobody will ask about.
func (b Book) swept(now time.Time) Book {
	over := len(b.Records) - recordsMax + 1 // the oldest, as they stand in order
	return Book{slices.DeleteFunc(slices.Clone(b.Records), func(r Record) bool {
		if r.State(now) == TokenGood {
			return false
		}
		over--
		return over >= 0 || now.Sub(r.Until) > tokenMemory
	})}
}

// Redeem uses a token for a host. The host may come in when the book that is
// returned is stored, and not before.
func (b Book) Redeem(now time.Time, t Token, host string) (Book, Record, error) {
	if err := id.CheckName(host); err != nil {
		return b, Record{}, refuse(api.ReasonOutOfRange, "the host: %v", err)
	}
	h := t.hash()
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
	case TokenUsed:
		return b, Record{}, refuse(api.ReasonTokenUsed, "%s, by %s at %s; if that was not you, remove that host; holdfast token makes a new one", t, id.To(id.KindHost, r.UsedBy), wall(r.Used))
	case TokenExpired:
		return b, Record{}, refuse(api.ReasonTokenExpired, "%s, since %s; holdfast token makes a new one", t, wall(r.Until))
	case TokenGood:
	}
	if r.Host != "" && r.Host != host {
		return b, Record{}, refuse(api.ReasonTokenElsewhere, "%s is for %s", t, id.To(id.KindHost, r.Host))
	}
	r.Used, r.UsedBy = now, host
	next := Book{slices.Clone(b.Records)}
	next.Records[i] = r
	return next, r, nil
}

// Void makes a token useless that was not used.
func (b Book) Void(now time.Time, tokenID string) (Book, error) {
	for i := range b.Records {
		if b.Records[i].ID == tokenID && b.Records[i].State(now) == TokenGood {
			next := Book{slices.Clone(b.Records)}
			next.Records[i].Until = now
			return next, nil
		}
	}
	return b, refuse(api.ReasonTokenUnknown, "no token %.20q waits to be used", tokenID)
}

// ParseBook reads a stored book. Half of one is an error and not an empty book:
// that would make used tokens unknown, which is safe, but silently.
func ParseBook(text []byte) (Book, error) {
	var b Book
	if err := json.Unmarshal(text, &b); err != nil {
		return Book{}, fmt.Errorf("identity: read the tokens: %w", err)
	}
	if len(b.Records) > recordsMax {
		return Book{}, fmt.Errorf("identity: read the tokens: %d of them; %d are the limit", len(b.Records), recordsMax)
	}
	return b, nil
}
