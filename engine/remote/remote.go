// Package remote is api.Client over a socket or mTLS, and its server.
//
// It is HTTP/1.1 with JSON: GET /v1/status, GET /v1/events, GET /v1/revisions, POST /v1/do, and GET
// /v1/watch, which sends one JSON object a line for as long as both ends live. An
// empty line is a heartbeat.
//
// Who may connect to the Unix socket is decided by its mode, and who has may do
// everything. Over mTLS guests come with a certificate; what they may is asked
// for every request and, of a watch, every heartbeat. This package knows neither
// keys nor certificates: connections are handed in, and so is the judgement.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Version of the protocol. A client and a server of different versions refuse
// each other by name.
const (
	Version       = "1"
	versionHeader = "Holdfast-Api"
)

// Times and bounds of a connection.
const (
	heartbeat  = 2 * time.Second
	silence    = 3 * heartbeat // after which the other end counts as gone
	requestMax = 4 << 20
	// requestWait is how long the body of a request may take: who is slower holds
	// up only itself, but not for ever.
	requestWait = 30 * time.Second
	answerMax   = 64 << 20
)

// Client is api.Client over a Unix socket or another kind of connection.
type Client struct {
	http  *http.Client
	where string // for people
}

// Dial returns a client of the fleet behind a Unix socket. It connects with the
// first call.
func Dial(path string) (*Client, error) {
	if path == "" {
		return nil, errors.New("remote: no socket is named")
	}
	var d net.Dialer
	return DialBy(path, func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "unix", path) }), nil
}

// Bounds of reaching an agent that may be gone: a far site answers within them.
const (
	dialWait   = 3 * time.Second
	answerWait = 10 * time.Second // until an answer begins
)

// DialBy returns a client over connections that dial makes. where names the
// other end in errors.
func DialBy(where string, dial func(ctx context.Context) (net.Conn, error)) *Client {
	return &Client{where: where, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialWait)
			defer cancel()
			conn, err := dial(ctx)
			if err != nil {
				return nil, &dialError{err}
			}
			return conn, nil
		},
		MaxIdleConns:          4,
		IdleConnTimeout:       time.Minute,
		ResponseHeaderTimeout: answerWait,
	}}}
}

// dialError says that nothing was sent.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

func (c *Client) call(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://holdfast"+path, body)
	if err != nil {
		return nil, fmt.Errorf("remote: %w", err)
	}
	req.Header.Set(versionHeader, Version)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %s: %w", api.ErrUnreachable, c.where, errors.Unwrap(err))
	}
	if v := resp.Header.Get(versionHeader); v != Version {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%w: this is %s, the fleet speaks %q", api.ErrVersion, Version, v)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	text = bytes.TrimSpace(text)
	_ = resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusServiceUnavailable:
		return nil, fmt.Errorf("%w: %s", api.ErrUnreachable, text)
	case http.StatusForbidden:
		return nil, fmt.Errorf("%w: %s: %s", api.ErrNotAdmitted, c.where, text)
	}
	return nil, fmt.Errorf("remote: %s: %s", resp.Status, text)
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var v T
	resp, err := c.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return v, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(resp.Body, answerMax)).Decode(&v); err != nil {
		return v, fmt.Errorf("%w: %w", api.ErrUnreachable, err)
	}
	return v, nil
}

// Status implements api.Client.
func (c *Client) Status(ctx context.Context) (*api.Status, error) {
	s, err := get[*api.Status](ctx, c, "/v1/status")
	if err == nil && s == nil {
		return nil, errEmpty
	}
	return s, err
}

// errEmpty is for an answer of null: JSON, and yet nothing.
var errEmpty = fmt.Errorf("%w: its answer is empty", api.ErrUnreachable)

// Events implements api.Client.
func (c *Client) Events(ctx context.Context, from api.Seq, most int) ([]api.Event, error) {
	q := url.Values{"from": {strconv.FormatUint(uint64(from), 10)}, "max": {strconv.Itoa(max(most, 0))}}
	all, err := get[[]api.Event](ctx, c, "/v1/events?"+q.Encode())
	if err == nil && all == nil {
		return nil, errEmpty
	}
	return all, err
}

// Revisions implements api.Client.
func (c *Client) Revisions(ctx context.Context, texts ...uint64) ([]api.Revision, error) {
	if _, err := api.WithTexts(nil, texts); err != nil {
		return nil, err
	}
	q := url.Values{}
	for _, rev := range texts {
		q.Add("text", strconv.FormatUint(rev, 10))
	}
	all, err := get[[]api.Revision](ctx, c, "/v1/revisions?"+q.Encode())
	if err == nil && all == nil {
		return nil, errEmpty
	}
	return all, err
}

// Do implements api.Client.
func (c *Client) Do(ctx context.Context, req api.Request) (api.Receipt, error) {
	b, err := json.Marshal(req)
	if err != nil {
		return api.Receipt{}, err
	}
	resp, err := c.call(ctx, http.MethodPost, "/v1/do", newReader(b))
	if err != nil {
		return api.Receipt{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	var r api.Receipt
	if err := json.NewDecoder(io.LimitReader(resp.Body, answerMax)).Decode(&r); err != nil {
		return api.Receipt{}, fmt.Errorf("%w: %w", api.ErrUnreachable, err)
	}
	if r.ID == "" {
		return api.Receipt{}, errEmpty
	}
	return r, nil
}

// Watch implements api.Client.
func (c *Client) Watch(ctx context.Context, from api.Seq) (<-chan api.Update, error) {
	ctx, cancel := context.WithCancel(ctx)
	resp, err := c.call(ctx, http.MethodGet, "/v1/watch?from="+strconv.FormatUint(uint64(from), 10), nil)
	if err != nil {
		cancel()
		return nil, err
	}
	out := make(chan api.Update)
	go func() {
		defer close(out)
		defer cancel()
		defer func() { _ = resp.Body.Close() }()
		// A server that says nothing for long is gone, whatever its socket says.
		dead := time.AfterFunc(silence, cancel)
		defer dead.Stop()
		lines := newLines(resp.Body, answerMax)
		for {
			line, err := lines.next()
			if err != nil {
				return
			}
			dead.Reset(silence)
			if len(line) == 0 {
				continue
			}
			var u api.Update
			if json.Unmarshal(line, &u) != nil || u.Status == nil {
				return
			}
			dead.Stop() // now it is our reader who is silent
			select {
			case out <- u:
			case <-ctx.Done():
				return
			}
			dead.Reset(silence)
		}
	}()
	return out, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
