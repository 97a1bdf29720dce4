package identity_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

func TestJoinOnce(t *testing.T) {
	a := startAgent(t)
	token := a.token(t, identity.Record{})
	c, err := identity.Join(t.Context(), []string{a.address}, token, "osaka-1")
	if err != nil {
		t.Fatal(err)
	}
	h := must(identity.NewHolder(c, nil))
	if got := h.Self(); got != host("osaka-1") {
		t.Errorf("it is %+v; its site is the token's", got)
	}
	if len(c.Keys) != 1 || string(c.Keys[0]) != "a key of the fleet" {
		t.Errorf("the keyring that came is %q", c.Keys)
	}
	conn, err := a.dial(h, func(p identity.Peer) error { return p.IsHost("tokyo-1") })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if got := says(conn, "hello"); got != "hello" {
		t.Errorf("the agent answers %q", got)
	}

	_, err = identity.Join(t.Context(), []string{a.address}, token, "osaka-2")
	want(t, "a stolen token after its use", err, api.ReasonTokenUsed)
	_, err = identity.Join(t.Context(), []string{a.address}, identity.NewToken(identity.Hash(a.authority.Roots()[0])), "osaka-2")
	want(t, "a token that nobody made", err, api.ReasonTokenUnknown)
	again := a.token(t, identity.Record{})
	_, err = identity.Join(t.Context(), []string{a.address}, again, "tokyo-1")
	want(t, "a name that is taken", err, api.ReasonNameTaken)
	if _, err = identity.Join(t.Context(), []string{a.address}, again, "osaka-2"); err != nil {
		t.Errorf("a refused name used the token up: %v", err)
	}
	if log := a.log.String(); !strings.Contains(log, "token-used") || strings.Contains(log, strings.Split(token.Reveal(), ".")[2]) {
		t.Errorf("the log does not tell of the refusal, or tells the secret:\n%s", log)
	}
	if _, err := a.dial(h, func(p identity.Peer) error { return p.IsHost("tokyo-2") }); identity.ReasonOf(err) != api.ReasonCertificateForeign {
		t.Errorf("another host answers and is accepted: %v", err)
	}
}

// TestReplay sends the bytes of a join that went well again.
func TestReplay(t *testing.T) {
	a := startAgent(t)
	_, csr, err := identity.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	ask := identity.Ask{Version: 1, Token: a.token(t, identity.Record{}).Reveal(), Host: "osaka-1", CSR: csr}
	send := func() error {
		conn := must(tls.Dial("tcp", a.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{identity.ProtocolJoin}}))
		defer func() { _ = conn.Close() }()
		if err := identity.WriteMessage(conn, ask); err != nil {
			return err
		}
		_, err := identity.ReadAnswer(conn)
		return err
	}
	if err := send(); err != nil {
		t.Fatal(err)
	}
	want(t, "the same again", send(), api.ReasonTokenUsed)
}

// TestSecretIsNotToldToAStranger holds that who takes the agent's address gets
// neither the token nor a host.
func TestSecretIsNotToldToAStranger(t *testing.T) {
	a := startAgent(t)
	token := identity.NewToken(sha256.Sum256([]byte("another root")))
	_, err := identity.Join(t.Context(), []string{a.address}, token, "osaka-1")
	want(t, "an agent of another fleet", err, api.ReasonCertificateForeign)

	// Who shows the right root without its key: the chain leads nowhere.
	mine := must(identity.NewAuthority(fleet, time.Now()))
	thief := credentials(mine, time.Now(), host("tokyo-1"), time.Hour)
	thief.Chain = append(thief.Chain, a.authority.Chain()...)
	l := must(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		NextProtos:   []string{identity.ProtocolJoin},
		Certificates: []tls.Certificate{{Certificate: [][]byte{thief.Chain[0].Raw, thief.Chain[1].Raw, thief.Chain[2].Raw}, PrivateKey: thief.Key}},
	}))
	defer func() { _ = l.Close() }()
	heard := make(chan int, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		b, _ := io.ReadAll(conn)
		heard <- len(b)
		_ = conn.Close()
	}()
	_, err = identity.Join(t.Context(), []string{l.Addr().String()}, a.token(t, identity.Record{}), "osaka-1")
	want(t, "a root without its key", err, api.ReasonCertificateForeign)
	if n := <-heard; n > 0 {
		t.Errorf("the stranger heard %d bytes", n)
	}
}

