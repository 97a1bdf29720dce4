package spec

import (
	"reflect"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/id"
)

// ChangeKind says what became of a thing between two specs.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// KindProbe names probes in changes. They are no targets, so id has no kind for
// them.
const KindProbe id.Kind = "probe"

// Change is one thing that differs between two specs.
type Change struct {
	Subject id.Ref
	// Of is what the subject is part of: a backend's pool, a host's site.
	Of   id.Ref
	Kind ChangeKind
	// Field is what of a changed subject: weight, upstream.tls.
	Field string
	// Before and After are the field as a spec writes it; empty: it is not set. Of
	// what came or went, they are the thing in short.
	Before, After string
}

// Diff returns what differs between two complete specs, and nothing exactly when
// they mean the same: layout and comments are no difference, nor is a default
// that is written out. It is ordered as a fleet is described: fleet, sites and
// their hosts, probes, pools and their backends, listeners, clients, drills; in
// each list what the second spec has, in its order, then what is gone.
func Diff(a, b *Fleet) []Change {
	d := &differ{}
	fleet := id.To(id.KindFleet, b.Name)
	d.fields(fleet, id.Ref{}, "", reflect.ValueOf(*a), reflect.ValueOf(*b), "Sites", "Probes", "Pools", "Listeners", "Clients", "Drills")
	each(d, fleet, id.KindSite, id.Ref{}, a.Sites, b.Sites, "Hosts")
	each(d, fleet, KindProbe, id.Ref{}, a.Probes, b.Probes)
	each(d, fleet, id.KindPool, id.Ref{}, a.Pools, b.Pools, "Backends")
	each(d, fleet, id.KindListener, id.Ref{}, a.Listeners, b.Listeners)
	each(d, fleet, id.KindClients, id.Ref{}, a.Clients, b.Clients)
	each(d, fleet, id.KindDrill, id.Ref{}, a.Drills, b.Drills)
	return d.all
}

// thing is what a list of a spec holds: what has a name.
type thing interface {
	Site | Host | Probe | Pool | Backend | Listener | Clients | Drill
}

type differ struct{ all []Change }

// each adds what differs between two lists of things. owner is whose lists they
// are, of what their members are part of.
func each[T thing](d *differ, owner id.Ref, kind id.Kind, of id.Ref, before, after []T, nested ...string) {
	was := make(map[string]*T, len(before))
	for i := range before {
		was[name(&before[i])] = &before[i]
	}
	is := make(map[string]bool, len(after))
	for i := range after {
		x := &after[i]
		ref := id.To(kind, name(x))
		is[ref.Name] = true
		old, ok := was[ref.Name]
		if !ok {
			d.all = append(d.all, Change{Subject: ref, Of: of, Kind: Added, After: short(x)})
			continue
		}
		if reflect.DeepEqual(*old, *x) {
			continue // most of a large spec is as it was
		}
		d.fields(ref, of, "", reflect.ValueOf(*old), reflect.ValueOf(*x), nested...)
		d.parts(ref, old, x)
	}
	var stayed []string
	for i := range before {
		n := name(&before[i])
		if is[n] {
			stayed = append(stayed, n)
			continue
		}
		d.all = append(d.all, Change{Subject: id.To(kind, n), Of: of, Kind: Removed, Before: short(&before[i])})
	}
	// Of backends it is the order in which they serve.
	var now []string
	for i := range after {
		if n := name(&after[i]); was[n] != nil {
			now = append(now, n)
		}
	}
	if !slices.Equal(stayed, now) {
		a, b := cutPair(strings.Join(stayed, ", "), strings.Join(now, ", "))
		d.all = append(d.all, Change{Subject: owner, Kind: Changed, Field: "order of " + plural(kind), Before: a, After: b})
	}
}

func plural(k id.Kind) string { return strings.TrimSuffix(string(k), "s") + "s" }

// parts adds what differs between the things that a thing holds.
func (d *differ) parts(ref id.Ref, before, after any) {
	switch before := before.(type) {
	case *Site:
		each(d, ref, id.KindHost, ref, before.Hosts, after.(*Site).Hosts)
	case *Pool:
		each(d, ref, id.KindBackend, ref, before.Backends, after.(*Pool).Backends)
	}
}

// fields adds the fields that differ between two structs, but for its name and
// those that are listed.
func (d *differ) fields(ref, of id.Ref, path string, before, after reflect.Value, but ...string) {
	for i := range before.NumField() {
		f := before.Type().Field(i)
		if slices.Contains(but, f.Name) || path == "" && f.Name == "Name" && ref.Kind != id.KindFleet {
			continue
		}
		d.value(ref, of, path+fieldName(f), before.Field(i), after.Field(i))
	}
}

// value adds one field if it differs; of a struct each field of its own.
func (d *differ) value(ref, of id.Ref, path string, before, after reflect.Value) {
	if reflect.DeepEqual(before.Interface(), after.Interface()) {
		return
	}
	if t := before.Type(); t.Kind() == reflect.Struct {
		d.fields(ref, of, path+".", before, after)
		return
	}
	if before.Kind() == reflect.Pointer && before.Type().Elem().Kind() == reflect.Struct && !before.IsNil() && !after.IsNil() {
		d.fields(ref, of, path+".", before.Elem(), after.Elem())
		return
	}
	if k := before.Kind(); (k == reflect.Slice || k == reflect.Map) && before.Len()+after.Len() == 0 {
		return // nothing, written in two ways
	}
	was, is := cutPair(written(before), written(after))
	d.all = append(d.all, Change{Subject: ref, Of: of, Kind: Changed, Field: path, Before: was, After: is})
}

// fieldName is a field as a spec names it.
func fieldName(f reflect.StructField) string {
	tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if tag == "" || tag == "-" { // it follows from where the spec is
		return strings.ToLower(f.Name)
	}
	return tag
}
