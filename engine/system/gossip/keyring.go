package gossip

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// KeySize of a fleet's key.
const KeySize = 32

// KeysMax is how many keys a ring holds: two in a rotation, and one that somebody
// forgot to remove.
const KeysMax = 4

// Key is a secret that all hosts of a fleet share.
type Key [KeySize]byte

// NewKey draws a key.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k[:]) // it ends the program rather than fail
	return k
}

// Name tells keys apart, in lists and packets, and says nothing of the key.
func (k Key) Name() string { return hex.EncodeToString(k.name()) }

// String is Name: a key is never printed.
func (k Key) String() string { return "key " + k.Name() }

// GoString is String, for %#v.
func (k Key) GoString() string { return k.String() }

const keyNameSize = 4

func (k Key) name() []byte {
	return k.derive("holdfast key name", keyNameSize)
}

// derive makes a key for one use, so that no two uses share bytes.
func (k Key) derive(use string, size int) []byte {
	b, err := hkdf.Key(sha256.New, k[:], nil, use, size)
	if err != nil { // only for sizes that no hash could give
		panic("gossip: " + err.Error())
	}
	return b
}

// Keyring is the keys that are understood. The first one seals.
type Keyring struct{ keys []Key }

// NewKeyring returns a ring. The first key seals.
func NewKeyring(keys ...Key) (Keyring, error) {
	if len(keys) == 0 || len(keys) > KeysMax {
		return Keyring{}, fmt.Errorf("gossip: a keyring of %d keys; 1 to %d are possible", len(keys), KeysMax)
	}
	for i, k := range keys {
		if slices.Contains(keys[:i], k) {
			return Keyring{}, fmt.Errorf("gossip: %s is in the ring twice", k)
		}
		if k == (Key{}) {
			return Keyring{}, fmt.Errorf("gossip: a key of zeros")
		}
	}
	return Keyring{slices.Clone(keys)}, nil
}

// Keys are the keys; the first one seals.
func (r Keyring) Keys() []Key { return slices.Clone(r.keys) }

// Install adds a key that is understood and not used yet: the first step of a
// rotation.
func (r Keyring) Install(k Key) (Keyring, error) {
	if slices.Contains(r.keys, k) {
		return r, nil
	}
	return NewKeyring(append(r.Keys(), k)...)
}

// Use seals with a key that is installed: the second step, when every host has
// it.
func (r Keyring) Use(name string) (Keyring, error) {
	i := slices.IndexFunc(r.keys, func(k Key) bool { return k.Name() == name })
	if i < 0 {
		return r, fmt.Errorf("gossip: use key %.16q: it is not installed", name)
	}
	keys := r.Keys()
	k := keys[i]
	return Keyring{append([]Key{k}, slices.Delete(keys, i, i+1)...)}, nil
}

// Remove forgets a key: the last step, when every host uses another.
func (r Keyring) Remove(name string) (Keyring, error) {
	if r.keys[0].Name() == name {
		return r, fmt.Errorf("gossip: remove key %s: it seals; use another first", name)
	}
	return Keyring{slices.DeleteFunc(r.Keys(), func(k Key) bool { return k.Name() == name })}, nil
}

// Encode is the ring as it is stored and handed to a host that joins.
func (r Keyring) Encode() [][]byte {
	all := make([][]byte, len(r.keys))
	for i, k := range r.keys {
		all[i] = bytes.Clone(k[:])
	}
	return all
}

// ParseKeyring reads what Encode made.
func ParseKeyring(all [][]byte) (Keyring, error) {
	keys := make([]Key, 0, KeysMax)
	for _, b := range all {
		if len(b) != KeySize || len(keys) == KeysMax {
			return Keyring{}, fmt.Errorf("gossip: a keyring that cannot be read")
		}
		keys = append(keys, Key(b))
	}
	return NewKeyring(keys...)
}
