package journal

import (
	"os"

	"golang.org/x/sys/unix"
)

// flush makes what was written durable. The file has its full length already, so
// its times are all that fdatasync leaves out.
func flush(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
