package report_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/fleet"
	"github.com/holdfast-edge/holdfast/engine/host"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/member"
	"github.com/holdfast-edge/holdfast/engine/replica"
	"github.com/holdfast-edge/holdfast/engine/report"
)

var (
	numbers  = rapid.Uint64()
	commands = rapid.SampledFrom([]api.Command{
		api.SetWeights{Weights: []api.Weight{{Backend: "a", Weight: 5}, {Backend: "b"}}},
		api.Drain{Target: id.To(id.KindHost, "a"), For: time.Minute},
		api.Undrain{Target: id.To(id.KindBackend, "b")},
		api.Force{Backend: "a", Health: api.Down},
		api.Unforce{Backend: "a"},
	})
)

func seqs(t *rapid.T, label string) api.Seq { return api.Seq(numbers.Draw(t, label)) }

func drawFaultOrder(t *rapid.T) fleet.FaultOrder {
	return fleet.FaultOrder{
		ID: words.Draw(t, "id"), Kind: api.FaultKind(words.Draw(t, "kind")), Target: id.Ref{Kind: id.Kind(words.Draw(t, "on")), Name: words.Draw(t, "name")},
		Delay: spans.Draw(t, "delay"), Revert: rapid.Bool().Draw(t, "revert"), DeadMan: spans.Draw(t, "dead man"), By: words.Draw(t, "by"),
	}
}

func drawPong(t *rapid.T) report.Pong {
	return report.Pong{Echo: times.Draw(t, "echo"), Got: times.Draw(t, "got"), Sent: times.Draw(t, "sent"), Wall: walls.Draw(t, "wall"), Took: numbers.Draw(t, "took")}
}

