package statedir

import (
	"fmt"
	"os"
	"path/filepath"
)

// Of returns the state directory that another process owns, as far as this user
// may see: a fleet has its lock open, beside its socket.
func Of(pid int) (dir string, ok bool) {
	if pid <= 1 || pid == os.Getpid() {
		return "", false
	}
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, link := range links {
		to, err := os.Readlink(link)
		if err != nil || filepath.Base(to) != lockName {
			continue
		}
		if i, err := os.Stat(Socket(filepath.Dir(to))); err == nil && i.Mode()&os.ModeSocket != 0 {
			return filepath.Dir(to), true
		}
	}
	return "", false
}
