package audit

import (
	"crypto/sha256"
	"encoding/hex"
)

// LineOf is the line of any text, with its right hash.
func LineOf(body string) []byte {
	h := sha256.Sum256([]byte(body))
	return []byte(hex.EncodeToString(h[:]) + " " + body + "\n")
}
