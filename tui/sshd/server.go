package sshd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"charm.land/ssh"
	"charm.land/wish/v2"
	gossh "golang.org/x/crypto/ssh"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
)

// Options say how SSH is served.
type Options struct {
	Client  api.Client   // of the fleet; required
	Keys    string       // the authorized_keys file; required
	HostKey gossh.Signer // required
	// Record writes a record of the audit log and returns when it is kept;
	// required.
	Record func(audit.Entry) (audit.Record, error)
	// Recorded says that Client itself records each command before it is obeyed, with
	// who asks, as it must be where one client of several is this server's. Logins and
	// what is refused here are Record's in any case.
	Recorded bool
	// Command runs a command line and returns its exit code; required.
	Command func(context.Context, Line) int
	Limits  Limits
	// Login is how long a login may take, Idle how long a console may be left
	// alone, Alive how often a client is asked whether it is there. 0 is the
	// default.
	Login time.Duration
	Idle  time.Duration
	Alive time.Duration
	// Reload is how often the keys are looked at; 0 is the default.
	Reload time.Duration
	// Behind is how many bytes a terminal may be behind what was drawn for it; 0 is
	// the default.
	Behind int
	Where  string // where the fleet is, for people
	Log    *slog.Logger
	Now    func() time.Time // nil is the wall clock
}

// The defaults.
const (
	loginDefault  = 20 * time.Second
	idleDefault   = 30 * time.Minute
	aliveDefault  = 15 * time.Second
	reloadDefault = 2 * time.Second
	// silentFor is how many questions a client may leave without an answer.
	silentFor = 3
)

// Server serves SSH.
type Server struct {
	o       Options
	log     *slog.Logger
	gate    *gate
	people  *people
	keys    *keyFile
	hub     *hub
	records *recorder
	pace    pace
	srv     *ssh.Server

	mu       sync.Mutex
	number   uint64
	open     map[*connection]bool
	listener net.Listener
	closing  bool
	closed   chan struct{} // closed when Close is through
}

// New makes a server and reads who may come in. Flaws of the keys file are in the
// log and in the audit log; they admit nobody.
func New(o Options) (*Server, error) {
	if o.Client == nil || o.HostKey == nil || o.Record == nil || o.Command == nil {
		return nil, errors.New("sshd: a client, a host key, a record and a command are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		to *time.Duration
		d  time.Duration
	}{{&o.Login, loginDefault}, {&o.Idle, idleDefault}, {&o.Alive, aliveDefault}, {&o.Reload, reloadDefault}} {
		if *d.to == 0 {
			*d.to = d.d
		}
	}
	if o.Behind == 0 {
		o.Behind = behindMax
	}
	o.Limits = o.Limits.withDefaults()
	keys, flaws, err := openKeyFile(o.Keys)
	if err != nil {
		return nil, err
	}
	s := &Server{
		o: o, log: o.Log, gate: newGate(o.Limits), people: newPeople(o.Limits), keys: keys, hub: newHub(o.Client),
		records: newRecorder(o.Record, o.Log, o.Now), open: map[*connection]bool{}, closed: make(chan struct{}),
	}
	s.tellKeys(flaws)
	s.srv, err = wish.NewServer(
		wish.WithVersion("Holdfast"),
		wish.WithPublicKeyAuth(s.offered),
		wish.WithMiddleware(func(ssh.Handler) ssh.Handler { return s.serve }),
		ssh.EmulatePty(),
		func(srv *ssh.Server) error {
			srv.HostSigners = []ssh.Signer{o.HostKey}
			srv.ConnCallback = s.arrive
			srv.HandshakeTimeout = o.Login
			srv.ServerConfigCallback = s.config
			srv.ChannelHandlers = map[string]ssh.ChannelHandler{"session": s.channel}
			srv.RequestHandlers = map[string]ssh.RequestHandler{}
			srv.SubsystemHandlers = map[string]ssh.SubsystemHandler{}
			return nil
		},
	)
	if err != nil {
		return nil, fmt.Errorf("sshd: %w", err)
	}
	return s, nil
}

// Serve serves until Close, and closes l.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listener = l
	closing := s.closing
	s.mu.Unlock()
	if closing {
		return l.Close()
	}
	s.records.put(audit.Entry{Kind: audit.KindStart, Detail: fmt.Sprintf("SSH is served at %s with the host key %s", l.Addr(), gossh.FingerprintSHA256(s.o.HostKey.PublicKey()))})
	done := make(chan struct{})
	defer close(done)
	go s.watchKeys(done)
	err := s.srv.Serve(l)
	s.mu.Lock()
	closing = s.closing
	s.mu.Unlock()
	if closing || errors.Is(err, ssh.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("sshd: %w", err)
}

// errStopping is what people are told when the server ends.
var errStopping = errors.New("the server of this console is stopping; the fleet is not touched by it")

// Close ends every session with a word, and then the server. It returns when all
// of it is recorded, also when it is called twice.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		<-s.closed
		return nil
	}
	s.closing = true
	defer close(s.closed)
	var all []*connection
	for c := range s.open {
		all = append(all, c)
	}
	if s.listener != nil {
		_ = s.listener.Close() // a library that has not begun to serve does not know of it
	}
	s.mu.Unlock()
	for _, c := range all {
		c.end(errStopping)
	}
	late := time.After(leaveWithin + flushWithin)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for s.people.count() > 0 {
		select {
		case <-look.C:
			continue
		case <-late:
		}
		break
	}
	err := s.srv.Close()
	for _, c := range all {
		_ = c.Close()
	}
	s.records.rest()
	s.records.put(audit.Entry{Kind: audit.KindStop, Detail: "SSH is not served any more"})
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("sshd: %w", err)
	}
	return nil
}

