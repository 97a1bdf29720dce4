package web

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/h1"
)

func itoa(n int) string { return strconv.Itoa(n) }

func (t *try) status() int {
	if t.resp != nil {
		return t.resp.StatusCode
	}
	return t.call.Answer.Status
}

// fields returns the answer's.
func (t *try) fields() []h1.Field {
	if t.resp == nil {
		return t.call.Answer.Fields
	}
	return appendFields(nil, t.resp.Header)
}

// interim passes on an answer before the answer, such as 103 with its hints.
func (t *try) interim(head *h1.Head) {
	header := t.x.w.Header()
	t.x.copyFields(header, head.Fields, head.Status)
	t.x.w.WriteHeader(head.Status)
	clear(header)
}

// copyFields takes over what concerns the client of an answer's fields.
func (x *exchange) copyFields(header http.Header, fields []h1.Field, status int) {
	var connection []string
	for _, f := range fields {
		if f.Name == "Connection" {
			connection = append(connection, f.Value)
		}
	}
	values := make([]string, 0, len(fields)) // one piece of memory for them all
	for _, f := range fields {
		if hopByHop(f.Name, connection) || f.Name == "Content-Length" && status == http.StatusNoContent {
			continue
		}
		if said := header[f.Name]; len(said) > 0 {
			header[f.Name] = append(said, f.Value)
			continue
		}
		values = append(values, f.Value)
		header[f.Name] = values[len(values)-1 : len(values) : len(values)]
	}
}

// answer sends the backend's answer to the client.
func (t *try) answer() error {
	x := t.x
	header := x.w.Header()
	fields := t.fields()
	x.copyFields(header, fields, t.status())
	if _, ok := header["Content-Type"]; !ok {
		header["Content-Type"] = nil // the server would guess one
	}
	x.stick(t.place, header)
	trailers := t.announce(header, fields)
	if x.body != nil && !x.body.ended.Load() && x.r.ProtoMajor == 1 {
		header.Set("Connection", "close") // an early answer; the rest of the body is not waited for
	}
	if t.status() >= 500 {
		x.server.front.Meter.Error()
	}
	x.w.WriteHeader(t.status())
	n, err := t.copy()
	x.server.front.Meter.Out(n)
	t.place.Meter.Out(n)
	if err != nil {
		return err
	}
	if t.resp != nil {
		fields = appendFields(nil, t.resp.Trailer)
	} else {
		fields = t.call.Trailers()
	}
	for _, f := range fields {
		switch {
		case !mayTrail(f.Name):
		case slices.Contains(trailers, f.Name):
			header.Add(f.Name, f.Value)
		default:
			header.Add(http.TrailerPrefix+f.Name, f.Value)
		}
	}
	return nil
}

// announce passes on which trailers will come. One that is in the head as well
// is left to the head.
func (t *try) announce(header http.Header, fields []h1.Field) (all []string) {
	name := func(name string) {
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		if _, said := header[name]; !said && !slices.Contains(all, name) && mayTrail(name) {
			all = append(all, name)
		}
	}
	for _, f := range fields {
		if f.Name == "Trailer" {
			for one := range strings.SplitSeq(f.Value, ",") {
				name(one)
			}
		}
	}
	if t.resp != nil {
		for k := range t.resp.Trailer {
			name(k)
		}
	}
	slices.Sort(all)
	if len(all) > 0 {
		header["Trailer"] = []string{strings.Join(all, ", ")}
	}
	return all
}

// writeError marks a failure of the client's end.
type writeError struct{ error }

const (
	copySize = 32 << 10
	// longBody is from where on the kernel moves the bytes, if it can.
	longBody = 64 << 10
)

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// copy sends the body.
func (t *try) copy() (int64, error) {
	if t.resp != nil {
		if t.x.r.Method == http.MethodHead || t.resp.ContentLength == 0 || t.resp.Body == http.NoBody {
			return 0, nil
		}
		return t.stream(t.resp.Body, t.resp.ContentLength < 0)
	}
	c := &t.call
	if b, ok := c.Whole(); ok {
		if len(b) == 0 {
			return 0, nil
		}
		n, err := t.x.w.Write(b)
		if err != nil {
			return int64(n), writeError{err}
		}
		return int64(n), nil
	}
	if c.Size() > longBody && t.x.client.conn != nil && !t.place.Pool.Upstream.TLS {
		if rf, ok := t.x.w.(io.ReaderFrom); ok {
			if early, from, n, ok := c.Rest(); ok {
				return t.splice(rf, early, from, n)
			}
		}
	}
	if c.Silent() {
		// It may be a stream of events, the first of which comes when it comes: the
		// client shall know that it was heard.
		if err := http.NewResponseController(t.x.w).Flush(); err != nil {
			return 0, writeError{err}
		}
	}
	return t.stream(c, true)
}

// stream copies a body. A live one is flushed whenever nothing more of it is
// there.
func (t *try) stream(from io.Reader, live bool) (int64, error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	control := http.NewResponseController(t.x.w)
	var total int64
	for {
		n, err := from.Read(buf[:])
		if n > 0 {
			if _, err := t.x.w.Write(buf[:n]); err != nil {
				return total, writeError{err}
			}
			total += int64(n)
			if live && (t.resp != nil || t.call.Waits()) {
				if err := control.Flush(); err != nil {
					return total, writeError{err}
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// splice lets the kernel move a long body from one connection to the other.
func (t *try) splice(rf io.ReaderFrom, early []byte, from io.Reader, left int64) (int64, error) {
	k, err := t.x.w.Write(early)
	if err != nil {
		return int64(k), writeError{err}
	}
	// Or the server would hold it all back until more has come.
	if err := http.NewResponseController(t.x.w).Flush(); err != nil {
		return int64(k), writeError{err}
	}
	n, err := rf.ReadFrom(&io.LimitedReader{R: from, N: left})
	total := int64(k) + n
	whole := t.call.Moved(n)
	switch {
	case err != nil && t.x.client.conn.dead(err):
		return total, writeError{err}
	case err != nil:
		if cause := t.cause(); cause != nil {
			err = cause
		}
		return total, err
	case !whole:
		return total, io.ErrUnexpectedEOF
	}
	return total, nil
}
