package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// tokenMark is the version of tokens, so that one of a later version is told
// from a typing error.
const tokenMark = "hf1"

// Sizes in bytes.
const (
	tokenIDSize     = 5  // enough to tell tokens apart in a list
	tokenSecretSize = 20 // nobody guesses 160 bits, so no count of tries is kept
)

// alphabet is RFC 4648's base32 in lower case: a token survives being read
// aloud, and a double click marks all between two dots.
var alphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Token lets a host or a person into a fleet, once.
type Token struct {
	ID     string // names it in lists and logs; no secret
	secret [tokenSecretSize]byte
	// Authority is the hash of the root that the new host will accept.
	Authority [sha256.Size]byte
}

// NewToken draws a token for a fleet with this root.
func NewToken(root [sha256.Size]byte) Token {
	t := Token{Authority: root}
	var name [tokenIDSize]byte
	_, _ = rand.Read(name[:]) // crypto/rand.Read ends the program rather than fail
	_, _ = rand.Read(t.secret[:])
	t.ID = alphabet.EncodeToString(name[:])
	return t
}

// TokenFor draws a token for the fleet whose root has this hash, in hex as a
// picture says it.
func TokenFor(root string) (Token, error) {
	b, err := hex.DecodeString(root)
	if err != nil || len(b) != sha256.Size {
		return Token{}, fmt.Errorf("identity: %.80q is no hash of an authority", root)
	}
	return NewToken([sha256.Size]byte(b)), nil
}

// Reveal returns the token as it is handed to the new host. It is the one way to
// see the secret: String, which logs use, hides it.
func (t Token) Reveal() string {
	return strings.Join([]string{tokenMark, t.ID, alphabet.EncodeToString(t.secret[:]), alphabet.EncodeToString(t.Authority[:])}, ".")
}

// String names the token without its secret.
func (t Token) String() string { return "token " + t.ID }

// GoString is String, for %#v.
func (t Token) GoString() string { return t.String() }

// ParseToken reads a token. White space around it is what copying leaves.
func ParseToken(s string) (Token, error) {
	var t Token
	const size = len(tokenMark) + 1 + 8 + 1 + 32 + 1 + 52
	s = strings.TrimSpace(s)
	parts := strings.Split(s, ".")
	switch {
	case parts[0] != tokenMark && len(parts[0]) < 8 && strings.HasPrefix(parts[0], "hf"):
		return t, refuse(api.ReasonTokenInvalid, "it is of version %q; this program reads %s", parts[0], tokenMark)
	case len(s) != size || len(parts) != 4 || parts[0] != tokenMark:
		return t, refuse(api.ReasonTokenInvalid, "%d bytes; a token is %d bytes and begins with %s. — was it copied whole?", len(s), size, tokenMark)
	}
	var name [tokenIDSize]byte
	for i, into := range [][]byte{name[:], t.secret[:], t.Authority[:]} {
		b, err := alphabet.DecodeString(parts[i+1])
		// Bits that are left over must be zero: one token has one writing.
		if err != nil || len(b) != len(into) || alphabet.EncodeToString(b) != parts[i+1] {
			return Token{}, refuse(api.ReasonTokenInvalid, "part %d of 4 is damaged; was it copied whole?", i+2)
		}
		copy(into, b)
	}
	t.ID = parts[1]
	return t, nil
}

// Hash is what the fleet keeps of the token: who has it cannot come in by it.
func (t Token) Hash() [sha256.Size]byte {
	// The ID is hashed too, so that a record cannot be moved to another name.
	return sha256.Sum256(fmt.Appendf(nil, "holdfast join token %s %x", t.ID, t.secret))
}
