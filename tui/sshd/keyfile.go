package sshd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// keyFile is an authorized_keys file that is read again when it changes.
type keyFile struct {
	path string

	mu    sync.Mutex
	seen  mark
	keys  *keys
	wrong error // the file cannot be read: nobody new comes in
}

// mark tells one state of a file from another.
type mark struct {
	size     int64
	modified time.Time
	inode    uint64
	missing  bool
}

func openKeyFile(path string) (*keyFile, []Flaw, error) {
	f := &keyFile{path: path}
	_, flaws := f.refresh()
	return f, flaws, f.wrong
}

// refresh reads the file again when it is not as it was. It reports whether it
// was read, or could not be.
func (f *keyFile) refresh() (changed bool, flaws []Flaw) {
	now := f.look()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys != nil && now == f.seen {
		return false, nil
	}
	text, err := readKeys(f.path)
	before := f.wrong
	f.seen, f.wrong = now, err
	if err != nil {
		// Who is in stays in: an editor may just be replacing the file.
		if f.keys == nil {
			f.keys = &keys{}
		}
		return before == nil || before.Error() != err.Error(), nil
	}
	f.keys, flaws = parseKeys(text, time.Local)
	return true, flaws
}

func (f *keyFile) look() mark {
	i, err := os.Stat(f.path)
	if err != nil {
		return mark{missing: true}
	}
	m := mark{size: i.Size(), modified: i.ModTime()}
	if s, ok := i.Sys().(*syscall.Stat_t); ok {
		m.inode = s.Ino
	}
	return m
}

func readKeys(path string) (text []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("sshd: read who may come in: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	i, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("sshd: read who may come in: %w", err)
	}
	if i.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("sshd: others may write %s (mode %04o), and so let themselves in: chmod go-w it", path, i.Mode().Perm())
	}
	text, err = io.ReadAll(io.LimitReader(f, keyFileMax+1))
	if err != nil {
		return nil, fmt.Errorf("sshd: read who may come in: %w", err)
	}
	if len(text) > keyFileMax {
		return nil, fmt.Errorf("sshd: %s has more than %d bytes", path, keyFileMax)
	}
	return text, nil
}

// current is what the file says. err is why nobody new may come in.
func (f *keyFile) current() (*keys, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keys, f.wrong
}
