package apitest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

func (s *suite) encode(st *api.Status) []byte {
	s.Helper()
	b, err := json.Marshal(st)
	if err != nil {
		s.Fatalf("the picture cannot be sent: %v", err)
	}
	return b
}

func (s *suite) whole() {
	st := s.status()
	if st.Version != api.StatusVersion || st.Fleet == "" || st.World == "" || st.Seq == 0 || st.Rev == 0 || st.State == "" || st.Spec == "" {
		s.Errorf("the picture is not whole: version %d, fleet %q, world %q, seq %d, rev %d, state %q", st.Version, st.Fleet, st.World, st.Seq, st.Rev, st.State)
	}
	if st.At.IsZero() || st.Started.IsZero() || st.At.Before(st.Started) {
		s.Errorf("a picture of %s from a fleet that was started at %s", st.At, st.Started)
	}
	first := s.encode(st)
	for _, list := range []string{"sites", "hosts", "listeners", "pools", "backends", "clients", "faults", "drills", "problems", "links", "groups"} {
		if bytes.Contains(first, []byte(`"`+list+`":null`)) {
			s.Errorf("%s is null; an empty list is []", list)
		}
	}
	var back api.Status
	if err := json.Unmarshal(first, &back); err != nil {
		s.Fatalf("the picture cannot be read: %v", err)
	}
	if second := s.encode(&back); !bytes.Equal(first, second) {
		s.Errorf("the picture is another one after a socket:\n%s\n%s", first, second)
	}
	for kind, names := range names(st) {
		if !slices.IsSortedFunc(names, strings.Compare) || len(slices.Compact(slices.Clone(names))) != len(names) {
			s.Errorf("the %ss are not in the order of their names, or not once each: %q", kind, names)
		}
		for _, n := range names {
			if !st.Exists(id.To(kind, n)) {
				s.Errorf("%s %s is in the picture and not found", kind, n)
			}
		}
	}
	for i := range st.Backends {
		b := &st.Backends[i]
		if _, ok := st.Pool(b.Pool); !ok || b.State == "" || b.Phase == "" || b.Health.Effective == "" || b.Since.IsZero() {
			s.Errorf("backend %s is not whole: %+v", b.Name, *b)
		}
	}
}

// names lists what a picture shows, by kind.
func names(st *api.Status) map[id.Kind][]string {
	all := map[id.Kind][]string{}
	for i := range st.Sites {
		all[id.KindSite] = append(all[id.KindSite], st.Sites[i].Name)
	}
	for i := range st.Hosts {
		all[id.KindHost] = append(all[id.KindHost], st.Hosts[i].Name)
	}
	for i := range st.Listeners {
		all[id.KindListener] = append(all[id.KindListener], st.Listeners[i].Name)
	}
	for i := range st.Pools {
		all[id.KindPool] = append(all[id.KindPool], st.Pools[i].Name)
	}
	for i := range st.Backends {
		all[id.KindBackend] = append(all[id.KindBackend], st.Backends[i].Name)
	}
	for i := range st.Clients {
		all[id.KindClients] = append(all[id.KindClients], st.Clients[i].Name)
	}
	for i := range st.Drills {
		all[id.KindDrill] = append(all[id.KindDrill], st.Drills[i].Name)
	}
	for i := range st.Links {
		all[id.KindLink] = append(all[id.KindLink], st.Links[i].Name)
	}
	for i := range st.Groups {
		all[id.KindGroup] = append(all[id.KindGroup], st.Groups[i].Name)
	}
	return all
}

func (s *suite) immutable() {
	type kept struct {
		status *api.Status
		bytes  []byte
	}
	var all []kept
	updates := s.watch(s.ctx, 0)
	for i := range 5 {
		u := s.next(updates)
		all = append(all, kept{u.Status, s.encode(u.Status)})
		s.weigh(10 + i)
	}
	for len(all) < 7 { // trends grow by the second; their old backing must stay
		u := s.next(updates)
		all = append(all, kept{u.Status, s.encode(u.Status)})
	}
	for i, k := range all {
		if now := s.encode(k.status); !bytes.Equal(k.bytes, now) {
			s.Errorf("picture %d was changed after it was handed out:\n%s\n%s", i, k.bytes, now)
		}
	}
}
