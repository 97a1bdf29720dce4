package quorum

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
	"github.com/holdfast-edge/holdfast/engine/wire"
)

// What a host without a replica asks of one that has one. They travel: never
// renumber.
const (
	askDo    = 1 // carry out a command
	askRead  = 2 // answer a query from what is agreed on
	askWatch = 3 // what changed since a revision; waits until something has
)

// Bounds of requests between hosts.
const (
	// requestMax is the largest request: a command and what is around it.
	requestMax = replica.CommandSizeMax + 4<<10
	// responseMax is the largest answer: all facts there can be, for a watch.
	responseMax = facts.BytesMax + facts.KeysMax*64 + 1<<20
	// detailMax bounds what is said beside a reason.
	detailMax = 1 << 10
	// reasonMax bounds a reason's name.
	reasonMax = 64
	// patienceMax is how long one request may take.
	patienceMax = time.Minute
)

// request is one of them.
type request struct {
	number uint64
	kind   byte
	group  replica.GroupID
	within time.Duration
	body   []byte
}

var errRequest = errors.New("quorum: the bytes are no request or answer of this version")

func (r request) bytes() []byte {
	b := binary.AppendUvarint(nil, r.number)
	b = wire.AppendText(append(b, r.kind), string(r.group))
	b = binary.AppendUvarint(b, uint64(r.within.Milliseconds()))
	return append(b, r.body...)
}

func parseRequest(b []byte) (request, error) {
	f := wire.NewReader(b)
	r := request{number: f.Number(), kind: f.Byte(), group: replica.GroupID(f.Text(journal.GroupLengthMax))}
	r.within = time.Duration(min(f.Number(), uint64(patienceMax.Milliseconds()))) * time.Millisecond
	r.body = f.Left()
	if f.Err() != nil {
		return request{}, errRequest
	}
	return r, nil
}

// response is the answer to a request.
type response struct {
	number uint64
	answer replica.Answer
}

func (r response) bytes() []byte {
	b := binary.AppendUvarint(nil, r.number)
	b = wire.AppendText(b, string(r.answer.Reason))
	b = wire.AppendText(b, r.answer.Detail[:min(len(r.answer.Detail), detailMax)])
	b = wire.AppendText(b, r.answer.Leader)
	return append(b, r.answer.Result...)
}

func parseResponse(b []byte) (response, error) {
	f := wire.NewReader(b)
	r := response{number: f.Number()}
	r.answer.Reason = replica.Reason(f.Text(reasonMax))
	r.answer.Detail = f.Text(detailMax)
	r.answer.Leader = f.Text(id.NameLengthMax)
	r.answer.Result = f.Left()
	if f.Err() != nil || r.answer.Reason != "" && r.answer.Reason.Sentence() == "" {
		return response{}, errRequest
	}
	return r, nil
}

// look asks what changed since a revision.
type look struct {
	prefix string
	since  uint64
	whole  bool // tell everything
}

func (l look) bytes() []byte {
	return wire.AppendBool(binary.AppendUvarint(wire.AppendText(nil, l.prefix), l.since), l.whole)
}

func parseLook(b []byte) (look, error) {
	f := wire.NewReader(b)
	l := look{prefix: f.Text(facts.KeySizeMax), since: f.Number(), whole: f.Bool()}
	if f.Err() != nil {
		return look{}, errRequest
	}
	return l, nil
}

// appendAnswers encodes the answers that make up one look.
func appendAnswers(b []byte, all []facts.Answer) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, a := range all {
		b = wire.AppendText(b, a.Encode())
	}
	return b
}

func parseAnswers(b []byte) ([]facts.Answer, error) {
	f := wire.NewReader(b)
	var all []facts.Answer
	for range f.Count(facts.KeysMax) {
		a, err := facts.DecodeAnswer(f.Bytes())
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	if f.Err() != nil || len(f.Left()) > 0 || len(all) == 0 {
		return nil, errRequest
	}
	return all, nil
}
