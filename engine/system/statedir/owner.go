package statedir

import (
	"fmt"
	"os"
	"path/filepath"
)

// Of returns the state directory that another process owns, as far as this user
// may see: a fleet has its lock open, beside its socket. The hosts of a local fleet
// have directories of their own in the fleet's, which is the one that people know.
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
		in := filepath.Dir(to)
		if i, err := os.Stat(Socket(in)); err == nil && i.Mode()&os.ModeSocket != 0 && (dir == "" || len(in) < len(dir)) {
			dir = in
		}
	}
	return dir, dir != ""
}