func TestManyThievesOneToken(t *testing.T) {
	a := startAgent(t)
	token := a.token(t, identity.Record{})
	var all sync.WaitGroup
	var mu sync.Mutex
	in := 0
	for range 10 {
		all.Go(func() {
			if _, err := identity.Join(t.Context(), []string{a.address}, token, "osaka-1"); err == nil {
				mu.Lock()
				in++
				mu.Unlock()
			}
		})
	}
	if all.Wait(); in != 1 {
		t.Errorf("%d came in", in)
	}
}

// TestRefusalsAreClearOnBothEnds comes to the port with every certificate that
// is not good, and reads what both ends say.
func TestRefusalsAreClearOnBothEnds(t *testing.T) {
	a := startAgent(t)
	now := time.Now()
	foreign := credentials(must(identity.NewAuthority(fleet, now)), now, host("osaka-1"), time.Hour)
	foreign.Roots = a.authority.Roots()
	expired := credentials(a.authority, now.Add(-2*time.Hour), host("osaka-2"), time.Hour)
	gone := credentials(a.authority, now, host("osaka-3"), time.Hour)
	a.removals.remove("host/osaka-3", now.Add(time.Minute))
	good := must(a.dial(must(identity.NewHolder(credentials(a.authority, now, host("osaka-4"), time.Hour), nil)), nil))
	for name, c := range map[string]struct {
		identity.Credentials
		reason api.Reason
	}{"foreign": {foreign, api.ReasonCertificateForeign}, "expired": {expired, api.ReasonCertificateExpired}, "removed": {gone, api.ReasonRemoved}} {
		h := must(identity.NewHolder(c.Credentials, nil))
		conn, err := a.dial(h, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, _ = io.WriteString(conn, "hello")
		b, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(b), c.reason.Sentence()) {
			t.Errorf("%s: the client reads %q, %v", name, b, err)
		}
		if !strings.Contains(a.log.String(), "reason="+string(c.reason)) {
			t.Errorf("%s: the agent's log is\n%s", name, a.log)
		}
	}
	if err := must(identity.NewHolder(expired, nil)).Expired(now); identity.ReasonOf(err) != api.ReasonCertificateExpired || !strings.Contains(err.Error(), "host/osaka-2") {
		t.Errorf("who has an expired certificate does not know it: %v", err)
	}

	// The other way round: a client that does not trust the agent.
	other := must(identity.NewAuthority(fleet, now))
	_, err := a.dial(must(identity.NewHolder(credentials(other, now, host("osaka-1"), time.Hour), nil)), nil)
	want(t, "an agent that is foreign", err, api.ReasonCertificateForeign)
	if got := says(good, "still here"); got != "still here" {
		t.Errorf("who is good was disturbed: %q", got)
	}
	_ = good.Close()
	if c := a.port.Counts(); c.Refused != 3 || c.Accepted != 1 {
		t.Errorf("counted: %+v", c)
	}
}

// TestRandomBytesDisturbNobody throws noise at the port while a host talks.
func TestRandomBytesDisturbNobody(t *testing.T) {
	a := startAgent(t)
	h := must(identity.NewHolder(credentials(a.authority, time.Now(), host("osaka-1"), time.Hour), nil))
	good := must(a.dial(h, nil))
	defer func() { _ = good.Close() }()
	random := rand.New(rand.NewPCG(3, 4))
	const noises = 40
	for i := range noises {
		conn := must(net.Dial("tcp", a.address))
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		noise := make([]byte, 10_000)
		for j := range noise {
			noise[j] = byte(random.Uint32())
		}
		if i%2 == 0 { // as a TLS record, so that more of the parser sees it
			copy(noise, []byte{22, 3, 1, 0x20, 0, 1, 0, 0x1f, 0xfc, 3, 3})
		}
		_, _ = conn.Write(noise)
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
		if got := says(good, "undisturbed"); got != "undisturbed" {
			t.Fatalf("after noise %d the host that talks reads %q", i, got)
		}
	}
	if c := a.port.Counts(); c.Malformed != noises {
		t.Errorf("counted: %+v", c)
	}
	lines := strings.Count(a.log.String(), "a handshake broke")
	if lines == 0 || lines > 25 {
		t.Errorf("%d lines in the log", lines)
	}
}