// arrive is the gate of every connection.
func (s *Server) arrive(ctx ssh.Context, n net.Conn) net.Conn {
	a, err := netip.ParseAddrPort(n.RemoteAddr().String())
	if err != nil {
		a = netip.AddrPort{}
	}
	if why := s.gate.arrive(a.Addr(), s.o.Now()); why != "" {
		s.records.refuse(audit.Entry{From: n.RemoteAddr().String(), Detail: why})
		return nil
	}
	s.mu.Lock()
	s.number++
	c := newConnection(s, ctx, n, a.Addr(), s.number)
	closing := s.closing
	if !closing {
		s.open[c] = true
	}
	s.mu.Unlock()
	ctx.SetValue(connectionKey{}, c)
	if closing {
		_ = c.Close()
		return nil
	}
	return c
}

// config is the part of the protocol that we are stricter about.
func (s *Server) config(ctx ssh.Context) *gossh.ServerConfig {
	c := connOf(ctx)
	return &gossh.ServerConfig{
		PublicKeyAuthAlgorithms: signatures,
		VerifiedPublicKeyCallback: func(_ gossh.ConnMetadata, key gossh.PublicKey, p *gossh.Permissions, _ string) (*gossh.Permissions, error) {
			if err := c.login(key); err != nil {
				return nil, err
			}
			return p, nil
		},
	}
}

// offered says whether a client should prove that it has a key. Whether it may
// come in is decided again when it has.
func (s *Server) offered(ctx ssh.Context, key ssh.PublicKey) bool {
	_, err := connOf(ctx).judge(key)
	return err == nil
}

// watchKeys reads the keys again when they change, and holds those who are in to
// what they say.
func (s *Server) watchKeys(done <-chan struct{}) {
	t := time.NewTicker(s.o.Reload)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-t.C:
		}
		changed, flaws := s.keys.refresh()
		if changed {
			s.tellKeys(flaws)
		}
		s.mu.Lock()
		var all []*connection
		for c := range s.open {
			all = append(all, c)
		}
		s.mu.Unlock()
		for _, c := range all {
			c.judgeAgain()
		}
	}
}

// flawsTold is how many flaws of a file are told one by one.
const flawsTold = 8

// tellKeys says what the keys file says now.
func (s *Server) tellKeys(flaws []Flaw) {
	k, err := s.keys.current()
	if err != nil {
		s.log.Error("who may come in cannot be read: nobody new is let in", "err", err)
		s.records.put(audit.Entry{Kind: audit.KindKeys, Outcome: "failed", Detail: err.Error()})
		return
	}
	detail := fmt.Sprintf("%s has %d lines that hold", s.o.Keys, k.count)
	for i, f := range flaws {
		if i == flawsTold {
			detail += fmt.Sprintf("; %d more lines admit nobody", len(flaws)-i)
			break
		}
		s.log.Warn("a line of the keys admits nobody", "file", s.o.Keys, "line", f.Line, "why", f.Text)
		detail += "; " + f.String()
	}
	s.records.put(audit.Entry{Kind: audit.KindKeys, Detail: detail})
}
