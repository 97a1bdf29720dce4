package cert

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/engine/spec"
)

// checkEvery is how often files are looked at for a change, at most: once in
// that time a handshake pays for a stat of each.
const checkEvery = 2 * time.Second

// Store holds the certificates of one listener.
type Store struct {
	spec   spec.TLS
	log    *slog.Logger
	config *tls.Config

	now     atomic.Pointer[loaded]
	checked atomic.Int64 // when files were looked at last
	mu      sync.Mutex   // one reload at a time
}

type loaded struct {
	certs  []tls.Certificate
	stamps []string // of the files
	names  map[string]int
}

// Open reads the certificates, whose files have their whole names
// (spec.ParseIn).
func Open(s spec.TLS, log *slog.Logger) (*Store, error) {
	st := &Store{spec: s, log: log}
	l, err := st.load()
	if err != nil {
		return nil, err
	}
	st.config = st.newConfig()
	st.now.Store(l)
	st.checked.Store(time.Now().UnixNano())
	return st, nil
}

func (s *Store) load() (*loaded, error) {
	l := &loaded{names: map[string]int{}}
	for i, c := range s.spec.Certificates {
		// The stamp is taken first: a file that changes while it is read is read
		// again.
		l.stamps = append(l.stamps, s.stamp(c))
		cert, err := tls.LoadX509KeyPair(c.Chain, c.Key)
		if err != nil {
			return nil, fmt.Errorf("certificate %s: %w", c.Chain, err)
		}
		l.certs = append(l.certs, cert)
		names := cert.Leaf.DNSNames
		if len(names) == 0 && cert.Leaf.Subject.CommonName != "" {
			names = []string{cert.Leaf.Subject.CommonName}
		}
		for _, n := range names {
			if n = strings.ToLower(n); !has(l.names, n) {
				l.names[n] = i
			}
		}
	}
	return l, nil
}

func has(m map[string]int, k string) bool { _, ok := m[k]; return ok }

func (s *Store) stamp(c spec.Certificate) string {
	stamp := ""
	for _, name := range []string{c.Chain, c.Key} {
		if i, err := os.Stat(name); err == nil {
			stamp += fmt.Sprintf("%d %d;", i.ModTime().UnixNano(), i.Size())
		}
	}
	return stamp
}

// refresh loads files that changed. Ones that cannot be read leave what was
// there: an expired certificate serves better than none.
func (s *Store) refresh() {
	last, now := s.checked.Load(), time.Now().UnixNano()
	if now-last < int64(checkEvery) || !s.checked.CompareAndSwap(last, now) || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	old, changed := s.now.Load(), false
	for i, c := range s.spec.Certificates {
		changed = changed || s.stamp(c) != old.stamps[i]
	}
	if !changed {
		return
	}
	l, err := s.load()
	if err != nil {
		s.log.Warn("a changed certificate cannot be read; the old one stays", "error", err.Error())
		return
	}
	s.now.Store(l)
	s.log.Info("certificates were read again", "certificates", len(l.certs))
}

// get returns the certificate for a name: the exact one, the one with a
// wildcard for its first label, or the first of the listener.
func (s *Store) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.refresh()
	l := s.now.Load()
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	if i, ok := l.names[name]; ok {
		return &l.certs[i], nil
	}
	if _, rest, ok := strings.Cut(name, "."); ok {
		if i, ok := l.names["*."+rest]; ok {
			return &l.certs[i], nil
		}
	}
	return &l.certs[0], nil
}

// Config returns the TLS configuration that serves the store's certificates. It
// is one for all connections, so that sessions can be resumed; nobody may change
// it.
func (s *Store) Config() *tls.Config { return s.config }

func (s *Store) newConfig() *tls.Config {
	least := uint16(tls.VersionTLS12)
	if s.spec.MinVersion == "1.3" {
		least = tls.VersionTLS13
	}
	return &tls.Config{MinVersion: least, NextProtos: s.spec.ALPN, GetCertificate: s.get}
}
