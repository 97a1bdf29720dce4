package remote

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// far is the other end of every call.
type far struct{ body io.ReadCloser }

func (f far) RoundTrip(r *http.Request) (*http.Response, error) {
	context.AfterFunc(r.Context(), func() { _ = f.body.Close() })
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{versionHeader: {Version}}, Body: f.body}, nil
}

// TestSilence tells a fleet that is silent from a reader that is slow: who was
// stopped for minutes, as with Ctrl-Z, goes on where it was.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, fleet := io.Pipe()
		c := &Client{http: &http.Client{Transport: far{body}}}
		updates, err := c.Watch(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := io.WriteString(fleet, `{"status":{"fleet":"x"}}`+"\n"); err != nil {
				t.Fatal(err)
			}
			<-time.After(10 * silence)
			if _, ok := <-updates; !ok {
				t.Fatal("a slow reader was cut off")
			}
		}
		began := time.Now()
		if _, ok := <-updates; ok || time.Since(began) != silence {
			t.Errorf("a fleet that said nothing for %s counts as there", time.Since(began))
		}
		_ = fleet.Close()
	})
}
