package sshd

import (
	"bufio"
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/holdfast-edge/holdfast/engine/api"
)

// Bounds of an authorized_keys file.
const (
	keyFileMax = 1 << 20 // bytes: some thousand keys
	keyLineMax = 16 << 10
	rsaBitsMin = 2048 // NIST SP 800-131A
)

// line is one line of the file.
type line struct {
	number     int
	comment    string
	key        gossh.PublicKey
	role       api.Role
	wallboard  bool // may see the wallboard and nothing else
	authority  bool // admits certificates, not the key itself
	principals []string
	from       []pattern // empty: from anywhere
	expires    time.Time // zero: never
}

// Flaw is what is wrong with a line. The line admits nobody.
type Flaw struct {
	Line int // from 1
	Text string
}

// String says where and what.
func (f Flaw) String() string { return fmt.Sprintf("line %d: %s", f.Line, f.Text) }

// keys is a file that was read. It does not change.
type keys struct {
	lines   map[string][]*line // by the key's wire form, in the file's order
	revoked map[string]bool    // keys that are refused as such, in a certificate, and as its authority
	count   int
}

// parseKeys reads a file. A line with anything in it that is not understood
// admits nobody, since what is not understood may have been a restriction; the
// others hold.
func parseKeys(text []byte, zone *time.Location) (*keys, []Flaw) {
	k := &keys{lines: map[string][]*line{}, revoked: map[string]bool{}}
	var flaws []Flaw
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, keyLineMax)
	n := 0
	for s.Scan() {
		n++
		one := bytes.TrimSpace(s.Bytes())
		if len(one) == 0 || one[0] == '#' {
			continue
		}
		l, revoked, err := parseLine(one, zone)
		if err != nil {
			flaws = append(flaws, Flaw{n, err.Error()})
			continue
		}
		k.count++
		if revoked {
			k.revoked[string(l.key.Marshal())] = true
			continue
		}
		l.number = n
		id := string(l.key.Marshal())
		k.lines[id] = append(k.lines[id], l)
	}
	if err := s.Err(); err != nil {
		flaws = append(flaws, Flaw{n + 1, fmt.Sprintf("it has more than %d bytes; nothing from here on is read", keyLineMax)})
	}
	return k, flaws
}

func parseLine(text []byte, zone *time.Location) (l *line, revoked bool, err error) {
	key, comment, options, _, err := gossh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, false, errors.New("it is no public key with options before it (sshd(8), AUTHORIZED_KEYS FILE FORMAT)")
	}
	if err := strong(key); err != nil {
		return nil, false, err
	}
	l = &line{comment: clean(comment), key: key}
	for _, o := range options {
		name, value, quoted, err := option(o)
		if err != nil {
			return nil, false, err
		}
		if name == "revoked" && !quoted {
			revoked = true
			continue
		}
		if err := l.set(name, value, quoted, zone); err != nil {
			return nil, false, err
		}
	}
	switch {
	case revoked:
	case l.wallboard && l.role != "" && l.role != api.RoleViewer:
		return nil, false, fmt.Errorf("a wallboard only looks; role=%q does not go with it", l.role)
	case l.wallboard:
		l.role = api.RoleViewer
	case l.role == "":
		return nil, false, errors.New(`it has no role; begin it with role="viewer", "operator" or "admin"`)
	case l.authority && len(l.principals) == 0:
		return nil, false, errors.New(`an authority needs principals="NAME,…": whose certificates have this role`)
	case !l.authority && len(l.principals) > 0:
		return nil, false, errors.New("principals go with cert-authority")
	}
	return l, revoked, nil
}

// option splits one option of a line.
func option(o string) (name, value string, quoted bool, err error) {
	name, value, quoted = strings.Cut(o, "=")
	name = strings.ToLower(name)
	if !quoted {
		return name, "", false, nil
	}
	inner, ok := strings.CutPrefix(value, `"`)
	inner, ok2 := strings.CutSuffix(inner, `"`)
	if !ok || !ok2 {
		return "", "", false, fmt.Errorf("the value of %s stands in double quotes: %s=\"…\"", clean(name), clean(name))
	}
	return name, strings.ReplaceAll(inner, `\"`, `"`), true, nil
}

