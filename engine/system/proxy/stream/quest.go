package stream

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/proxyproto"
)

// errNoPool means that the table has no such pool: the listener's spec is newer
// or older than it.
var errNoPool = errors.New("stream: the listener's pool is not in the table")

// quest is the search of one flow for a backend that takes it.
type quest struct {
	server *Server
	pool   string
	source netip.Addr
	tried  []string
}

func (s *Server) newQuest(pool string, source netip.Addr) quest {
	return quest{server: s, pool: pool, source: source}
}

// place gets a place by the table of this moment: what was learnt since the
// attempt before counts. With atOnce it is flow.ErrFull where it would have to
// wait.
func (q *quest) place(ctx context.Context, atOnce bool) (*flow.Place, error) {
	snap := q.server.front.Flows.Now()
	pool := snap.Pool(q.pool)
	if pool < 0 {
		return nil, errNoPool
	}
	place, err := q.server.front.Flows.Acquire(ctx, snap, flow.Ask{Pool: pool, Source: q.source, Tried: q.tried, AtOnce: atOnce})
	if err == nil {
		place.Meter.Request()
	}
	return place, err
}

// reached counts that the place's backend took the connection.
func (q *quest) reached(p *flow.Place, took time.Duration) {
	p.Answered(took)
	q.server.front.Meter.Latency(took)
}

// missed gives back a place whose backend could not be reached, and reports
// whether another one is to be tried.
func (q *quest) missed(p *flow.Place, err error) bool {
	p.Done(flow.Blame(err))
	q.tried = append(q.tried, p.Name)
	if flow.Local(err) || len(q.tried) > *p.Pool.Retry.Attempts {
		return false
	}
	p.Meter.Retry()
	q.server.front.Meter.Retry()
	return true
}

// origin is where a flow comes from and where it went to, as its PROXY header
// says it where there is one.
type origin struct{ from, to netip.AddrPort }

// preamble is the PROXY header for a backend.
func preamble(v spec.ProxyProtocol, o origin) []byte {
	h := proxyproto.Header{Source: o.from, Destination: o.to}
	switch v {
	case spec.ProxyV1:
		return proxyproto.AppendV1(nil, h)
	case spec.ProxyV2:
		return proxyproto.AppendV2(nil, h)
	case spec.ProxyOff, spec.ProxyAny:
	}
	return nil
}
