package keeper

import (
	"bytes"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/system/cause"
)

const (
	// talkMax bounds a line of a process; what is longer is cut.
	talkMax = 4 << 10
	// talkWait is how long the pipe of a process that ended may stay open: it can
	// only be held by what the process itself started, which is nothing of ours.
	talkWait = time.Second
)

// talk hears what a process writes: the line that says it serves, and its last
// words.
type talk struct {
	ready func()

	mu     sync.Mutex
	serves bool
	line   []byte
	last   string
}

// Write implements io.Writer.
func (t *talk) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		part, after, whole := bytes.Cut(rest, []byte{'\n'})
		t.line = append(t.line, part[:min(len(part), talkMax-len(t.line))]...)
		rest = after
		if whole {
			t.said()
		}
	}
	return len(p), nil
}

// said takes a whole line. The caller holds the lock.
func (t *talk) said() {
	line := string(t.line)
	t.line = t.line[:0]
	switch {
	case line == Ready:
		t.serves = true
		t.ready()
	case strings.TrimSpace(line) != "":
		t.last = cause.Printable(line)
	}
}

// served reports whether the process ever said that it serves.
func (t *talk) served() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.serves
}

// lastWords is the last line of a process that ended, without the program's
// name, which is the same for all.
func (t *talk) lastWords() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.line) > 0 {
		t.said()
	}
	return strings.TrimPrefix(t.last, "holdfast: ")
}
