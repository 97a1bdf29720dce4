package access_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/system/access"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// still is a fleet that answers, records what it is asked, and sends one picture
// after another.
type still struct {
	name string
	mu   sync.Mutex
	by   []api.Actor
}

func (s *still) Status(context.Context) (*api.Status, error) {
	return &api.Status{Version: api.StatusVersion, Fleet: s.name, Seq: 1}, nil
}

func (s *still) Events(context.Context, api.Seq, int) ([]api.Event, error) {
	return []api.Event{{Seq: 1}}, nil
}

func (s *still) Revisions(context.Context, ...uint64) ([]api.Revision, error) {
	return []api.Revision{{Rev: 1, How: api.HowStart}}, nil
}

func (s *still) Do(_ context.Context, r api.Request) (api.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by = append(s.by, r.By)
	return api.Receipt{ID: s.name, OK: true}, nil
}

func (s *still) asked() []api.Actor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]api.Actor{}, s.by...)
}

func (s *still) Watch(ctx context.Context, _ api.Seq) (<-chan api.Update, error) {
	out := make(chan api.Update)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			st, _ := s.Status(ctx)
			select {
			case out <- api.Update{Status: st}:
			case <-ctx.Done():
			}
		}
	}()
	return out, nil
}

// removals is Removals of one name.
type removals struct {
	mu   sync.Mutex
	name string
	at   time.Time
}

func (r *removals) RemovedAt(target string) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at, target == r.name
}

func (r *removals) remove(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.name, r.at = target, time.Now().Add(time.Minute)
}

var authority = must(identity.NewAuthority("demo", time.Now().Add(-24*time.Hour)))

func holder(n identity.Name, r identity.Removals) *identity.Holder {
	n.Fleet = "demo"
	return must(identity.NewHolder(credentials(authority, n, time.Now()), r))
}

func credentials(a *identity.Authority, n identity.Name, at time.Time) identity.Credentials {
	key, csr, err := identity.NewRequest()
	if err != nil {
		panic(err)
	}
	return identity.Credentials{Key: key, Chain: must(a.SignFor(at, csr, n, time.Hour)), Roots: a.Roots()}
}

func person(name string, role api.Role) identity.Name {
	return identity.Name{Fleet: "demo", Person: name, Role: role}
}

type agent struct {
	fleet   *still
	address string
	stop    func()
	removed *removals
}

func startAgent(t *testing.T, name string) *agent {
	t.Helper()
	a := &agent{fleet: &still{name: name}, removed: &removals{}}
	h := holder(identity.Name{Site: "tokyo", Host: name}, a.removed)
	log := slog.New(slog.DiscardHandler)
	server := access.NewServer(a.fleet, h, api.RoleViewer, log)
	relay := access.NewRelay(a.fleet, h, log)
	port := identity.NewPort(h, log, server.Protocol, relay.Protocol)
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	a.address = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := port.Serve(ctx, l); err != nil {
			t.Errorf("port: %v", err)
		}
	})
	all.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	all.Go(func() {
		if err := relay.Run(ctx); err != nil {
			t.Errorf("relay: %v", err)
		}
	})
	a.stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(a.stop)
	return a
}

// TestRolesAreOfTheCertificate gives a harmless, a common and a dangerous
// command as everybody.
func TestRolesAreOfTheCertificate(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "tokyo-1")
	drain := api.Drain{Target: id.To(id.KindBackend, "shop-1")}
	apply := api.Apply{Name: "fleet.yaml", Text: "fleet: x"}
	for _, c := range []struct {
		who           identity.Name
		drains, apply bool
	}{
		{person("vera", api.RoleViewer), false, false},
		{person("otto", api.RoleOperator), true, false},
		{person("ada", api.RoleAdmin), true, true},
		{identity.Name{Site: "tokyo", Host: "tokyo-2"}, false, false},
	} {
		client := must(access.Dial(holder(c.who, nil), a.address))
		defer client.Close()
		if _, err := client.Status(t.Context()); err != nil {
			t.Errorf("%s may not look: %v", c.who, err)
		}
		for command, may := range map[api.Command]bool{drain: c.drains, apply: c.apply} {
			before := len(a.fleet.asked())
			// What the request says of who asks is not believed.
			r, err := client.Do(t.Context(), api.Request{Command: command, By: api.Actor{Name: "ada"}})
			asked := a.fleet.asked()
			if err != nil || r.OK != may || len(asked) > before != may || r.ID == "" {
				t.Errorf("%s as %s: %+v, %v; %d reached the fleet", command.Verb(), c.who, r, err, len(asked)-before)
			}
			if !may && (len(r.Refusals) != 1 || r.Refusals[0].Reason != api.ReasonNotAllowed) {
				t.Errorf("%s as %s is refused with %+v", command.Verb(), c.who, r.Refusals)
			}
			if may && asked[len(asked)-1].Name != c.who.Person {
				t.Errorf("the fleet hears it from %+v", asked[len(asked)-1])
			}
		}
		if r, err := client.Do(t.Context(), api.Request{Command: apply, DryRun: true}); err != nil || !r.OK {
			t.Errorf("%s may not try: %+v, %v", c.who, r, err)
		}
	}
}

