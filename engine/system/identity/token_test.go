package identity_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestTokenIsReadAsItWasRevealed(t *testing.T) {
	token := identity.NewToken(sha256.Sum256([]byte("a root")))
	text := token.Reveal()
	back, err := identity.ParseToken(" " + text + "\n")
	if err != nil || back != token {
		t.Fatalf("%q is read as %v, %v", text, back, err)
	}
	secret := strings.Split(text, ".")[2]
	for _, shown := range []string{token.String(), fmt.Sprint(token), fmt.Sprintf("%v %+v %#v %s", token, token, token, token)} {
		if strings.Contains(shown, secret) {
			t.Errorf("%q shows the secret", shown)
		}
	}
}

// TestDamagedTokens changes each byte of a token and holds that no two writings
// are one token, and that the error says what to do.
func TestDamagedTokens(t *testing.T) {
	token := identity.NewToken(sha256.Sum256([]byte("a root")))
	text := token.Reveal()
	for i := range text {
		for _, c := range []byte("ab7.!A=\x00") {
			if text[i] == c {
				continue
			}
			damaged := text[:i] + string(c) + text[i+1:]
			if back, err := identity.ParseToken(damaged); err == nil && back == token {
				t.Errorf("byte %d as %q is the same token", i, c)
			}
		}
	}
	for _, bad := range []string{"", "hf1", text[:len(text)-1], text + "a", strings.ToUpper(text), strings.Replace(text, "hf1", "hf2", 1), strings.Repeat(".", 98)} {
		_, err := identity.ParseToken(bad)
		want(t, bad, err, api.ReasonTokenInvalid)
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(identity.NewToken([32]byte{1}).Reveal())
	f.Add("hf2.a.b.c")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := identity.ParseToken(s)
		if err == nil && token.Reveal() != strings.TrimSpace(s) {
			t.Errorf("%q is read as another token: %q", s, token.Reveal())
		}
	})
}

func TestBookRefusesWithReasons(t *testing.T) {
	root := sha256.Sum256([]byte("a root"))
	good, named, stranger := identity.NewToken(root), identity.NewToken(root), identity.NewToken(root)
	book := must(identity.Book{}.Add(start, record(good, identity.Record{Token: api.Token{Site: "osaka", By: "mika"}}), time.Hour))
	book = must(book.Add(start, record(named, identity.Record{Token: api.Token{Site: "osaka", Host: "osaka-7"}}), time.Hour))
	redeem := func(b identity.Book, at time.Duration, token identity.Token, host string) (identity.Book, identity.Record, error) {
		return b.Redeem(start.Add(at), token, host)
	}
	_, _, err := redeem(book, 0, stranger, "osaka-1")
	want(t, "a token of nobody", err, api.ReasonTokenUnknown)

	// The name of a token that is known, with another secret.
	parts, other := strings.Split(good.Reveal(), "."), strings.Split(stranger.Reveal(), ".")
	_, _, err = redeem(book, 0, must(identity.ParseToken(strings.Join([]string{parts[0], parts[1], other[2], parts[3]}, "."))), "osaka-1")
	want(t, "a wrong secret", err, api.ReasonTokenUnknown)

	_, _, err = redeem(book, time.Hour, good, "osaka-1")
	want(t, "at its end", err, api.ReasonTokenExpired)
	_, _, err = redeem(book, 0, named, "osaka-1")
	want(t, "for another host", err, api.ReasonTokenElsewhere)
	_, _, err = redeem(book, 0, good, "Osaka 1")
	want(t, "for no name", err, api.ReasonOutOfRange)

	next, r, err := redeem(book, time.Hour-1, good, "osaka-1")
	if err != nil || r.UsedBy != "host/osaka-1" || r.Site != "osaka" {
		t.Fatalf("a good token: %+v, %v", r, err)
	}
	_, _, err = redeem(next, time.Hour-1, good, "osaka-1")
	want(t, "a second time", err, api.ReasonTokenUsed)
	if !strings.Contains(err.Error(), "host/osaka-1") || !strings.Contains(err.Error(), "holdfast token") {
		t.Errorf("the refusal does not say by whom, or what to do: %v", err)
	}
	if _, _, err := redeem(book, 0, good, "osaka-1"); err != nil {
		t.Errorf("a use that was not stored counts: %v", err)
	}
	void := must(book.Void(start, good.ID))
	_, _, err = redeem(void, 0, good, "osaka-1")
	want(t, "made void", err, api.ReasonTokenExpired)
	_, err = void.Void(start, good.ID)
	want(t, "made void twice", err, api.ReasonTokenUnknown)
	for _, life := range []time.Duration{0, -1, api.TokenForMax + 1} {
		_, err = book.Add(start, record(stranger, identity.Record{Token: api.Token{Site: "osaka"}}), life)
		want(t, "a life of "+life.String(), err, api.ReasonOutOfRange)
	}
	_, err = book.Add(start, record(stranger, identity.Record{Token: api.Token{Person: "mika"}}), time.Hour)
	want(t, "a person without a role", err, api.ReasonOutOfRange)
	mika := must(book.Add(start, record(stranger, identity.Record{Token: api.Token{Person: "mika", Role: api.RoleAdmin}}), time.Hour))
	_, _, err = redeem(mika, 0, stranger, "osaka-1")
	want(t, "a person's token for a host", err, api.ReasonTokenElsewhere)
	_, _, err = redeem(mika, 0, good, "")
	want(t, "a host's token for a person", err, api.ReasonTokenElsewhere)
	if _, r, err := redeem(mika, 0, stranger, ""); err != nil || r.UsedBy != "person/mika" {
		t.Errorf("a person's token: %+v, %v", r, err)
	}
}

