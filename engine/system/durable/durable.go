// Package durable replaces files so that a crash, or a power cut, leaves the old
// one or the new one whole, and never half of it.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace makes a file hold text and nothing else, for its owner only. When it
// returns nil, the new one is on the disk, and so is its name; on an error the
// old one stands.
func Replace(path string, text []byte) error {
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".next-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(next.Name()) }() // in vain once it is renamed; half of a file takes room that may be short
	_, err = next.Write(text)
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err != nil {
		return err
	}
	if err := os.Rename(next.Name(), path); err != nil {
		return err
	}
	return FlushNames(filepath.Dir(path))
}

// FlushNames brings the names in a directory to the disk: those that were made,
// renamed and removed.
func FlushNames(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