// TestAgentsPassOnWhoAsked holds that an agent is believed who asked it, that a
// person is not, and that another host's agent is not taken for the one meant.
func TestAgentsPassOnWhoAsked(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "tokyo-1")
	ada := api.Actor{Name: "ada", From: "console"}
	ask := func(who identity.Name, host string) (api.Receipt, error) {
		c := must(access.DialRelay(holder(who, nil), host, a.address))
		defer c.Close()
		return c.Do(t.Context(), api.Request{Command: api.Apply{Name: "fleet.yaml", Text: "fleet: x"}, By: ada})
	}
	if r, err := ask(identity.Name{Site: "osaka", Host: "osaka-1"}, "tokyo-1"); err != nil || !r.OK {
		t.Errorf("an agent passes on: %+v, %v", r, err)
	}
	if by := a.fleet.asked(); len(by) != 1 || by[0] != ada {
		t.Errorf("the fleet hears it from %+v", by)
	}
	if r, err := ask(person("eve", api.RoleAdmin), "tokyo-1"); err == nil {
		t.Errorf("a person vouches for another: %+v", r)
	}
	if r, err := ask(identity.Name{Site: "osaka", Host: "osaka-1"}, "tokyo-2"); err == nil {
		t.Errorf("tokyo-1 answered for tokyo-2: %+v", r)
	}
	if by := a.fleet.asked(); len(by) != 1 {
		t.Errorf("the fleet heard %+v", by)
	}
}

// TestWhoIsNotAdmittedReadsWhy comes with certificates that are not good.
func TestWhoIsNotAdmittedReadsWhy(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "tokyo-1")
	good := must(access.Dial(holder(person("ada", api.RoleAdmin), nil), a.address))
	defer good.Close()
	updates := must(good.Watch(t.Context(), 0))
	other := must(identity.NewAuthority("demo", time.Now().Add(-24*time.Hour)))
	foreign := credentials(other, person("eve", api.RoleAdmin), time.Now())
	foreign.Roots = authority.Roots()
	for name, c := range map[string]struct {
		credentials identity.Credentials
		reason      api.Reason
	}{
		"foreign": {foreign, api.ReasonCertificateForeign},
		"expired": {credentials(authority, person("eve", api.RoleAdmin), time.Now().Add(-2*time.Hour)), api.ReasonCertificateExpired},
	} {
		client := must(access.Dial(must(identity.NewHolder(c.credentials, nil)), a.address))
		for range 5 { // it must not depend on which end is faster
			_, err := client.Status(t.Context())
			if !errors.Is(err, api.ErrNotAdmitted) || !strings.Contains(err.Error(), c.reason.Sentence()) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := client.Do(t.Context(), api.Request{Command: api.AbortDrill{}}); !errors.Is(err, api.ErrNotAdmitted) {
			t.Errorf("%s: a command: %v", name, err)
		}
		client.Close()
	}
	mistaken := must(access.Dial(must(identity.NewHolder(credentials(other, person("ada", api.RoleAdmin), time.Now()), nil)), a.address))
	if _, err := mistaken.Status(t.Context()); identity.ReasonOf(err) != api.ReasonCertificateForeign || !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("an agent of another fleet: %v", err)
	}
	if asked := a.fleet.asked(); len(asked) > 0 {
		t.Errorf("commands of strangers reached the fleet: %v", asked)
	}
	if u, ok := <-updates; !ok || u.Status == nil {
		t.Error("who is good was disturbed")
	}
}

