//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Disk is a small file system of its own, so that it can be full.
type Disk struct{ Dir string }

// Disk mounts a file system of so many bytes, in memory, below the network's
// directory. It goes with the run.
func (n *Network) Disk(name string, size int) (*Disk, error) {
	d := &Disk{filepath.Join(n.Dir, name)}
	if err := os.Mkdir(d.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if err := syscall.Mount("holdfast-lab", d.Dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", size)); err != nil {
		return nil, fmt.Errorf("lab: mount %s: %w", d.Dir, err)
	}
	return d, nil
}

// ballast is the file that takes all the room.
const ballast = ".ballast"

// Fill takes all the room that is left, to the last byte.
func (d *Disk) Fill() error {
	f, err := os.OpenFile(filepath.Join(d.Dir, ballast), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			return fmt.Errorf("lab: %w", err)
		}
	}
	return nil
}

// Free gives the room back.
func (d *Disk) Free() error {
	if err := os.Remove(filepath.Join(d.Dir, ballast)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

// unmount ends the disks below a directory.
func unmount(root string) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	var errs error
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "holdfast-lab" && (fields[1] == root || strings.HasPrefix(fields[1], root+"/")) {
			// Also while somebody has a file there: the namespaces of processes go later.
			errs = errors.Join(errs, syscall.Unmount(fields[1], syscall.MNT_DETACH))
		}
	}
	return errs
}
