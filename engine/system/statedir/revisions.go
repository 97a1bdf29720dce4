package statedir

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/system/durable"
)

// revisionsName is the directory of the spec's revisions, each a file of YAML that
// people can read and apply again, after one line of its own.
const revisionsName = "revisions"

// revisionLine begins each file.
const revisionLine = "# a revision of the spec, kept by holdfast: "

// revisionVersion is of the files' form.
const revisionVersion = 1

type revisionHead struct {
	Version int `json:"version"`
	api.Revision
	Sum string `json:"sha256"`
}

func revisionFile(rev uint64) string { return fmt.Sprintf("%012d.yaml", rev) }

// KeepRevision writes a revision down, so that it survives also a power cut right
// after, and forgets those before oldest.
func (d *Dir) KeepRevision(r api.Revision, oldest uint64) error {
	dir := filepath.Join(d.Path, revisionsName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep revision %d: %w", r.Rev, err)
	}
	text := r.Text
	sum := sha256.Sum256([]byte(text))
	r.Text, r.Size = "", len(text)
	head, err := json.Marshal(revisionHead{Version: revisionVersion, Revision: r, Sum: hex.EncodeToString(sum[:])})
	if err != nil {
		return fmt.Errorf("keep revision %d: %w", r.Rev, err)
	}
	b := append(append([]byte(revisionLine), head...), '\n')
	if err := durable.Replace(filepath.Join(dir, revisionFile(r.Rev)), append(b, text...)); err != nil {
		return fmt.Errorf("keep revision %d: %w", r.Rev, err)
	}
	for _, rev := range revisionsIn(dir) {
		if rev < oldest {
			_ = os.Remove(filepath.Join(dir, revisionFile(rev))) // the next one tries again
		}
	}
	return nil
}

// revisionsIn are the numbers of the files in a directory.
func revisionsIn(dir string) []uint64 {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var all []uint64
	for _, e := range entries {
		if rev, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), ".yaml"), 10, 64); err == nil && e.Name() == revisionFile(rev) {
			all = append(all, rev)
		}
	}
	return all
}

// Revisions returns the revisions that are kept, oldest first, with their texts.
// One that is not as it was written is moved aside and left out; lost says which,
// for people. The others are good.
func (d *Dir) Revisions() (all []api.Revision, lost []string) {
	dir := filepath.Join(d.Path, revisionsName)
	revs := revisionsIn(dir)
	slices.SortFunc(revs, func(a, b uint64) int { return cmp.Compare(b, a) })
	for _, rev := range revs[:min(len(revs), api.RevisionsMax)] { // the newest: more are not kept
		path := filepath.Join(dir, revisionFile(rev))
		r, err := readRevision(path, rev)
		if err == nil {
			all = append(all, r)
			continue
		}
		aside := filepath.Join(dir, tornPrefix+revisionFile(rev))
		said := fmt.Sprintf("revision %d cannot be trusted and is no more: %s. It is now %s", rev, err, aside)
		if e := os.Rename(path, aside); e != nil {
			said = fmt.Sprintf("revision %d cannot be trusted and is no more: %s, and cannot be moved aside: %s", rev, err, e)
		}
		lost = append(lost, said)
	}
	slices.Reverse(all)
	return all, lost
}

func readRevision(path string, rev uint64) (api.Revision, error) {
	b, err := readBounded(path, keptMax)
	if err != nil {
		return api.Revision{}, err
	}
	line, text, _ := strings.Cut(string(b), "\n")
	line, ours := strings.CutPrefix(line, revisionLine)
	var head revisionHead
	sum := sha256.Sum256([]byte(text))
	switch {
	case !ours || json.Unmarshal([]byte(line), &head) != nil:
		return api.Revision{}, errors.New("its first line is torn or was edited")
	case head.Version != revisionVersion:
		return api.Revision{}, fmt.Errorf("it is of version %d, and this program reads version %d", head.Version, revisionVersion)
	case head.Rev != rev || head.Size != len(text) || head.Sum != hex.EncodeToString(sum[:]):
		return api.Revision{}, errors.New("it is not as it was written: torn, edited or renamed")
	}
	head.Text = text
	return head.Revision, nil
}
