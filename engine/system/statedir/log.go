package statedir

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// logMax bounds the log; the file before it is kept as well.
const logMax = 8 << 20

// Log is a file that begins anew when it is full.
type Log struct {
	mu   sync.Mutex
	path string
	f    *os.File
	size int64
}

// Log opens the directory's log.
func (d *Dir) Log() (*Log, error) {
	l := &Log{path: filepath.Join(d.Path, "holdfast.log")}
	return l, l.open(os.O_APPEND)
}

func (l *Log) open(flag int) error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|flag, 0o600)
	if err != nil {
		return fmt.Errorf("%w", err)
	}
	l.f, l.size = f, 0
	if i, err := f.Stat(); err == nil {
		l.size = i.Size()
	}
	return nil
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(p)) > logMax {
		_ = l.f.Close()
		_ = os.Rename(l.path, l.path+".1")
		if err := l.open(os.O_TRUNC); err != nil {
			return 0, err
		}
	}
	n, err := l.f.Write(p)
	l.size += int64(n)
	return n, err
}

// Close closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
