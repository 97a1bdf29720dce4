// Package access is the API over mutual TLS: an agent's end of it on the host's
// port, and a client's, which knows several agents and stays with one that
// answers.
//
// A person's certificate carries a role. A host's carries none; what a host may
// is for the agent to say, and to look is enough for agents that show each
// other's pictures.
package access

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
)

// ProtocolName is the ALPN name of the API.
const ProtocolName = "holdfast-api/1"

// DefaultPort is where agents listen.
const DefaultPort = 7420

// Server is the API on an agent's port.
type Server struct {
	// Protocol is for the agent's identity.Port.
	Protocol identity.Protocol
	queue    *identity.Queue
	client   api.Client
	holder   *identity.Holder
	hosts    api.Role
	relay    bool
	log      *slog.Logger
}

// RelayName is the ALPN name of the API between agents: what somebody asked one
// of them is passed on to the one that can answer.
const RelayName = "holdfast-relay/1"

// NewRelay returns the API of client for other agents of holder's fleet, which
// have looked who asks them and say so. It must not be a client that passes on
// itself: two agents that each take the other for the coordinator would never end.
func NewRelay(client api.Client, holder *identity.Holder, log *slog.Logger) *Server {
	s := NewServer(client, holder, api.RoleAdmin, log)
	s.relay, s.Protocol.Name, s.Protocol.Hosts = true, RelayName, true
	return s
}

// DialRelay returns a client of the agent of a host, which must be the one that
// answers.
func DialRelay(holder *identity.Holder, host, address string) (*remote.Client, error) {
	full, err := Address(address)
	if err != nil {
		return nil, err
	}
	d := tls.Dialer{Config: holder.Client(RelayName, func(p identity.Peer) error { return p.IsHost(host) })}
	return remote.DialBy(full, func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", full) }), nil
}

// NewServer returns the API of client for who is of holder's fleet. hosts is the
// role of hosts.
func NewServer(client api.Client, holder *identity.Holder, hosts api.Role, log *slog.Logger) *Server {
	s := &Server{client: client, holder: holder, hosts: hosts, log: log, queue: identity.NewQueue(&net.TCPAddr{})}
	s.Protocol = identity.Protocol{
		Name: ProtocolName, Serve: s.queue.Serve,
		Refused: func(conn *tls.Conn, err error) { remote.Turn(conn, err) },
	}
	return s
}

// Run answers until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	return remote.ServeGuests(ctx, s.queue, s.client, s.admit, s.log)
}

// admit says who a connection is of, as of now. A person's access ends with the
// certificate. A host renews its own while its connections stand, so theirs go
// on until it is removed.
func (s *Server) admit(state tls.ConnectionState) (remote.Guest, error) {
	trust := s.holder.Trust()
	p, err := trust.Accept(time.Now(), state.PeerCertificates, x509.ExtKeyUsageClientAuth)
	if identity.ReasonOf(err) == api.ReasonCertificateExpired {
		p, err = trust.AcceptRenewal(time.Now(), state.PeerCertificates)
	}
	if err != nil {
		return remote.Guest{}, err
	}
	if s.relay && p.Host == "" {
		return remote.Guest{}, fmt.Errorf("access: %s is no host; people use %s", p, ProtocolName)
	}
	if p.Host != "" {
		return remote.Guest{Actor: api.Actor{Name: p.Host, From: "host"}, Role: s.hosts, Vouches: s.relay}, nil
	}
	return remote.Guest{Actor: api.Actor{Name: p.Person, From: "certificate", Role: p.Role}, Role: p.Role}, nil
}

// Dial returns a client of a fleet through any of these agents.
func Dial(holder *identity.Holder, addresses ...string) (*remote.Several, error) {
	config := holder.Client(ProtocolName, nil)
	var agents []*remote.Client
	for _, a := range addresses {
		full, err := Address(a)
		if err != nil {
			return nil, err
		}
		d := tls.Dialer{Config: config}
		agents = append(agents, remote.DialBy(full, func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", full) }))
	}
	return remote.NewSeveral(agents...)
}

// NoCertificateError says that a directory has nobody's certificate.
type NoCertificateError struct{ Dir string }

// Error names the directory.
func (e *NoCertificateError) Error() string { return "there is no certificate in " + e.Dir }

// Dialers returns for each of these agents what connects to it in a language, as the
// one whose certificate is in a directory of identity.Files.
func Dialers(dir, protocol string, addresses ...string) (all []func(context.Context) (net.Conn, error), err error) {
	holder, _, err := holderIn(dir)
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		full, err := Address(a)
		if err != nil {
			return nil, err
		}
		d := tls.Dialer{Config: holder.Client(protocol, nil)}
		all = append(all, func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", full) })
	}
	return all, nil
}

// holderIn is the identity in a directory.
func holderIn(dir string) (*identity.Holder, identity.Files, error) {
	files, err := identity.OpenFiles(dir)
	if err != nil {
		return nil, files, err
	}
	own, err := files.LoadHost()
	if errors.Is(err, os.ErrNotExist) {
		return nil, files, &NoCertificateError{dir}
	}
	if err != nil {
		return nil, files, err
	}
	holder, err := identity.NewHolder(own, nil)
	return holder, files, err
}

// DialAs returns a client of a fleet through any of these agents, for the one
// whose certificate is in a directory of identity.Files. Without one there the
// error is a *NoCertificateError.
func DialAs(dir string, addresses ...string) (*remote.Several, error) {
	holder, files, err := holderIn(dir)
	if err != nil {
		return nil, err
	}
	renewPerson(holder, files, addresses)
	return Dial(holder, addresses...)
}

// renewWait bounds what the renewal of a person's certificate holds up: the one
// there is still good, and the next command tries again.
const renewWait = 2 * time.Second

// renewPerson gets the next certificate of a person whose present one is two thirds
// over. Who uses it never has to think of it; who was away for longer than it lasts
// asks an administrator.
func renewPerson(h *identity.Holder, files identity.Files, addresses []string) {
	leaf := h.Credentials().Chain[0]
	from := leaf.NotBefore.Add(identity.Backdate)
	now := time.Now()
	if h.Self().Person == "" || now.After(leaf.NotAfter) || now.Before(from.Add(leaf.NotAfter.Sub(from)*2/3)) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), renewWait)
	defer cancel()
	var all []string
	for _, a := range addresses {
		if full, err := Address(a); err == nil {
			all = append(all, full)
		}
	}
	_ = h.RenewSelf(ctx, files.SaveHost, all...)
}

// Address completes an agent's address: its port may be left out.
func Address(s string) (string, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(ip, DefaultPort).String(), nil
	}
	if host, port, err := net.SplitHostPort(s); err == nil && host != "" && port != "" {
		return s, nil
	}
	if _, _, err := net.SplitHostPort(s + ":1"); err != nil || s == "" {
		return "", fmt.Errorf("access: %.80q is no address of an agent; write HOST or HOST:PORT", s)
	}
	return fmt.Sprintf("%s:%d", s, DefaultPort), nil
}
