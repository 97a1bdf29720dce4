package stream

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// hello is what crypto/tls sends first, for a name.
func hello(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	a, b := net.Pipe()
	go func() {
		_ = a.SetDeadline(time.Now().Add(5 * time.Second))
		_ = tls.Client(a, c).Handshake()
	}()
	defer func() { _ = a.Close(); _ = b.Close() }()
	records, _, err := readHello(b)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// cut splits the one record of a hello into records of at most n bytes.
func cut(records []byte, n int) (all []byte) {
	for body := records[5:]; len(body) > 0; {
		k := min(n, len(body))
		all = append(append(all, 22, 3, 1, byte(k>>8), byte(k)), body[:k]...)
		body = body[k:]
	}
	return all
}

func TestNameOfAClientHello(t *testing.T) {
	for _, c := range []*tls.Config{
		{ServerName: "shop.example"},
		{ServerName: "shop.example", MaxVersion: tls.VersionTLS12},
		{ServerName: "shop.example", NextProtos: []string{"h2", strings.Repeat("x", 255)}},
		{InsecureSkipVerify: true}, // no name
	} {
		whole := hello(t, c)
		for _, size := range []int{len(whole), 100, 7, 1} {
			sent := cut(whole, size)
			rest := "and what comes behind it"
			r := io.MultiReader(bytes.NewReader(sent), strings.NewReader(rest))
			records, name, err := readHello(r)
			if err != nil || name != c.ServerName || !bytes.Equal(records, sent) {
				t.Errorf("records of %d bytes: name %q, %v, same bytes %v", size, name, err, bytes.Equal(records, sent))
			}
			if b, _ := io.ReadAll(r); string(b) != rest {
				t.Errorf("records of %d bytes: %d bytes too many were read", size, len(rest)-len(b))
			}
		}
	}
}

func TestWhatIsNoClientHello(t *testing.T) {
	whole := hello(t, &tls.Config{ServerName: "shop.example"})
	with := func(at int, b byte) []byte {
		x := bytes.Clone(whole)
		x[at] = b
		return x
	}
	for _, row := range []struct {
		name string
		sent []byte
		want error
	}{
		{"nothing", nil, io.EOF},
		{"half of one", whole[:len(whole)/2], io.ErrUnexpectedEOF},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), errNotTLS},
		{"an alert", with(0, 21), errNotTLS},
		{"a ServerHello", with(5, 2), errNotTLS},
		{"an empty record", []byte{22, 3, 1, 0, 0}, errNotTLS},
		{"a record too long", []byte{22, 3, 1, 0xff, 0xff}, errNotTLS},
		{"a message too long", []byte{22, 3, 1, 0, 4, 1, 1, 0, 0}, errNotTLS},
		{"records of one byte without end", bytes.Repeat([]byte{22, 3, 1, 0, 1, 1}, helloMax+1), errNotTLS},
		{"a session longer than the message", with(5+4+34, 255), errNotTLS},
	} {
		if _, _, err := readHello(bytes.NewReader(row.sent)); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

// FuzzReadHello: whatever comes, no more is read than a hello's bounds allow,
// what is kept is what was read, and a name is part of it.
func FuzzReadHello(f *testing.F) {
	whole := hello(f, &tls.Config{ServerName: "shop.example"})
	f.Add(whole)
	f.Add(cut(whole, 3))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		records, name, err := readHello(r)
		if err != nil {
			return
		}
		if read := len(b) - r.Len(); read != len(records) || !bytes.Equal(records, b[:read]) {
			t.Errorf("%d bytes were read and %d kept", read, len(records))
		}
		var message []byte
		for rest := records; len(rest) > 0; {
			n := 5 + (int(rest[3])<<8 | int(rest[4]))
			message = append(message, rest[5:n]...)
			rest = rest[n:]
		}
		if len(message) > helloMax+4 || !bytes.Contains(message, []byte(name)) {
			t.Errorf("%d bytes, name %q", len(message), name)
		}
	})
}
