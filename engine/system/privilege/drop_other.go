//go:build !linux

package privilege

import (
	"errors"
	"os"
)

// Root reports whether this process is root's.
func Root() bool { return os.Geteuid() == 0 }

// Become is for Linux.
func Become(string, ...string) error {
	return errors.New("an agent becomes another user on Linux only; start it as that user")
}
