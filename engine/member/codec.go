package member

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// codecVersion is the first byte of a report. A host of another version is not
// understood, and so not heard: gossip still shows it.
const codecVersion = 1

// The numbers of states and reasons as they are sent. A number is never used for
// another meaning.
var (
	stateNumbers  = []State{"", StateAlive, StateSuspected, StateCut, StateStopped, StateDead}
	reasonNumbers = []Reason{
		"", ReasonHeard, ReasonSiteSays, ReasonNotYet, ReasonSilent, ReasonNobodyHears, ReasonOthersHear, ReasonOneWay, ReasonOnlyGossip,
		ReasonGoodbye, ReasonRefused, ReasonFlapping, ReasonSiteSilent, ReasonSiteCut, ReasonSiteUnknown, ReasonThisIsCutOff, ReasonHangs,
	}
)

// ReportSizeMax is more than the largest report takes.
const ReportSizeMax = 4*(1+id.NameLengthMax) + 32 + HostsMax*(1+id.NameLengthMax+8+1+1+4)

// Append appends the report as it is sent.
func (r Report) Append(b []byte) []byte {
	b = append(b, codecVersion)
	b = appendName(b, r.From)
	b = binary.BigEndian.AppendUint64(b, r.Life)
	leaving := byte(0)
	if r.Leaving {
		leaving = 1
	}
	b = append(b, leaving)
	b = appendName(b, r.View.By)
	b = appendName(b, r.View.Site)
	b = appendName(b, r.View.Via)
	b = binary.BigEndian.AppendUint64(b, r.View.Life)
	b = binary.BigEndian.AppendUint64(b, r.View.Number)
	b = appendAge(b, r.View.Age)
	b = append(b, byte(r.View.Hops), byte(len(r.View.Hosts)))
	for i := range r.View.Hosts {
		s := &r.View.Hosts[i]
		b = appendName(b, s.Host)
		b = binary.BigEndian.AppendUint64(b, s.Life)
		b = append(b, byte(max(slices.Index(stateNumbers, s.State), 0)), byte(max(slices.Index(reasonNumbers, s.Reason), 0)))
		b = appendAge(b, s.Heard)
	}
	return b
}

func appendName(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

// appendAge appends milliseconds; all ones are Never.
func appendAge(b []byte, d time.Duration) []byte {
	if d < 0 {
		return binary.BigEndian.AppendUint32(b, math.MaxUint32)
	}
	return binary.BigEndian.AppendUint32(b, uint32(min(d.Milliseconds(), math.MaxUint32-1)))
}

var errReport = errors.New("member: a report that cannot be read")

// ParseReport reads a report that Append made. It takes nothing for granted.
func ParseReport(b []byte) (Report, error) {
	if len(b) == 0 || len(b) > ReportSizeMax {
		return Report{}, errReport
	}
	if b[0] != codecVersion {
		return Report{}, fmt.Errorf("member: a report of version %d; this host reads %d", b[0], codecVersion)
	}
	d := decoder{b: b[1:]}
	var r Report
	r.From = d.name(false)
	r.Life = d.uint64()
	leaving := d.byte()
	r.Leaving = leaving == 1
	r.View.By, r.View.Site, r.View.Via = d.name(false), d.name(false), d.name(true)
	r.View.Life, r.View.Number = d.uint64(), d.uint64()
	r.View.Age = d.age()
	r.View.Hops = int(d.byte())
	n := int(d.byte())
	if d.bad || leaving > 1 || n > HostsMax || r.View.Age == Never || r.View.Hops > HopsMax {
		return Report{}, errReport
	}
	for range n {
		s := Sight{Host: d.name(false), Life: d.uint64()}
		state, reason := int(d.byte()), int(d.byte())
		s.Heard = d.age()
		if d.bad || state == 0 || state >= len(stateNumbers) || reason >= len(reasonNumbers) {
			return Report{}, errReport
		}
		s.State, s.Reason = stateNumbers[state], reasonNumbers[reason]
		r.View.Hosts = append(r.View.Hosts, s)
	}
	if d.bad || len(d.b) > 0 {
		return Report{}, errReport
	}
	return r, nil
}

// decoder takes a report apart; bad says that something was missing.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || len(d.b) < n {
		d.bad = true
		return make([]byte, n)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) byte() byte     { return d.take(1)[0] }
func (d *decoder) uint64() uint64 { return binary.BigEndian.Uint64(d.take(8)) }

func (d *decoder) name(empty bool) string {
	s := string(d.take(int(d.byte())))
	if s == "" && empty {
		return s
	}
	if id.CheckName(s) != nil {
		d.bad = true
	}
	return s
}

func (d *decoder) age() time.Duration {
	n := binary.BigEndian.Uint32(d.take(4))
	if n == math.MaxUint32 {
		return Never
	}
	return time.Duration(n) * time.Millisecond
}
