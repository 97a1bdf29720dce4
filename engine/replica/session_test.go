package replica

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// Whatever order commands of an origin come in, within the window each is carried
// out once, and beyond it never.
func TestSessionsCarryOutOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s sessions
		done := map[uint64]bool{}
		top := uint64(0)
		for i := range rapid.IntRange(1, 120).Draw(t, "commands") {
			low := uint64(1)
			if top > sessionWindow+50 {
				low = top - sessionWindow - 50
			}
			seq := rapid.Uint64Range(low, top+rapid.SampledFrom([]uint64{1, 3, 200, 1500}).Draw(t, "ahead")).Draw(t, "seq")
			got := s.take(7, seq, uint64(i))
			switch {
			case top >= sessionWindow && seq <= top-sessionWindow:
				if got != old {
					t.Fatalf("%d is %d below %d", seq, got, top)
				}
				continue
			case done[seq]:
				if got != doneIt {
					t.Fatalf("%d is carried out twice", seq)
				}
			default:
				if got != fresh {
					t.Fatalf("%d is not carried out: %d", seq, got)
				}
			}
			done[seq] = true
			top = max(top, seq)
			if !s.has(7, seq) || s.has(8, seq) {
				t.Fatal("has says otherwise")
			}
		}
		r := fieldsOf(s.append(nil))
		if again := r.sessions(); r.Err() != nil || !reflect.DeepEqual(again, s) {
			t.Fatal("sessions do not come back from their bytes")
		}
	})
}

// The origin unused longest is forgotten first.
func TestSessionsAreBounded(t *testing.T) {
	var s sessions
	for i := range uint64(sessionsMax + 10) {
		s.take(1000-i, 1, i+1)
		s.take(5000, i+1, i+1) // always in use
	}
	if len(s.all) != sessionsMax || !s.has(5000, sessionsMax+10) || s.has(1000, 1) || !s.has(1000-sessionsMax-9, 1) {
		t.Errorf("%d sessions", len(s.all))
	}
}

func TestImagesComeBack(t *testing.T) {
	i := image{members: members{next: 4, all: []Member{
		{ID: 1, Host: "h1", Role: Voter, Goal: Voter}, {ID: 2, Host: "h2", Journal: 9, Role: Learner, Goal: Voter, Witness: true}, {ID: 3, Host: "h3", Role: Leaving, Goal: None},
	}}, machine: []byte("m")}
	i.sessions.take(1, 2, 3)
	got, err := parseImage(i.append(nil))
	if err != nil || !reflect.DeepEqual(got, i) {
		t.Errorf("%v, %+v", err, got)
	}
}
