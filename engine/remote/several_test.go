package remote

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// tripper is an agent at the other end.
type tripper func(*http.Request) (*http.Response, error)

func (t tripper) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// answers is an agent that is called name and takes its time.
func answers(name string, after time.Duration) tripper {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(after):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		body := io.NopCloser(strings.NewReader(`{"id":"r1","through":"` + name + `"}`))
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{versionHeader: {Version}}, Body: body}, nil
	}
}

// hangs is an agent whose kernel takes connections and whose process says nothing.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// refuses is an agent that is not there.
func refuses(*http.Request) (*http.Response, error) {
	return nil, &dialError{errors.New("connection refused")}
}

func several(t *testing.T, all ...tripper) *Several {
	t.Helper()
	var agents []*Client
	for _, a := range all {
		agents = append(agents, &Client{http: &http.Client{Transport: a}, where: "there"})
	}
	s, err := NewSeveral(agents...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSeveralDoNotWaitForOne: an agent that is gone is passed over at once, one that
// hangs after a second, and the one that answered is asked first from then on.
func TestSeveralDoNotWaitForOne(t *testing.T) {
	for _, c := range []struct {
		name    string
		agents  []tripper
		through string
		after   time.Duration // of the first call
		again   time.Duration // of the second
	}{
		{"the first answers", []tripper{answers("a", 0), hangs}, "a", 0, 0},
		{"the first is gone", []tripper{refuses, answers("b", 0)}, "b", 0, 0},
		{"the first hangs", []tripper{hangs, answers("b", 0)}, "b", patience, 0},
		{"two hang", []tripper{hangs, hangs, answers("c", 0)}, "c", 2 * patience, 0},
		{"one hangs, one is gone", []tripper{hangs, refuses, answers("c", 0)}, "c", patience, 0},
		{"the first is slow, and answers before the next", []tripper{answers("a", patience+1), answers("b", patience)}, "a", patience + 1, patience + 1},
		{"all are slow", []tripper{answers("a", 5*patience), answers("b", 3*patience)}, "b", 4 * patience, 3 * patience},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := several(t, c.agents...)
				for i, want := range []time.Duration{c.after, c.again} {
					began := time.Now()
					st, err := s.Status(t.Context())
					if err != nil || st.Through != c.through || time.Since(began) != want {
						t.Errorf("call %d: %+v, %v after %s; want %s after %s", i+1, st, err, time.Since(began), c.through, want)
					}
				}
			})
		})
	}
}

// TestSeveralSayWhatEachSaid: nobody answers; and an answer that no other agent would
// better ends it.
func TestSeveralSayWhatEachSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := several(t, refuses, refuses).Status(t.Context())
		if !errors.Is(err, api.ErrUnreachable) || !strings.HasPrefix(err.Error(), "none of 2 agents could be asked") {
			t.Errorf("%v", err)
		}
		broken := tripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusBadRequest, Status: "400 no", Header: http.Header{versionHeader: {Version}}, Body: http.NoBody}, nil
		})
		asked := false
		_, err = several(t, broken, func(r *http.Request) (*http.Response, error) { asked = true; return answers("b", 0)(r) }).Status(t.Context())
		if err == nil || asked {
			t.Errorf("%v; another was asked: %t", err, asked)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := several(t, hangs, hangs).Status(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

// TestSeveralGiveACommandOnce: it goes to the next agent when it was surely not sent,
// and never because one takes its time.
func TestSeveralGiveACommandOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := 0
		takes := func(after time.Duration, err error) tripper {
			return func(r *http.Request) (*http.Response, error) {
				given++
				if err != nil {
					return nil, err
				}
				return answers("x", after)(r)
			}
		}
		req := api.Request{Command: api.ClearFault{}}
		if _, err := several(t, refuses, takes(5*patience, nil)).Do(t.Context(), req); err != nil || given != 1 {
			t.Errorf("%v, given %d times", err, given)
		}
		given = 0
		if _, err := several(t, takes(0, io.ErrUnexpectedEOF), takes(0, nil)).Do(t.Context(), req); !errors.Is(err, api.ErrUnreachable) || given != 1 {
			t.Errorf("%v, given %d times", err, given)
		}
	})
}
