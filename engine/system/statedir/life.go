package statedir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/durable"
)

const lifeName = "life"

// NextLife returns the number of the life that begins now: higher than that of each
// before in this directory, also after a power cut, and than those of a directory
// that was lost, unless the clock was set back since.
func (d *Dir) NextLife() (uint64, error) {
	path := filepath.Join(d.Path, lifeName)
	var before uint64
	text, err := readBounded(path, 32)
	if err == nil {
		before, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 63)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("read the number of this host's life from %s: %w; remove the file if it is damaged", path, err)
	}
	life := max(before+1, uint64(time.Now().UnixMilli()))
	if err := durable.Replace(path, []byte(strconv.FormatUint(life, 10)+"\n")); err != nil {
		return 0, fmt.Errorf("write the number of this host's life: %w", err)
	}
	return life, nil
}
