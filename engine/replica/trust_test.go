package replica

import (
	"math/rand/v2"
	"testing"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-edge/holdfast/engine/instant"
	"github.com/holdfast-edge/holdfast/engine/replica/journal"
)

// tape is a machine that remembers nothing.
type tape struct{}

func (tape) Apply(uint64, []byte) []byte { return nil }
func (tape) Query([]byte) []byte         { return nil }
func (tape) Snapshot() []byte            { return nil }
func (tape) Restore([]byte) error        { return nil }

// follower is one host of a group of three, whose leader is member 1 on h1.
type follower struct {
	t   *testing.T
	s   *Groups
	now instant.Instant
	out Effects
}

func newFollower(t *testing.T) *follower {
	f := &follower{t: t}
	f.s = New(Config{
		Host: "h2", Boot: 1, Rand: rand.New(rand.NewPCG(1, 1)), Machine: func(GroupID) Machine { return tape{} },
		Admit: func(_ GroupID, host string) bool { return host != "elsewhere" },
	}, 0, journal.Recover(nil))
	f.step(Create{Request: 1, Group: "g", Seats: []Seat{{Host: "h1"}, {Host: "h2"}, {Host: "h3"}}})
	f.hears("h1", message(1, 2, pb.MsgHeartbeat, 2))
	if g := f.group(); g.clock.term != 2 || g.clock.lead != 1 {
		t.Fatalf("it does not follow its leader: %+v", g.clock)
	}
	return f
}

func (f *follower) group() *group { return f.s.group("g") }

// step tells an event; what is to be written is.
func (f *follower) step(ev Event) {
	f.out.Reset()
	f.s.Step(f.now, ev, &f.out)
	sends := f.out.Sends
	for len(f.out.Writes) > 0 {
		op := f.out.Writes[0].Op
		f.out.Reset()
		f.s.Step(f.now, Wrote{Op: op}, &f.out)
		sends = append(sends, f.out.Sends...)
	}
	f.out.Sends = sends
}

func (f *follower) hears(from string, packets ...packet) {
	var sent frames
	sent.generation = 77
	for _, p := range packets {
		sent.add("h2", p)
	}
	var out Effects
	sent.flush(&out, true)
	for _, s := range out.Sends {
		f.step(Heard{From: from, Frame: s.Frame})
	}
}

// message is one of raft's, from one member to another.
func message(from, to uint64, kind pb.MessageType, term uint64) packet {
	m := &pb.Message{Type: kind.Enum(), From: new(from), To: new(to), Term: new(term)}
	body, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return packet{kind: packetRaft, group: "g", from: from, to: to, body: body}
}

// asked are the hosts that were asked who somebody is.
func (f *follower) asked() (hosts []string) {
	for _, s := range f.out.Sends {
		_, packets, err := parseFrame(s.Frame)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, p := range packets {
			if p.kind == packetWho {
				hosts = append(hosts, s.To)
			}
		}
	}
	return hosts
}

// A host of the fleet that is no member changes nothing, whatever it says.
func TestStrangersChangeNothing(t *testing.T) {
	invite := func(f *follower) packet {
		p := message(9, 8, pb.MsgHeartbeat, 50)
		p.invite = f.s.writer.tail.Generation
		return p
	}
	for _, c := range []struct {
		name string
		says func(f *follower) packet
	}{
		{"a heartbeat of a newer leader", func(*follower) packet { return message(9, 2, pb.MsgHeartbeat, 50) }},
		{"a vote for somebody new", func(*follower) packet { return message(9, 2, pb.MsgVote, 50) }},
		{"a member's name", func(*follower) packet { return message(1, 2, pb.MsgHeartbeat, 50) }},
		{"that it should lead", func(*follower) packet { return message(9, 2, pb.MsgTimeoutNow, 2) }},
		{"that it was removed", func(*follower) packet { return packet{kind: packetGone, group: "g", to: 2} }},
		{"an invitation as another member", invite},
		{"that it is a member", func(*follower) packet {
			return packet{kind: packetIs, group: "g", from: 9, to: 2, body: []byte("h9")}
		}},
		{"that a member is lost", func(*follower) packet { return packet{kind: packetLost, group: "g", from: 3} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFollower(t)
			before := f.s.Status().Groups[0].Member
			for range 20 {
				f.hears("h9", c.says(f), message(9, 2, pb.MsgHeartbeat, 50))
				f.now = f.now.Add(20 * time.Millisecond)
				f.hears("h1", message(1, 2, pb.MsgHeartbeat, 2))
			}
			g := f.group()
			if g == nil || g.member != before || g.clock.term != 2 || g.clock.lead != 1 || g.gone || len(g.routes) > 0 {
				t.Errorf("the group is now %+v", g)
			}
		})
	}
}

// A newer member than this one knows is listened to when a member that it knows
// vouches for it, and only from the host that was named.
func TestMembersVouchForNewerOnes(t *testing.T) {
	f := newFollower(t)
	f.hears("h9", message(9, 2, pb.MsgHeartbeat, 50))
	if got := f.asked(); len(got) != 2 || got[0] != "h1" || got[1] != "h3" {
		t.Fatalf("asked %v who member 9 is", got)
	}
	f.hears("h9", message(9, 2, pb.MsgHeartbeat, 50))
	if got := f.asked(); len(got) != 0 {
		t.Errorf("asked %v again at once", got)
	}
	f.hears("h3", packet{kind: packetIs, group: "g", from: 9, to: 2, body: []byte("h9")})
	f.hears("h8", message(9, 2, pb.MsgHeartbeat, 60))
	if f.group().clock.term != 2 {
		t.Fatal("another host spoke as member 9")
	}
	f.hears("h9", message(9, 2, pb.MsgHeartbeat, 50))
	if g := f.group(); g.clock.term != 50 || g.clock.lead != 9 {
		t.Errorf("it was vouched for, and is not followed: %+v", g.clock)
	}
}

// When everybody whom a member knew has left, nobody can vouch: after a while
// without a leader it believes a host that may be in the group.
func TestAloneBelieves(t *testing.T) {
	f := newFollower(t)
	f.now = f.now.Add((aloneAfter+1)*Near.Election + time.Millisecond)
	f.hears("elsewhere", message(9, 2, pb.MsgHeartbeat, 50))
	if f.group().clock.term >= 50 {
		t.Error("it believes a host that cannot be in the group")
	}
	f.hears("h9", message(9, 2, pb.MsgHeartbeat, 50))
	if g := f.group(); g.clock.term != 50 || g.clock.lead != 9 {
		t.Errorf("it stays alone: %+v", g.clock)
	}
}

// A member says who another one is, and nothing of one that it does not know.
func TestVouching(t *testing.T) {
	f := newFollower(t)
	f.hears("h9", packet{kind: packetWho, group: "g", from: 5, to: 3}, packet{kind: packetWho, group: "g", from: 5, to: 4})
	var got []packet
	for _, s := range f.out.Sends {
		_, packets, _ := parseFrame(s.Frame)
		for _, p := range packets {
			if p.kind == packetIs {
				got = append(got, p)
			}
		}
	}
	if len(got) != 1 || got[0].from != 3 || got[0].to != 5 || string(got[0].body) != "h3" {
		t.Errorf("it says %+v", got)
	}
}
