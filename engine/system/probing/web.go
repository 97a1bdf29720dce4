package probing

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/probe"
	"github.com/holdfast-edge/holdfast/engine/spec"
)

// Bounds on an answer.
const (
	headMax = 64 << 10
	bodyMax = 64 << 10 // as much as a body is searched for its text
	// interimMax bounds the 1xx answers before the real one (RFC 9110 section
	// 15.2).
	interimMax = 8
)

// web carries out an HTTP or HTTPS probe. The request is written by hand and
// the connection is used once: a transport with its pool would cost three times
// as much and find out less.
func (r *Runner) web(ctx context.Context, l probe.Launch) (warning string, err error) {
	c, end, err := dial(ctx, "tcp", l.Address)
	if err != nil {
		return "", err
	}
	reset(c)
	defer end()
	h := l.Probe.HTTP
	name := h.Host
	if name == "" {
		name = l.Address
	}
	if l.Probe.Kind == spec.ProbeHTTPS {
		if c, warning, err = r.handshake(ctx, c, l, name); err != nil {
			return "", err
		}
	}
	if _, err := c.Write(request(h, name)); err != nil {
		return "", unsent("no answer", err)
	}
	return warning, answer(c, h)
}

// request is the whole request of a probe.
func request(h *spec.HTTPCheck, host string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", h.Method, h.Path, host)
	named := false
	for _, k := range slices.Sorted(maps.Keys(h.Headers)) {
		named = named || strings.EqualFold(k, "User-Agent")
		fmt.Fprintf(&b, "%s: %s\r\n", k, h.Headers[k])
	}
	if !named {
		b.WriteString("User-Agent: holdfast-probe\r\n")
	}
	if h.Method == http.MethodPost {
		b.WriteString("Content-Length: 0\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// answer reads an answer and judges it.
func answer(c io.Reader, h *spec.HTTPCheck) error {
	source := &noting{Reader: c}
	bounded := &io.LimitedReader{R: source, N: headMax}
	r := bufio.NewReaderSize(bounded, 4096)
	resp, err := final(r, h.Method)
	if err != nil && source.err != nil {
		err = source.err // half an answer is not malformed, it is cut short
	}
	switch {
	case err != nil && bounded.N <= 0:
		return fmt.Errorf("the head of its answer is longer than %d KiB", headMax>>10)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("connection closed without an answer")
	case err != nil:
		return lacking("no answer", err)
	}
	if err := statusError(resp.StatusCode, h.Status); err != nil {
		return err
	}
	if h.Body == "" {
		return nil
	}
	bounded.N += 2 * bodyMax // with room for how chunks are framed
	return contains(resp.Body, h.Body)
}

// noting remembers why a connection gave no more: http.ReadResponse calls what
// it had by then malformed.
type noting struct {
	io.Reader
	err error
}

func (n *noting) Read(b []byte) (int, error) {
	count, err := n.Reader.Read(b)
	n.err = err
	return count, err
}

// final reads the answer after the interim ones.
func final(r *bufio.Reader, method string) (*http.Response, error) {
	for range interimMax {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
	return nil, fmt.Errorf("%d interim answers and no real one", interimMax)
}

// contains looks for a text in the beginning of a body, and stops as soon as it
// is there: a body may have no end.
func contains(body io.Reader, text string) error {
	var seen []byte
	buf := make([]byte, 4096)
	for len(seen) < bodyMax {
		n, err := body.Read(buf[:min(len(buf), bodyMax-len(seen))])
		from := max(len(seen)-len(text)+1, 0)
		seen = append(seen, buf[:n]...)
		if bytes.Contains(seen[from:], []byte(text)) {
			return nil
		}
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%.40q is not in its body of %d bytes", text, len(seen))
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("its body broke off after %d bytes without %.40q", len(seen), text)
		case err != nil:
			return lacking(fmt.Sprintf("no %.40q in %d bytes of the body", text, len(seen)), err)
		}
	}
	return fmt.Errorf("%.40q is not in the first %d KiB of its body", text, bodyMax>>10)
}

func expected(status int, ranges []string) bool {
	for _, r := range ranges {
		if first, last, err := spec.StatusRange(r); err == nil && status >= first && status <= last {
			return true
		}
	}
	return false
}