// set takes one option.
func (l *line) set(name, value string, quoted bool, zone *time.Location) error {
	var err error
	switch {
	case name == "role" && quoted:
		var ok bool
		if l.role, ok = api.ParseRole(value); !ok {
			return fmt.Errorf("role=%q is none; the roles are viewer, operator, admin", clean(value))
		}
	case name == "wallboard" && !quoted:
		l.wallboard = true
	case name == "cert-authority" && !quoted:
		l.authority = true
	case name == "principals" && quoted:
		l.principals = strings.Split(value, ",")
		if slices.Contains(l.principals, "") {
			return errors.New("principals has an empty name in it")
		}
	case name == "from" && quoted:
		l.from, err = parsePatterns(value)
	case name == "expiry-time" && quoted:
		l.expires, err = parseExpiry(value, zone)
	case slices.Contains([]string{"restrict", "no-agent-forwarding", "no-port-forwarding", "no-x11-forwarding", "no-user-rc"}, name) && !quoted:
		// Nothing of this exists here.
	default:
		return fmt.Errorf("the option %s is not known here, so that the line admits nobody; known are role, wallboard, from, expiry-time, cert-authority, principals, revoked, restrict", clean(name))
	}
	return err
}

// strong refuses kinds of keys that prove nothing any more.
func strong(key gossh.PublicKey) error {
	switch key.Type() {
	case gossh.KeyAlgoED25519, gossh.KeyAlgoSKED25519, gossh.KeyAlgoECDSA256, gossh.KeyAlgoECDSA384, gossh.KeyAlgoECDSA521, gossh.KeyAlgoSKECDSA256:
		return nil
	case gossh.KeyAlgoRSA:
		if c, ok := key.(gossh.CryptoPublicKey); ok {
			if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok && k.N.BitLen() >= rsaBitsMin {
				return nil
			}
		}
		return fmt.Errorf("an RSA key needs %d bits at least", rsaBitsMin)
	}
	return fmt.Errorf("keys of the kind %s are not taken; use ed25519", clean(key.Type()))
}

// parseExpiry reads the time of sshd(8): YYYYMMDD[HHMM[SS]][Z].
func parseExpiry(s string, zone *time.Location) (time.Time, error) {
	digits, utc := strings.CutSuffix(s, "Z")
	if utc {
		zone = time.UTC
	}
	layout := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}[len(digits)]
	t, err := time.ParseInLocation(layout, digits, zone)
	if layout == "" || err != nil {
		return time.Time{}, fmt.Errorf("expiry-time=%q is no time; write YYYYMMDD[HHMM[SS]][Z]", clean(s))
	}
	return t, nil
}

// pattern is one of a from list: a network, or an address with wildcards.
type pattern struct {
	not    bool
	prefix netip.Prefix
	glob   string
}

func parsePatterns(list string) ([]pattern, error) {
	var all []pattern
	for p := range strings.SplitSeq(list, ",") {
		one, not := strings.CutPrefix(strings.TrimSpace(p), "!")
		x := pattern{not: not}
		if prefix, err := netip.ParsePrefix(one); err == nil {
			x.prefix = prefix.Masked()
		} else if a, err := netip.ParseAddr(one); err == nil {
			x.prefix = netip.PrefixFrom(a.Unmap().WithZone(""), a.Unmap().BitLen())
		} else if strings.Trim(one, "0123456789abcdefABCDEF.:*?") == "" && strings.ContainsAny(one, "*?") {
			x.glob = strings.ToLower(one)
		} else {
			return nil, fmt.Errorf("from: %q is no address or network; names are not looked up", clean(one))
		}
		all = append(all, x)
	}
	return all, nil
}

// admits reports whether an address is on the list, by the rule of ssh_config(5):
// one that matches must, and none that is negated may.
func admits(list []pattern, a netip.Addr) bool {
	if len(list) == 0 {
		return true
	}
	a = a.Unmap().WithZone("")
	yes := false
	for _, p := range list {
		hit := p.prefix.IsValid() && p.prefix.Contains(a)
		if p.glob != "" {
			hit, _ = path.Match(p.glob, a.String())
		}
		if hit && p.not {
			return false
		}
		yes = yes || hit
	}
	return yes
}

// clean takes out of text of others what a terminal would obey.
func clean(s string) string {
	const most = 128
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\uFFFD' || r == 0x061c || r >= 0x200e && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, s)
}