// TestRotationDropsNothing renews a host's certificate under a connection, and
// then the authority's.
func TestRotationDropsNothing(t *testing.T) {
	a := startAgent(t)
	h := must(identity.NewHolder(credentials(a.authority, time.Now(), host("osaka-1"), time.Hour), nil))
	stands := must(a.dial(h, nil))
	defer func() { _ = stands.Close() }()
	renew := func(h *identity.Holder) {
		t.Helper()
		key, csr, err := identity.NewRequest()
		if err != nil {
			t.Fatal(err)
		}
		g, err := h.Renew(t.Context(), csr, a.address)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Replace(identity.Credentials{Key: key, Chain: g.Chain, Roots: g.Roots, Keys: g.Keys}); err != nil {
			t.Fatal(err)
		}
	}
	until := h.Until()
	renew(h)
	if !h.Until().After(until) {
		t.Errorf("the next certificate ends at %s, the one before at %s", h.Until(), until)
	}
	a.authority = must(a.authority.Succeed(time.Now().Add(-10 * 24 * time.Hour)))
	if err := a.holder.Replace(credentials(a.authority, time.Now(), host("tokyo-1"), identity.HostLife)); err != nil {
		t.Fatal(err)
	}
	fresh := must(a.dial(h, nil)) // it knows the old root only
	defer func() { _ = fresh.Close() }()
	renew(h)
	if got := len(h.Credentials().Roots); got != 2 {
		t.Errorf("after the succession the bundle has %d roots", got)
	}
	a.authority = a.authority.Forget()
	renew(h)
	if err := a.holder.Replace(credentials(a.authority, time.Now(), host("tokyo-1"), identity.HostLife)); err != nil {
		t.Fatal(err)
	}
	last := must(a.dial(h, nil))
	defer func() { _ = last.Close() }()
	for name, c := range map[string]*tls.Conn{"the first": stands, "that of the succession": fresh, "the last": last} {
		if got := says(c, "here"); got != "here" {
			t.Errorf("%s connection reads %q", name, got)
		}
	}
	late := must(identity.NewHolder(credentials(a.authority, time.Now().Add(-48*time.Hour), host("osaka-2"), time.Hour), nil))
	renew(late) // was off for two days
	if late.Expired(time.Now()) != nil {
		t.Error("a host that was off did not come back")
	}
}

func TestDelegateOverThePort(t *testing.T) {
	a := startAgent(t)
	osaka := must(identity.NewHolder(credentials(a.authority, time.Now(), host("osaka-1"), time.Hour), nil))
	d, err := osaka.BecomeDelegate(t.Context(), a.address)
	if err != nil {
		t.Fatal(err)
	}
	files := must(identity.OpenFiles(filepath.Join(t.TempDir(), "identity")))
	if err := files.SaveAuthority(d); err != nil {
		t.Fatal(err)
	}
	d = must(files.LoadAuthority())
	c := credentials(d, time.Now(), host("osaka-2"), time.Hour)
	conn := must(a.dial(must(identity.NewHolder(c, nil)), nil))
	defer func() { _ = conn.Close() }()
	if got := says(conn, "hi"); got != "hi" {
		t.Errorf("who the delegate signed reads %q", got)
	}
	nara := must(identity.NewHolder(credentials(a.authority, time.Now(), host("nara-1"), time.Hour), nil))
	_, err = nara.BecomeDelegate(t.Context(), a.address)
	want(t, "a host that is not to", err, api.ReasonNotAllowed)
}

// TestKeepRenewsByItself runs ten days of virtual time with a source that fails
// half of the time, and sometimes for hours.
func TestKeepRenewsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := must(identity.NewAuthority(fleet, time.Now()))
		h := must(identity.NewHolder(credentials(a, time.Now(), host("tokyo-1"), identity.HostLife), nil))
		ctx, cancel := context.WithCancel(t.Context())
		tries, saved, began := 0, 0, time.Now()
		source := func(_ context.Context, csr []byte) (identity.Granted, error) {
			now := time.Now()
			if tries++; tries%2 == 0 || now.Sub(began)%(3*24*time.Hour) > 66*time.Hour {
				return identity.Granted{}, io.ErrUnexpectedEOF
			}
			switch tries % 5 { // what is signed wrongly must not be used
			case 1:
				return identity.Granted{Chain: credentials(a, now, host("tokyo-2"), identity.HostLife).Chain, Roots: a.Roots()}, nil
			case 3:
				chain, err := a.Sign(now, csr, host("tokyo-2"))
				return identity.Granted{Chain: chain, Roots: a.Roots()}, err
			}
			chain, err := a.Sign(now, csr, host("tokyo-1"))
			return identity.Granted{Chain: chain, Roots: a.Roots()}, err
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.Keep(ctx, source, func(identity.Credentials) error { saved++; return nil }, slog.New(slog.DiscardHandler))
		}()
		for range 10 * 24 {
			<-time.After(time.Hour) // virtual
			if err := h.Expired(time.Now()); err != nil {
				t.Fatalf("after %s: %v", time.Since(began), err)
			}
			if h.Self() != host("tokyo-1") {
				t.Fatalf("after %s it is %s", time.Since(began), h.Self())
			}
		}
		cancel()
		<-ended
		if saved < 10 || saved > 20 || tries > 400 {
			t.Errorf("%d renewals in ten days, of %d tries", saved, tries)
		}
	})
}

