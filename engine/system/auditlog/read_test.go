package auditlog_test

import (
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/system/auditlog"
)

// TestReadOverAConnection: what a host has comes as it is; a no is one, and a log that
// ends in the middle is not taken for a whole one.
func TestReadOverAConnection(t *testing.T) {
	dir := t.TempDir()
	l, err := auditlog.Open(auditlog.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		if _, err := l.Append(audit.Entry{Kind: audit.KindLook, Name: "mika"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var want []string
	if err := auditlog.Each(dir, func(line []byte) error { want = append(want, string(line)); return nil }); err != nil {
		t.Fatal(err)
	}
	read := func(serve func(net.Conn)) (got []string, err error) {
		here, there := net.Pipe()
		go func() {
			serve(there)
			_ = there.Close()
		}()
		err = auditlog.Read(t.Context(), here, func(line []byte) error { got = append(got, string(line)); return nil })
		_ = here.Close()
		return got, err
	}
	got, err := read(func(c net.Conn) {
		if err := auditlog.Serve(t.Context(), c, dir); err != nil {
			t.Error(err)
		}
	})
	if err != nil || len(want) < 300 || !slices.Equal(got, want) {
		t.Errorf("%d of %d lines came, %v", len(got), len(want), err)
	}
	got, err = read(func(c net.Conn) { _ = auditlog.Refuse(c, "your role does not allow it") })
	var no *auditlog.RefusedError
	if !errors.As(err, &no) || no.Why != "your role does not allow it" || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if _, err = read(func(c net.Conn) { _, _ = c.Write([]byte(want[0])) }); err == nil {
		t.Error("half a log is taken for a whole one")
	}
}
