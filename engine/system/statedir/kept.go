package statedir

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/durable"
)

// Kept is a spec that somebody put into force. It outlives its fleet: the next
// one in the directory goes on with it.
type Kept struct {
	Revision uint64    `json:"revision"`
	Name     string    `json:"name"` // of the file that it came from
	Dir      string    `json:"dir"`  // where its relative files are
	By       string    `json:"by"`
	Why      string    `json:"why,omitempty"`
	At       time.Time `json:"at"`
	Text     string    `json:"-"`
}

// String says what it is: revision 3, more.yaml, applied by kim on …: more users.
func (k Kept) String() string {
	s := fmt.Sprintf("revision %d, %s, applied by %s on %s", k.Revision, k.Name, k.By, k.At.Local().Format("2 January 2006 at 15:04:05"))
	if k.Why != "" {
		s += ": " + k.Why
	}
	return s
}

// keptFile is its file: YAML that people can read and apply again, after one line
// of its own.
const keptFile = "spec.yaml"

// keptLine begins the file. The sum tells a whole file from a torn one.
const keptLine = "# kept by holdfast; apply a spec to change it: "

// keptMax bounds what is read: the largest spec and its line.
const keptMax = 2<<20 + 64<<10

type keptHead struct {
	Version int `json:"version"`
	Kept
	Size int    `json:"size"`
	Sum  string `json:"sha256"`
}

// keptVersion is of the file's form.
const keptVersion = 1

// TornError says that a kept spec is not as it was written.
type TornError struct {
	Why   string
	Aside string // where it is now
}

// Error says what to do.
func (e *TornError) Error() string {
	return fmt.Sprintf("the spec that was applied here last cannot be trusted: %s. It is now %s: look at it, and start with what is right: «holdfast up FILE»", e.Why, e.Aside)
}

// Keep writes a spec down, so that it survives also a power cut right after.
func (d *Dir) Keep(k Kept) error {
	sum := sha256.Sum256([]byte(k.Text))
	head, err := json.Marshal(keptHead{Version: keptVersion, Kept: k, Size: len(k.Text), Sum: hex.EncodeToString(sum[:])})
	if err != nil {
		return fmt.Errorf("keep the spec: %w", err)
	}
	text := append(append([]byte(keptLine), head...), '\n')
	if err := d.replace(keptFile, append(text, k.Text...)); err != nil {
		return fmt.Errorf("keep the spec: %w", err)
	}
	return nil
}

// replace writes a file of the directory, whole or not at all, through to the
// disk.
func (d *Dir) replace(name string, b []byte) error {
	return durable.Replace(filepath.Join(d.Path, name), b)
}

// Kept returns the spec that is kept. One that is not as it was written is moved
// aside, and the error is a *TornError.
func (d *Dir) Kept() (k Kept, ok bool, err error) {
	path := filepath.Join(d.Path, keptFile)
	k, err = readKept(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return Kept{}, false, nil
	case err == nil:
		return k, true, nil
	}
	aside := filepath.Join(d.Path, "spec-torn.yaml")
	if e := os.Rename(path, aside); e != nil {
		return Kept{}, false, fmt.Errorf("%w; the spec that is kept here cannot be trusted: %w", e, err)
	}
	return Kept{}, false, &TornError{Why: err.Error(), Aside: aside}
}

func readKept(path string) (Kept, error) {
	b, err := readBounded(path, keptMax)
	if err != nil {
		return Kept{}, err
	}
	line, text, whole := bytes.Cut(b, []byte{'\n'})
	line, ours := bytes.CutPrefix(line, []byte(keptLine))
	var head keptHead
	switch sum := sha256.Sum256(text); {
	case !whole || !ours:
		return Kept{}, errors.New("its first line is not as it was written")
	case json.Unmarshal(line, &head) != nil:
		return Kept{}, errors.New("its first line is torn or was edited")
	case head.Version != keptVersion:
		return Kept{}, fmt.Errorf("it is of version %d, and this program reads version %d", head.Version, keptVersion)
	case head.Size != len(text) || head.Sum != hex.EncodeToString(sum[:]):
		return Kept{}, fmt.Errorf("it was written with %d bytes and has %d: it is torn or was edited", head.Size, len(text))
	}
	head.Text = string(text)
	return head.Kept, nil
}

// readBounded reads a file of at most so many bytes; not a pipe, nor what a link
// leads to.
func readBounded(path string, most int64) ([]byte, error) {
	i, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, err
	case !i.Mode().IsRegular():
		return nil, errors.New("it is no file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return b, err
}

// SetAside moves the kept spec out of the way, and returns where it is.
func (d *Dir) SetAside(k Kept) (string, error) {
	aside := filepath.Join(d.Path, fmt.Sprintf("spec-%d.yaml", k.Revision))
	if err := os.Rename(filepath.Join(d.Path, keptFile), aside); err != nil {
		return "", fmt.Errorf("set the kept spec aside: %w", err)
	}
	return aside, durable.FlushNames(d.Path)
}
