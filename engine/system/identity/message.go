package identity

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// joinVersion of the messages. Ends of different versions refuse each other by
// name.
const joinVersion = 1

// messageMax is more than a chain and a bundle of chainMax certificates each
// take in base64.
const messageMax = 64 << 10

// Ask is what a host asks an authority: its first certificate, with a token, or
// its next one, over a connection with the present one.
type Ask struct {
	Version int    `json:"version"`
	Token   string `json:"token,omitempty"`
	// Host is the name that a host wants; goes with a token. A person's is the
	// token's.
	Host string `json:"host,omitempty"`
	CSR  []byte `json:"csr"`
	// Delegate asks for an authority's certificate instead of a host's.
	Delegate bool `json:"delegate,omitempty"`
}

// Answer is what the authority says: a refusal, or a chain and the roots.
type Answer struct {
	Version int        `json:"version"`
	Reason  api.Reason `json:"reason,omitempty"`
	Detail  string     `json:"detail,omitempty"`
	Chain   [][]byte   `json:"chain,omitempty"`
	Roots   [][]byte   `json:"roots,omitempty"`
	// Keys are the fleet's keyring for gossip and heartbeats. Only hosts get it,
	// over a connection that is theirs alone.
	Keys [][]byte `json:"keys,omitempty"`
	// Elsewhere are agents that may do what this one cannot.
	Elsewhere []string `json:"elsewhere,omitempty"`
}

// WriteMessage sends a message: its length in four bytes, then JSON.
func WriteMessage(w io.Writer, m any) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("identity: encode a message: %w", err)
	}
	if len(body) > messageMax {
		return fmt.Errorf("identity: a message of %d bytes; %d are the limit", len(body), messageMax)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// ReadAsk reads an Ask.
func ReadAsk(r io.Reader) (Ask, error) {
	var a Ask
	err := readMessage(r, &a)
	if err == nil && a.Version != joinVersion {
		err = refuse(api.ReasonOutOfRange, "the host speaks version %d of joining, this agent %d; run the same program on both", a.Version, joinVersion)
	}
	return a, err
}

// elsewhereMax bounds the addresses in an answer, and elsewhereSizeMax each.
const (
	elsewhereMax     = 8
	elsewhereSizeMax = 260
)

// Granted is what an authority gave: a chain, the roots to trust, and the keys
// that hosts share.
type Granted struct {
	Chain, Roots []*x509.Certificate
	Keys         [][]byte
}

// keysMax and keySizeMax bound the keyring in an answer.
const (
	keysMax    = 8
	keySizeMax = 64
)

// ReadAnswer reads an Answer. A refusal is returned as the error.
func ReadAnswer(r io.Reader) (g Granted, err error) {
	var a Answer
	if err := readMessage(r, &a); err != nil {
		return g, err
	}
	if a.Reason != "" {
		no := &Refused{Reason: a.Reason, Detail: printable(a.Detail)}
		for _, to := range a.Elsewhere[:min(len(a.Elsewhere), elsewhereMax)] {
			if len(to) <= elsewhereSizeMax {
				no.Elsewhere = append(no.Elsewhere, printable(to))
			}
		}
		return g, no
	}
	if a.Version != joinVersion {
		return g, refuse(api.ReasonOutOfRange, "the agent speaks version %d of joining, this host %d; run the same program on both", a.Version, joinVersion)
	}
	if err := checkKeys(a.Keys); err != nil {
		return g, err
	}
	g.Keys = a.Keys
	if g.Chain, err = parseChain(a.Chain); err == nil {
		g.Roots, err = parseChain(a.Roots)
	}
	return g, err
}

func checkKeys(keys [][]byte) error {
	if len(keys) > keysMax || slices.ContainsFunc(keys, func(k []byte) bool { return len(k) == 0 || len(k) > keySizeMax }) {
		return errors.New("identity: a keyring that cannot be one")
	}
	return nil
}

func parseChain(all [][]byte) ([]*x509.Certificate, error) {
	if len(all) == 0 || len(all) > chainMax {
		return nil, fmt.Errorf("identity: an answer with %d certificates; 1 to %d are possible", len(all), chainMax)
	}
	chain := make([]*x509.Certificate, len(all))
	for i, der := range all {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, errors.New("identity: an answer with a certificate that cannot be read")
		}
		chain[i] = c
	}
	return chain, nil
}

func readMessage(r io.Reader, into any) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return fmt.Errorf("identity: read a message: %w", err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > messageMax {
		return fmt.Errorf("identity: a message of %d bytes; %d are the limit", n, messageMax)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return fmt.Errorf("identity: read a message: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil || d.More() {
		return errors.New("identity: a message that cannot be read")
	}
	return nil
}

func raw(chain []*x509.Certificate) [][]byte {
	all := make([][]byte, len(chain))
	for i, c := range chain {
		all[i] = c.Raw
	}
	return all
}
