package load_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-edge/holdfast/sim/lab/bench/load"
)

// lossy acknowledges everything but what it refuses, and forgets what it is told to.
type lossy struct {
	mu      sync.Mutex
	facts   map[string][]byte
	refuses int // that many puts at first
	forgets bool
}

func (s *lossy) Connect(hosts []string) error {
	if len(hosts) == 0 {
		return errors.New("no hosts")
	}
	return nil
}

func (s *lossy) Put(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuses > 0 {
		s.refuses--
		return errors.New("not yet")
	}
	if !s.forgets {
		s.facts[key] = value
	}
	return nil
}

func (s *lossy) Get(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.facts[key], nil
}

func serve(t *testing.T, s load.Store, orders ...load.Order) []load.Report {
	t.Helper()
	var in, out bytes.Buffer
	for _, o := range orders {
		if err := json.NewEncoder(&in).Encode(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := load.Serve(&in, &out, s); err != nil {
		t.Fatal(err)
	}
	var all []load.Report
	for d := json.NewDecoder(&out); d.More(); {
		var r load.Report
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestOrders(t *testing.T) {
	s := &lossy{facts: map[string][]byte{}, refuses: 3}
	r := serve(t, s,
		load.Order{What: load.First, Hosts: []string{"h1"}, Size: 64},
		load.Order{What: load.Busy, Clients: 4, For: 20 * time.Millisecond, Size: 64},
		load.Order{What: load.Steady, Every: time.Millisecond, For: 20 * time.Millisecond, Size: 64},
		load.Order{What: load.Check},
		load.Order{What: "dance"},
	)
	if len(r) != 5 || r[4].Error == "" {
		t.Fatalf("%+v", r)
	}
	if r[0].Puts != 1 || len(r[0].Acks) != 1 {
		t.Errorf("first: %+v", r[0])
	}
	if r[1].Puts < 4 || r[1].Rate <= 0 || r[1].P99 < r[1].P50 {
		t.Errorf("busy: %+v", r[1])
	}
	if r[2].Puts == 0 || len(r[2].Acks) != r[2].Puts {
		t.Errorf("steady: %+v", r[2])
	}
	if r[3].Facts != len(s.facts) || r[3].Lost != 0 {
		t.Errorf("check: %+v of %d facts", r[3], len(s.facts))
	}
	for _, b := range s.facts {
		if len(b) != 64 {
			t.Fatalf("a value of %d bytes", len(b))
		}
	}
}

// A store that forgets what it acknowledged is found out.
func TestCheckFindsWhatIsLost(t *testing.T) {
	r := serve(t, &lossy{facts: map[string][]byte{}, forgets: true},
		load.Order{What: load.Busy, Hosts: []string{"h1"}, Clients: 2, For: 5 * time.Millisecond, Size: 8}, load.Order{What: load.Check})
	if r[1].Lost == 0 || r[1].Lost != r[1].Facts {
		t.Errorf("it says %+v", r[1])
	}
}

func TestMemberArguments(t *testing.T) {
	m := load.Member{Name: "h1", Dir: "/d", Certs: "/c", At: map[string]string{"h1": "127.14.0.1", "h2": "127.14.0.2"}, Heartbeat: time.Second, Election: time.Minute}
	got, err := load.ParseMember(m.Args("member")[1:])
	if diff := cmp.Diff(m, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}