func FuzzJoinMessages(f *testing.F) {
	var b bytes.Buffer
	_ = identity.WriteMessage(&b, identity.Ask{Version: 1, Token: "t", Host: "osaka-1", CSR: []byte{1}})
	f.Add(b.Bytes())
	b.Reset()
	_ = identity.WriteMessage(&b, identity.Answer{Version: 1, Reason: api.ReasonTokenUsed, Detail: "\x1b[31m"})
	f.Add(b.Bytes())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		if ask, err := identity.ReadAsk(bytes.NewReader(b)); err == nil {
			var again bytes.Buffer
			if err := identity.WriteMessage(&again, ask); err == nil {
				if back, err := identity.ReadAsk(&again); err != nil || back.Token != ask.Token || back.Host != ask.Host || !bytes.Equal(back.CSR, ask.CSR) {
					t.Errorf("%+v came back as %+v, %v", ask, back, err)
				}
			}
		}
		g, err := identity.ReadAnswer(bytes.NewReader(b))
		if err == nil && (len(g.Chain) == 0 || len(g.Roots) == 0) {
			t.Error("an answer with nothing in it")
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\x07") {
			t.Errorf("a stranger's bytes reach a terminal: %q", err)
		}
	})
}

// TestPeopleRenewThemselves: a person's certificate is followed by one that lasts
// longer, with the same name and role, which is stored before it is used; what cannot
// be stored is not used.
func TestPeopleRenewThemselves(t *testing.T) {
	t.Parallel()
	a := startAgent(t)
	ada := identity.Name{Fleet: host("x").Fleet, Person: "ada", Role: api.RoleOperator}
	h := must(identity.NewHolder(credentials(a.authority, time.Now(), ada, time.Hour), nil))
	until := h.Until()
	full := errors.New("the disk is full")
	if err := h.RenewSelf(t.Context(), func(identity.Credentials) error { return full }, a.address); !errors.Is(err, full) || !h.Until().Equal(until) {
		t.Errorf("what was not stored: %v, until %s", err, h.Until())
	}
	var stored identity.Credentials
	if err := h.RenewSelf(t.Context(), func(c identity.Credentials) error { stored = c; return nil }, a.address); err != nil {
		t.Fatal(err)
	}
	if self := h.Self(); self != ada || !h.Until().After(until) || !stored.Chain[0].Equal(h.Credentials().Chain[0]) {
		t.Errorf("%s until %s, it was %s until %s", self, h.Until(), ada, until)
	}
}

// TestPeopleSpeakNoHostsProtocol comes as a host and as an admin to a protocol that
// is for hosts.
func TestPeopleSpeakNoHostsProtocol(t *testing.T) {
	a := startAgent(t)
	for _, n := range []identity.Name{host("osaka-1"), {Fleet: fleet, Person: "ada", Role: api.RoleAdmin}} {
		h := must(identity.NewHolder(credentials(a.authority, time.Now(), n, time.Hour), nil))
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: h.Client("hosts/1", nil)}
		c, err := d.Dial("tcp", a.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if got := says(c.(*tls.Conn), "hello"); (got == "hello") != (n.Host != "") {
			t.Errorf("%s reads %q", n, got)
		}
		_ = c.Close()
	}
	if c := a.port.Counts(); c.Refused != 1 || c.Accepted != 1 || !strings.Contains(a.log.String(), string(api.ReasonNotAllowed)) {
		t.Errorf("counted: %+v\n%s", c, a.log)
	}
}
