package replica

import (
	"errors"

	"github.com/holdfast-edge/holdfast/engine/wire"
)

// errCodec is the root of every refusal of bytes.
var errCodec = errors.New("replica: bytes are not as this package writes them")

// reader takes a group's fields off the front of bytes. What it returns shares
// their memory.
type reader struct{ wire.Reader }

func fieldsOf(b []byte) reader { return reader{wire.NewReader(b)} }

// refusal is errCodec, if something could not be read.
func (r *reader) refusal() error {
	if r.Err() != nil {
		return errCodec
	}
	return nil
}
