package identity

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// scheme of the URIs in certificates.
const scheme = "holdfast"

// Name is what a certificate says of who holds it: a host and its site, or a
// person and a role.
type Name struct {
	Fleet  string   `json:"fleet"`
	Site   string   `json:"site,omitempty"`
	Host   string   `json:"host,omitempty"`
	Person string   `json:"person,omitempty"`
	Role   api.Role `json:"role,omitempty"`
}

// Peer is a name that a certificate proved.
type Peer struct {
	Name
	// Joined is when its holder came in by a token. Renewals hand it on.
	Joined time.Time
	Issued time.Time // the certificate
	Until  time.Time
}

// String returns host/tokyo-1 or person/mika.
func (n Name) String() string {
	if n.Host != "" {
		return string(id.KindHost) + "/" + n.Host
	}
	return "person/" + n.Person
}

// Check returns why no certificate can bear the name, and nil if one can.
func (n Name) Check() error {
	for _, part := range []struct{ what, is string }{{"fleet", n.Fleet}, {"site", n.Site}, {"host", n.Host}, {"person", n.Person}} {
		if part.is == "" {
			continue
		}
		if err := id.CheckName(part.is); err != nil {
			return fmt.Errorf("identity: the %s: %w", part.what, err)
		}
	}
	host := n.Host != "" && n.Site != "" && n.Person == "" && n.Role == ""
	person := n.Person != "" && n.Role != "" && n.Host == "" && n.Site == ""
	if n.Fleet == "" || host == person {
		return fmt.Errorf("identity: a certificate names a host with its site, or a person with a role, of one fleet; not %+v", n)
	}
	if person {
		if _, ok := api.ParseRole(string(n.Role)); !ok {
			return fmt.Errorf("identity: %.40q is no role; the roles are %v", n.Role, api.Roles())
		}
	}
	return nil
}

func (n Name) uris(joined time.Time) []*url.URL {
	var all []*url.URL
	since := strconv.FormatInt(joined.UnixNano(), 10)
	for _, part := range []struct{ kind, is string }{{"site", n.Site}, {"host", n.Host}, {"person", n.Person}, {"role", string(n.Role)}, {"joined", since}} {
		if part.is != "" {
			all = append(all, &url.URL{Scheme: scheme, Host: n.Fleet, Path: "/" + part.kind + "/" + part.is})
		}
	}
	return all
}

// named reads the name out of a certificate, and when its holder joined. It must
// say one thing of each kind, and nothing else.
func named(c *x509.Certificate) (n Name, joined time.Time, err error) {
	if len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses) > 0 {
		return n, joined, fmt.Errorf("it names more than URIs")
	}
	since := ""
	for _, u := range c.URIs {
		kind, is, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		if !ok || u.Scheme != scheme || u.String() != scheme+"://"+u.Host+"/"+kind+"/"+is {
			return n, joined, fmt.Errorf("the URI %.80q is none of a fleet", u.String())
		}
		if n.Fleet == "" {
			n.Fleet = u.Host
		}
		var into *string
		switch kind {
		case "site":
			into = &n.Site
		case "host":
			into = &n.Host
		case "person":
			into = &n.Person
		case "role":
			into = (*string)(&n.Role)
		case "joined":
			into = &since
		default:
			return n, joined, fmt.Errorf("the URI %.80q names no kind of thing that is known", u.String())
		}
		if *into != "" || u.Host != n.Fleet {
			return n, joined, fmt.Errorf("it names two of a kind")
		}
		*into = is
	}
	nanos, err := strconv.ParseInt(since, 10, 64)
	if err != nil || strconv.FormatInt(nanos, 10) != since {
		return n, joined, fmt.Errorf("it does not say when its holder joined")
	}
	return n, time.Unix(0, nanos), n.Check()
}
