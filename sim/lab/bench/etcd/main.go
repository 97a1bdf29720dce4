// Command etcd is a host of an embedded etcd, and a client of one, for the
// comparison with facts. It is a module of its own, so that nothing of etcd is
// among what Holdfast depends on.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/sim/lab/bench/load"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

func main() {
	verbs := map[string]func([]string) error{"member": member, "client": client}
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "etcd: expected member or client; «make bench» starts it")
		os.Exit(2)
	}
	if err := verbs[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		os.Exit(1)
	}
}

func tlsOf(m load.Member, name string) transport.TLSInfo {
	return transport.TLSInfo{
		CertFile: filepath.Join(m.Certs, name+".crt"), KeyFile: filepath.Join(m.Certs, name+".key"), TrustedCAFile: filepath.Join(m.Certs, "ca.crt"),
		ClientCertAuth: true,
	}
}

func at(address string, port int) url.URL {
	return url.URL{Scheme: "https", Host: fmt.Sprintf("%s:%d", address, port)}
}

// member is a host, until it is told to end. All that is not said is as etcd has
// it: fsync, its batches, its caches.
func member(args []string) error {
	m, err := load.ParseMember(args)
	if err != nil {
		return err
	}
	c := embed.NewConfig()
	c.Name, c.Dir = m.Name, m.Dir
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{at(m.At[m.Name], load.PortClients)}, []url.URL{at(m.At[m.Name], load.PortClients)}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{at(m.At[m.Name], load.PortHosts)}, []url.URL{at(m.At[m.Name], load.PortHosts)}
	c.ClientTLSInfo, c.PeerTLSInfo = tlsOf(m, m.Name), tlsOf(m, m.Name)
	var all []string
	for host, address := range m.At {
		u := at(address, load.PortHosts)
		all = append(all, host+"="+u.String())
	}
	slices.Sort(all)
	c.InitialCluster = strings.Join(all, ",")
	if m.Heartbeat > 0 {
		c.TickMs, c.ElectionMs = uint(m.Heartbeat.Milliseconds()), uint(m.Election.Milliseconds())
	}
	c.LogLevel, c.LogOutputs = "error", []string{"stderr"}
	e, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	defer e.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	for led := false; ; {
		changed := e.Server.LeaderChangedNotify()
		leads := e.Server.Leader() == e.Server.MemberID()
		if leads && !led {
			fmt.Println(load.Leads)
		}
		led = leads
		select {
		case <-changed:
		case err := <-e.Err():
			return err
		case <-stop:
			return nil
		}
	}
}

type store struct {
	m load.Member
	c *clientv3.Client
}

func client(args []string) error {
	m, err := load.ParseMember(args)
	if err != nil {
		return err
	}
	return load.Serve(os.Stdin, os.Stdout, &store{m: m})
}

// Connect implements load.Store.
func (s *store) Connect(hosts []string) error {
	if s.c != nil {
		_ = s.c.Close()
	}
	t, err := tlsOf(s.m, s.m.Name).ClientConfig()
	if err != nil {
		return err
	}
	var all []string
	for _, h := range hosts {
		u := at(s.m.At[h], load.PortClients)
		all = append(all, u.String())
	}
	s.c, err = clientv3.New(clientv3.Config{Endpoints: all, TLS: t, DialTimeout: time.Second, DialKeepAliveTime: time.Second, DialKeepAliveTimeout: time.Second, Logger: zap.NewNop()})
	return err
}

// Put implements load.Store.
func (s *store) Put(ctx context.Context, key string, value []byte) error {
	_, err := s.c.Put(ctx, key, string(value))
	return err
}

// Get implements load.Store.
func (s *store) Get(ctx context.Context, key string) ([]byte, error) {
	r, err := s.c.Get(ctx, key)
	if err != nil || len(r.Kvs) == 0 {
		return nil, err
	}
	return r.Kvs[0].Value, nil
}