// TestRemovalEndsAWatch holds that who is removed stops seeing, also on a
// connection that stands.
func TestRemovalEndsAWatch(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "tokyo-1")
	client := must(access.Dial(holder(person("otto", api.RoleOperator), nil), a.address))
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	updates := must(client.Watch(ctx, 0))
	<-updates
	a.removed.remove("person/otto")
	for range updates { // ends
	}
	if ctx.Err() != nil {
		t.Error("the watch goes on")
	}
	if _, err := client.Status(t.Context()); !errors.Is(err, api.ErrNotAdmitted) || !strings.Contains(err.Error(), api.ReasonRemoved.Sentence()) {
		t.Errorf("after it was removed: %v", err)
	}
}

// TestMovesToAnotherAgent kills the agent that a client talks to, again and
// again, and one that is there and says nothing.
func TestMovesToAnotherAgent(t *testing.T) {
	t.Parallel()
	silent := must(net.Listen("tcp", "127.0.0.1:0")) // a frozen process: the kernel accepts for it
	defer func() { _ = silent.Close() }()
	first, second := startAgent(t, "tokyo-1"), startAgent(t, "tokyo-2")
	client := must(access.Dial(holder(person("ada", api.RoleAdmin), nil), first.address, silent.Addr().String(), second.address))
	defer client.Close()
	updates := must(client.Watch(t.Context(), 0))
	if u := <-updates; u.Status.Fleet != "tokyo-1" || client.Where() != first.address {
		t.Fatalf("it begins at %s, %s", u.Status.Fleet, client.Where())
	}
	first.stop()
	for range updates { // ends, so that a console says that its picture is old
	}
	if u := <-must(client.Watch(t.Context(), 0)); u.Status.Fleet != "tokyo-2" || client.Where() != second.address {
		t.Errorf("it goes on at %s, %s", u.Status.Fleet, client.Where())
	}
	if r, err := client.Do(t.Context(), api.Request{Command: api.AbortDrill{}}); err != nil || r.ID != "tokyo-2" {
		t.Errorf("a command: %+v, %v", r, err)
	}
	second.stop()
	_ = silent.Close()
	_, err := client.Status(t.Context())
	if !errors.Is(err, api.ErrUnreachable) || !strings.Contains(err.Error(), first.address) || !strings.Contains(err.Error(), second.address) || strings.Contains(err.Error(), "\n") {
		t.Errorf("nobody is left: %v", err)
	}
}

// dying is a fleet whose agent dies in the middle of a command, as far as the
// client can see: the connection ends without a word.
type dying struct{ still }

func (d *dying) Do(ctx context.Context, r api.Request) (api.Receipt, error) {
	_, _ = d.still.Do(ctx, r)
	panic(http.ErrAbortHandler)
}

// TestCommandsAreNotGivenTwice holds that a command whose agent died with it is
// an error, and reaches no other agent.
func TestCommandsAreNotGivenTwice(t *testing.T) {
	second := startAgent(t, "tokyo-2")
	first := &dying{still: still{name: "tokyo-1"}}
	log := slog.New(slog.DiscardHandler)
	h := holder(identity.Name{Site: "tokyo", Host: "tokyo-1"}, nil)
	server := access.NewServer(first, h, api.RoleViewer, log)
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { _ = identity.NewPort(h, log, server.Protocol).Serve(ctx, l) })
	all.Go(func() { _ = server.Run(ctx) })
	client := must(access.Dial(holder(person("ada", api.RoleAdmin), nil), l.Addr().String(), second.address))
	defer client.Close()
	_, err := client.Do(t.Context(), api.Request{Command: api.AbortDrill{}})
	if !errors.Is(err, api.ErrUnreachable) || len(first.asked()) != 1 || len(second.fleet.asked()) != 0 {
		t.Errorf("%v; the first agent was asked %d times, the second %d", err, len(first.asked()), len(second.fleet.asked()))
	}
	cancel()
	all.Wait()
	if r, err := client.Do(t.Context(), api.Request{Command: api.AbortDrill{}}); err != nil || r.ID != "tokyo-2" {
		t.Errorf("the next command: %+v, %v", r, err)
	}
}

func TestAddresses(t *testing.T) {
	for given, want := range map[string]string{
		"10.0.0.1": "10.0.0.1:7420", "10.0.0.1:99": "10.0.0.1:99", "tokyo-1.example": "tokyo-1.example:7420",
		"fd00::1": "[fd00::1]:7420", "[fd00::1]:99": "[fd00::1]:99", "": "", ":99": "", "a:b:c": "",
	} {
		if got, err := access.Address(given); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", given, got, err, want)
		}
	}
}