// messages draw a message of each kind but reports, which differ from those before
// them.
var messages = []func(t *rapid.T) report.Message{
	func(t *rapid.T) report.Message {
		return report.Hello{
			Epoch: numbers.Draw(t, "epoch"), Ring: words.Draw(t, "ring"), Grew: words.Draw(t, "grew"), GrewAt: seqs(t, "at"),
			Life: numbers.Draw(t, "life"), Took: numbers.Draw(t, "took"), Sent: times.Draw(t, "sent"),
		}
	},
	func(t *rapid.T) report.Message {
		return report.Welcome{
			Version: words.Draw(t, "version"), Life: numbers.Draw(t, "life"), Epoch: numbers.Draw(t, "epoch"), Took: numbers.Draw(t, "took"), Copy: rapid.Bool().Draw(t, "copy"),
			Ring: words.Draw(t, "ring"), Last: seqs(t, "last"), Pong: drawPong(t),
		}
	},
	func(t *rapid.T) report.Message {
		return report.Ping{Sent: times.Draw(t, "sent"), Took: numbers.Draw(t, "took")}
	},
	func(t *rapid.T) report.Message { return drawPong(t) },
	func(t *rapid.T) report.Message {
		var n fleet.Noted
		for range rapid.IntRange(0, 4).Draw(t, "notes") {
			n.Notes = append(n.Notes, host.Note{At: times.Draw(t, "at"), Event: events.Draw(t, "event"), After: rapid.IntRange(0, 9).Draw(t, "after"), Follows: rapid.Bool().Draw(t, "follows")})
		}
		return report.Told{Number: numbers.Draw(t, "number"), Event: n}
	},
	func(t *rapid.T) report.Message {
		return report.Told{Number: numbers.Draw(t, "number"), Event: fleet.FaultDone{
			ID: words.Draw(t, "id"), Revert: rapid.Bool().Draw(t, "revert"), At: times.Draw(t, "at"), Err: words.Draw(t, "err"),
		}}
	},
	func(t *rapid.T) report.Message {
		return report.Told{Number: numbers.Draw(t, "number"), Event: fleet.Process{
			Backend: words.Draw(t, "backend"), PID: rapid.IntRange(0, 1<<22).Draw(t, "pid"), Running: rapid.Bool().Draw(t, "running"),
			Reason: words.Draw(t, "reason"), Taken: rapid.Bool().Draw(t, "taken"),
		}}
	},
	func(t *rapid.T) report.Message {
		return report.Told{Event: fleet.Adopt{Order: drawFaultOrder(t), By: words.Draw(t, "by"), Since: times.Draw(t, "since")}}
	},
	func(t *rapid.T) report.Message {
		return report.Order{Number: numbers.Draw(t, "number"), Do: report.SetSpec{Keep: fleet.Keep{
			Rev: numbers.Draw(t, "rev"), Name: words.Draw(t, "name"), Text: rapid.StringN(0, 300, 600).Draw(t, "text"), Dir: words.Draw(t, "dir"),
			By: words.Draw(t, "by"), Why: words.Draw(t, "why"), At: walls.Draw(t, "at"),
		}, Cause: seqs(t, "cause")}}
	},
	func(t *rapid.T) report.Message {
		return report.Order{Number: numbers.Draw(t, "number"), Do: report.Obey{Order: host.Order{
			Command: commands.Draw(t, "command"), Cause: seqs(t, "cause"), By: words.Draw(t, "by"), Receipt: words.Draw(t, "receipt"),
		}}}
	},
	func(t *rapid.T) report.Message {
		return report.Order{Number: numbers.Draw(t, "number"), Do: report.Fault{FaultOrder: drawFaultOrder(t)}}
	},
	func(t *rapid.T) report.Message {
		m := report.Events{Ring: words.Draw(t, "ring"), After: seqs(t, "after")}
		for range rapid.IntRange(0, 4).Draw(t, "events") {
			m.Events = append(m.Events, events.Draw(t, "event"))
		}
		return m
	},
	func(t *rapid.T) report.Message {
		m := report.Share{Key: words.Draw(t, "key"), Value: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value")}
		if len(m.Value) == 0 {
			m.Value = nil
		}
		return m
	},
	func(t *rapid.T) report.Message {
		var m report.Links
		s := &m.Status
		s.Self = member.Host{Name: words.Draw(t, "self"), Site: words.Draw(t, "site")}
		s.Gateway, s.Isolation = rapid.Bool().Draw(t, "gateway"), member.Isolation(words.Draw(t, "isolation"))
		for range rapid.IntRange(0, 4).Draw(t, "sites") {
			s.Sites = append(s.Sites, member.SiteStatus{
				Site: words.Draw(t, "site"), State: member.State(words.Draw(t, "state")), Reason: member.Reason(words.Draw(t, "reason")), Via: words.Draw(t, "via"),
			})
		}
		return m
	},
	func(t *rapid.T) report.Message {
		var m report.Replicas
		s := &m.Status
		s.Generation, s.Segments, s.Mute = numbers.Draw(t, "generation"), numbers.Draw(t, "segments"), replica.Reason(words.Draw(t, "mute"))
		for range rapid.IntRange(0, 3).Draw(t, "groups") {
			g := replica.GroupStatus{
				Group: replica.GroupID(words.Draw(t, "group")), Member: numbers.Draw(t, "member"), Leads: rapid.Bool().Draw(t, "leads"), Leader: words.Draw(t, "leader"),
				Term: numbers.Draw(t, "term"), Applied: numbers.Draw(t, "applied"), Last: numbers.Draw(t, "last"), Witness: rapid.Bool().Draw(t, "witness"),
				Reason: replica.Reason(words.Draw(t, "reason")), Detail: words.Draw(t, "detail"), Waiting: rapid.IntRange(0, 99).Draw(t, "waiting"), Joint: rapid.Bool().Draw(t, "joint"),
			}
			for range rapid.IntRange(0, 3).Draw(t, "members") {
				g.Members = append(g.Members, replica.MemberStatus{
					Member: replica.Member{
						ID: numbers.Draw(t, "id"), Host: words.Draw(t, "host"), Journal: numbers.Draw(t, "journal"),
						Role: replica.Role(rapid.Byte().Draw(t, "role")), Goal: replica.Role(rapid.Byte().Draw(t, "goal")), Witness: rapid.Bool().Draw(t, "votes only"),
					},
					Match: numbers.Draw(t, "match"), Active: rapid.Bool().Draw(t, "active"), Whole: rapid.Bool().Draw(t, "whole"),
				})
			}
			s.Groups = append(s.Groups, g)
		}
		return m
	},
	func(t *rapid.T) report.Message {
		return report.Refused{Number: numbers.Draw(t, "number"), Reason: api.Reason(words.Draw(t, "reason")), Detail: words.Draw(t, "detail")}
	},
}

// TestMessagesComeBack sends each kind of message.
func TestMessagesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p pipe
		for _, draw := range messages {
			m := draw(t)
			for range 2 { // what is said twice may be left out the second time
				if got, _ := p.send(t, m, nil, 0); !same(got, m) {
					t.Fatalf("sent %+v, and %+v arrived", m, got)
				}
			}
		}
	})
}
