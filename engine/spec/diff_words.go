package spec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// name is a thing's name.
func name[T thing](x *T) string { return reflect.ValueOf(x).Elem().FieldByName("Name").String() }

// short is a thing that came or went, in few words.
func short(x any) string {
	var s string
	switch x := x.(type) {
	case *Site:
		s = number(len(x.Hosts), "host")
	case *Host:
		s = x.Address
	case *Probe:
		s = fmt.Sprintf("%s every %s", x.Kind, x.Interval)
	case *Pool:
		s = fmt.Sprintf("%s in %s, %s", x.Scheduler, x.Site, number(len(x.Backends), "backend"))
	case *Backend:
		s = x.AddrPort()
		if x.Host != "" {
			s += " on " + x.Host
		}
		s += fmt.Sprintf(", weight %d", x.WeightNow())
		if x.Backup {
			s += ", backup"
		}
	case *Listener:
		s = fmt.Sprintf("%s port %d in %s", x.Protocol, x.Port, x.Site)
		if x.Pool != "" {
			s += ", pool " + x.Pool
		}
	case *Clients:
		s = fmt.Sprintf("%g a second on %s", x.Rate, x.Listener)
	case *Drill:
		s = fmt.Sprintf("%s %s", x.Fault.Kind, x.Fault.Target)
	}
	s, _ = cutPair(s, "")
	return s
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// written is a value as a spec writes it, empty for what is not set.
func written(v reflect.Value) string {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return ""
		}
		return written(v.Elem())
	case reflect.Slice:
		all := make([]string, v.Len())
		for i := range all {
			all[i] = written(v.Index(i))
		}
		return strings.Join(all, ", ")
	case reflect.Map:
		all := make([]string, 0, v.Len())
		for _, k := range v.MapKeys() {
			all = append(all, written(k)+": "+written(v.MapIndex(k)))
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	case reflect.Struct:
		var all []string
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				all = append(all, fieldName(v.Type().Field(i))+": "+written(v.Field(i)))
			}
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	return fmt.Sprint(v.Interface())
}

// Bounds of a value in a change, in bytes: it stands on one line of a screen, and
// a long one is shown from shortly before where it differs.
const (
	valueMax    = 120
	valueBefore = 20
)

// cutPair cuts two values that differ to what can be shown.
func cutPair(a, b string) (string, string) {
	if len(a) <= valueMax && len(b) <= valueMax {
		return a, b
	}
	from := 0
	for from < len(a) && from < len(b) && a[from] == b[from] {
		from++
	}
	if from = from - valueBefore; from+valueBefore < valueMax-valueBefore {
		from = 0
	}
	return cut(a, from), cut(b, from)
}

func cut(s string, from int) string {
	from = min(max(from, 0), len(s))
	for from > 0 && from < len(s) && !utf8.RuneStart(s[from]) {
		from--
	}
	to := min(from+valueMax, len(s))
	for to > from && to < len(s) && !utf8.RuneStart(s[to]) {
		to--
	}
	out := s[from:to]
	if from > 0 {
		out = "…" + out
	}
	if to < len(s) {
		out += "…"
	}
	return out
}