// TestBookIsBounded holds that neither good nor used tokens pile up.
func TestBookIsBounded(t *testing.T) {
	book := identity.Book{}
	for i := range api.TokensMax {
		book = must(book.Add(start, record(identity.NewToken([32]byte{byte(i)}), identity.Record{Token: api.Token{Site: "osaka"}}), time.Hour))
	}
	_, err := book.Add(start, record(identity.NewToken([32]byte{}), identity.Record{Token: api.Token{Site: "osaka"}}), time.Hour)
	want(t, "one too many", err, api.ReasonBusy)
	for day := range 12 {
		now := start.Add(time.Duration(day+1) * 24 * time.Hour)
		for range 40 {
			token := identity.NewToken([32]byte{})
			book = must(book.Add(now, record(token, identity.Record{Token: api.Token{Site: "osaka"}}), time.Hour))
			book, _, err = book.Redeem(now, token, "osaka-1")
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(book.Records) > 4*api.TokensMax {
			t.Fatalf("%d records after %d days", len(book.Records), day)
		}
	}
}

// TestNoTokenWorksTwice plays any order of what may happen to a few tokens and
// holds that each lets in one host at most, and none after its end.
func TestNoTokenWorksTwice(t *testing.T) {
	tokens := make([]identity.Token, 5)
	for i := range tokens {
		tokens[i] = identity.NewToken([32]byte{})
	}
	rapid.Check(t, func(t *rapid.T) {
		var book identity.Book
		used, until := map[string]int{}, map[string]time.Time{}
		now := start
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1800).Draw(t, "seconds")) * time.Second)
			token := tokens[rapid.IntRange(0, len(tokens)-1).Draw(t, "token")]
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				if next, err := book.Add(now, record(token, identity.Record{Token: api.Token{Site: "osaka"}}), time.Hour); err == nil {
					if _, again := until[token.ID]; again && slices.ContainsFunc(book.Records, func(r identity.Record) bool { return r.ID == token.ID }) {
						t.Fatal("a token was entered over its own record")
					}
					book, until[token.ID], used[token.ID] = next, now.Add(time.Hour), 0
				}
			case 1:
				if next, err := book.Void(now, token.ID); err == nil {
					book, until[token.ID] = next, now
				}
			default:
				next, _, err := book.Redeem(now, token, "osaka-1")
				if err != nil {
					continue
				}
				if end, ok := until[token.ID]; !ok || !now.Before(end) {
					t.Fatalf("%s was good at %s, and ended at %s", token, now, end)
				}
				if used[token.ID]++; used[token.ID] > 1 {
					t.Fatalf("%s was used twice", token)
				}
				book = next
			}
		}
	})
}
