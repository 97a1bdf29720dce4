package quorum

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// answeringMax is how many requests of one connection are worked on at once; the
// next is read when one is answered.
const answeringMax = 256

// answering answers the requests of a host that has no replica.
func (q *Quorum) answering(conn *tls.Conn, peer identity.Peer) {
	ctx, cancel := context.WithCancel(q.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.NetConn().Close() })()
	var mu sync.Mutex // of writing
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	room := make(chan struct{}, answeringMax)
	r := bufio.NewReaderSize(conn, 4<<10)
	var looked time.Time
	for {
		b, err := readFrame(r, requestMax)
		if err != nil {
			return
		}
		req, err := parseRequest(b)
		if err != nil {
			q.o.Log.Warn("a request of another host makes no sense; the connection is closed", "host", peer.Host)
			return
		}
		if now := time.Now(); now.Sub(looked) > stillEach {
			looked = now
			if q.o.Holder.Trust().Still(peer) != nil {
				return
			}
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		all.Go(func() {
			defer func() { <-room }()
			one, done := context.WithTimeout(ctx, req.within)
			defer done()
			a := response{req.number, q.serveRequest(one, req)}.bytes()
			mu.Lock()
			defer mu.Unlock()
			_ = conn.SetWriteDeadline(time.Now().Add(helloWait))
			if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(a))), a...)); err != nil {
				cancel()
			}
		})
	}
}

// serveRequest answers one request from this host's replica; it is not handed on.
func (q *Quorum) serveRequest(ctx context.Context, r request) replica.Answer {
	switch r.kind {
	case askDo:
		return q.propose(ctx, r.group, r.body)
	case askRead:
		return q.read(ctx, r.group, r.body)
	case askWatch:
		l, err := parseLook(r.body)
		if err != nil {
			return replica.Answer{Reason: replica.ReasonRefused}
		}
		answers, ok := q.seen(ctx, r.group, l)
		if !ok {
			return replica.Answer{Reason: replica.ReasonNoGroup, Leader: q.machine.leader(r.group)}
		}
		return replica.Answer{Result: appendAnswers(nil, answers)}
	}
	return replica.Answer{Reason: replica.ReasonRefused}
}

func (q *Quorum) propose(ctx context.Context, group replica.GroupID, command []byte) replica.Answer {
	return q.asked(ctx, func(request uint64) replica.Event {
		return replica.Propose{Request: request, Group: group, Command: command, For: left(ctx)}
	})
}

func (q *Quorum) read(ctx context.Context, group replica.GroupID, query []byte) replica.Answer {
	return q.asked(ctx, func(request uint64) replica.Event {
		return replica.Read{Request: request, Group: group, Query: query, For: left(ctx)}
	})
}

// asked is ask, where who asks sees only answers.
func (q *Quorum) asked(ctx context.Context, of func(request uint64) replica.Event) replica.Answer {
	a, err := q.ask(ctx, of)
	if err != nil {
		return replica.Answer{Reason: replica.ReasonBusy, Detail: err.Error()} // it was not even begun
	}
	return a
}
