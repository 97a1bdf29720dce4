package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/proxy/flow"
)

// rewriteMark is between the backend's mark and the service's own cookie value.
const rewriteMark = "~"

// stickTo is the backend that the request's cookie names; empty without one.
func (x *exchange) stickTo() string {
	p := x.snap.Table.Pools[x.pool].Spec.Persistence
	if p.Kind != spec.CookieInsert && p.Kind != spec.CookieRewrite {
		return ""
	}
	c, err := x.r.Cookie(p.Cookie)
	if err != nil {
		return ""
	}
	mark, _, _ := strings.Cut(c.Value, rewriteMark)
	pool := &x.snap.Table.Pools[x.pool]
	for i := pool.First; i < pool.First+pool.Count; i++ {
		if name := x.snap.Table.Backends[i].Spec.Name; markOf(name) == mark {
			return name
		}
	}
	return ""
}

// stick adds or rewrites the cookie of an answer.
func (x *exchange) stick(place *flow.Place, header http.Header) {
	p := place.Pool.Persistence
	switch p.Kind {
	case spec.CookieInsert:
		if c, err := x.r.Cookie(p.Cookie); err == nil && c.Value == markOf(place.Name) {
			return // it has it
		}
		c := http.Cookie{Name: p.Cookie, Value: markOf(place.Name), Path: "/", MaxAge: int(p.For.D().Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: x.r.TLS != nil}
		header.Add("Set-Cookie", c.String())
		// Otherwise one client's cookie could reach others through a cache.
		if header.Get("Cache-Control") == "" {
			header.Set("Cache-Control", "private")
		}
	case spec.CookieRewrite:
		prefix := p.Cookie + "="
		lines := slices.Clone(header["Set-Cookie"])
		for i, line := range lines {
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				lines[i] = prefix + markOf(place.Name) + rewriteMark + rest
				header["Set-Cookie"] = lines
			}
		}
	case spec.PersistOff, spec.PersistSource:
	}
}

// unstick takes our part out of the request's cookies: the backend sees what it
// set itself. It returns nothing when no cookie is left.
func unstick(p *spec.Persistence, lines []string) string {
	var kept []string
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ";") {
			part = strings.TrimSpace(part)
			if value, ours := strings.CutPrefix(part, p.Cookie+"="); ours {
				if p.Kind == spec.CookieInsert {
					continue
				}
				if _, own, ok := strings.Cut(value, rewriteMark); ok {
					part = p.Cookie + "=" + own
				}
			}
			if part != "" {
				kept = append(kept, part)
			}
		}
	}
	return strings.Join(kept, "; ")
}

// markOf is a backend's mark in cookies: stable, and it tells nobody the
// backend's name or address.
func markOf(name string) string {
	sum := sha256.Sum256([]byte("holdfast cookie " + name))
	return hex.EncodeToString(sum[:6])
}
