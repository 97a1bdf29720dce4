package remote

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }

// lines reads lines of up to most bytes.
type lines struct {
	r    *bufio.Reader
	most int
}

var errLine = errors.New("remote: a line is too long")

func newLines(r io.Reader, most int) *lines { return &lines{bufio.NewReaderSize(r, 64<<10), most} }

func (l *lines) next() ([]byte, error) {
	var line []byte
	for {
		part, err := l.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > l.most:
			return nil, errLine
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}
