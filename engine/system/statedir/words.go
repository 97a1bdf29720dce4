package statedir

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/system/durable"
)

// wordsPrefix begins the names of files of words, and tornPrefix of those that
// could not be trusted.
const (
	wordsPrefix = "operators-"
	tornPrefix  = "torn-"
)

// wordsFile is where the words of a fleet's operators are kept: by its name, so
// that those of another fleet in the same directory wait until it runs again.
func wordsFile(name string) string { return wordsPrefix + name + ".json" }

// wordsMax bounds what is read: a spec has some ten thousand backends at most,
// and each can have three words of a few hundred bytes.
const wordsMax = 32 << 20

// wordsVersion is of the file's form.
const wordsVersion = 1

type wordsForm struct {
	Version int             `json:"version"`
	Sum     string          `json:"sha256"` // of Words, as they stand in the file
	Words   json.RawMessage `json:"words"`
}

// KeepWords writes down what operators have set, so that it survives also a
// power cut right after. Without any word there is no file.
func (d *Dir) KeepWords(w fleet.Words) error {
	if err := d.keepWords(wordsFile(w.Fleet), w.All); err != nil {
		return fmt.Errorf("keep what operators have set: %w", err)
	}
	return nil
}

func (d *Dir) keepWords(name string, all []fleet.Word) error {
	if len(all) == 0 {
		err := os.Remove(filepath.Join(d.Path, name))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return errors.Join(err, durable.FlushNames(d.Path))
	}
	words, err := json.Marshal(all)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(words)
	b, err := json.Marshal(wordsForm{Version: wordsVersion, Sum: hex.EncodeToString(sum[:]), Words: words})
	if err != nil {
		return err
	}
	return d.replace(name, append(b, '\n'))
}

// TornWordsError says that what operators had set is not as it was written.
type TornWordsError struct {
	Why   string
	Aside string // where it is now
}

// Error says what to do.
func (e *TornWordsError) Error() string {
	return fmt.Sprintf("what operators had set cannot be trusted and does not hold: %s. It is now %s: look at it, and set again what is right", e.Why, e.Aside)
}

// Words returns what operators of a fleet had set. What is not as it was written
// is moved aside, and the error is a *TornWordsError.
func (d *Dir) Words(name string) ([]fleet.Word, error) {
	path := filepath.Join(d.Path, wordsFile(name))
	all, err := readWords(path)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return all, nil
	}
	aside := filepath.Join(d.Path, tornPrefix+wordsFile(name))
	if e := os.Rename(path, aside); e != nil {
		return nil, fmt.Errorf("%w; what operators had set cannot be trusted: %w", e, err)
	}
	return nil, &TornWordsError{Why: err.Error(), Aside: aside}
}

func readWords(path string) ([]fleet.Word, error) {
	b, err := readBounded(path, wordsMax)
	if err != nil {
		return nil, err
	}
	var form wordsForm
	if json.Unmarshal(b, &form) != nil {
		return nil, errors.New("it is torn or was edited")
	}
	if form.Version != wordsVersion {
		return nil, fmt.Errorf("it is of version %d, and this program reads version %d", form.Version, wordsVersion)
	}
	var all []fleet.Word
	if sum := sha256.Sum256(form.Words); form.Sum != hex.EncodeToString(sum[:]) || json.Unmarshal(form.Words, &all) != nil {
		return nil, errors.New("it is not as it was written: torn or edited")
	}
	return all, nil
}
