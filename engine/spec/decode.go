package spec

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills Go values from a YAML tree. It goes on after an error, so that
// a file's mistakes are reported together, and remembers where each value
// stood, so that later checks can point at it.
type decoder struct {
	file   string
	errs   Errors
	places map[string]place // by path: pools[0].backends[1].weight
	strays int              // errors that leave all values readable: unknown keys
}

type place struct{ line, column int }

// fail records an error at a place.
func (d *decoder) fail(at place, path, text, want string) {
	if len(d.errs) < errorsKept {
		d.errs = append(d.errs, Error{File: d.file, Line: at.line, Column: at.column, Path: path, Text: text, Want: want})
	}
}

// at returns where the value of a path stood, or where the nearest thing
// around it did.
func (d *decoder) at(path string) place {
	for {
		if p, ok := d.places[path]; ok {
			return p
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return d.places[""]
		}
		path = path[:cut]
	}
}

func placeOf(n ast.Node) place {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return place{1, 1}
	}
	p := n.GetToken().Position
	return place{max(p.Line, 1), max(p.Column, 1)}
}

// pairs returns the key-value pairs of a mapping; false for other nodes. The
// parser gives a mapping of one key a type of its own.
func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// kindName says what a node is, in words for an error.
func kindName(n ast.Node) string {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + quote(n.String())
	case *ast.StringNode:
		return "the text " + quote(n.Value)
	case *ast.LiteralNode:
		return "a block of text"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "a YAML anchor or alias"
	case *ast.TagNode:
		return "a YAML tag"
	}
	return "something else"
}

// value decodes node n into v.
func (d *decoder) value(n ast.Node, v reflect.Value, path string) {
	d.places[path] = placeOf(n)
	if v.Kind() == reflect.Pointer {
		if _, null := n.(*ast.NullNode); null {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Interface().(type) {
	case Duration, Percent, Size:
		d.unit(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Map:
		d.texts(n, v, path)
	case reflect.String:
		d.text(n, v, path)
	case reflect.Int:
		d.integer(n, v, path)
	case reflect.Float64:
		d.number(n, v, path)
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
			return
		}
		d.wrong(n, path, "true or false")
	default:
		// A type that the words of a spec cannot have: a programmer's error.
		panic(fmt.Sprintf("spec: no way to decode %s at %s", v.Type(), path))
	}
}

func (d *decoder) wrong(n ast.Node, path, want string) {
	d.fail(placeOf(n), path, "found "+kindName(n), "expected "+want)
}

func (d *decoder) object(n ast.Node, v reflect.Value, path string) {
	all, ok := pairs(n)
	if !ok {
		d.wrong(n, path, "a mapping with "+strings.Join(keysOf(v.Type()), ", "))
		return
	}
	seen := map[string]place{}
	for _, pair := range all {
		key, at := keyText(pair), placeOf(pair.Key)
		if key == "" {
			d.fail(at, path, "found a key that is no plain text", "expected one of "+strings.Join(keysOf(v.Type()), ", "))
			continue
		}
		if first, twice := seen[key]; twice {
			d.fail(at, join(path, key), "the key stands twice", fmt.Sprintf("the first one is in line %d", first.line))
			continue
		}
		seen[key] = at
		i := fieldOf(v.Type(), key)
		if i < 0 {
			known := keysOf(v.Type())
			d.strays++
			d.fail(at, path, "unknown key "+quote(key)+nearest(key, known), "expected one of "+strings.Join(known, ", "))
			continue
		}
		d.value(pair.Value, v.Field(i), join(path, key))
	}
}

func (d *decoder) list(n ast.Node, v reflect.Value, path string) {
	if _, null := n.(*ast.NullNode); null {
		return
	}
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.wrong(n, path, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, item := range s.Values {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

func (d *decoder) texts(n ast.Node, v reflect.Value, path string) {
	all, ok := pairs(n)
	if !ok {
		d.wrong(n, path, "a mapping of texts")
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(all)))
	for _, pair := range all {
		key := keyText(pair)
		if v.MapIndex(reflect.ValueOf(key)).IsValid() {
			d.fail(placeOf(pair.Key), join(path, key), "the key stands twice", "")
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(pair.Value, value, join(path, key))
		v.SetMapIndex(reflect.ValueOf(key), value)
	}
}

// text accepts numbers and booleans where text is expected only when they are
// quoted: YAML's guesses (no, 1e3, 08) are how mistakes stay unseen.
func (d *decoder) text(n ast.Node, v reflect.Value, path string) {
	var s string
	switch n := n.(type) {
	case *ast.StringNode:
		s = n.Value
	case *ast.LiteralNode:
		s = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		d.wrong(n, path, "text; put it in quotes if it is meant")
		return
	default:
		d.wrong(n, path, "text")
		return
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' || r == 0x7f }); i >= 0 {
		d.fail(placeOf(n), path, "the text has a control character at byte "+strconv.Itoa(i+1), "expected printable text")
		return
	}
	if e, ok := v.Interface().(interface{ Values() []string }); ok {
		if all := e.Values(); !slices.Contains(all, s) {
			d.fail(placeOf(n), path, "found "+quote(s)+nearest(s, all), "expected one of "+strings.Join(all, ", "))
			return
		}
	}
	v.SetString(s)
}

func (d *decoder) integer(n ast.Node, v reflect.Value, path string) {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		d.wrong(n, path, "a whole number")
		return
	}
	switch x := i.Value.(type) {
	case int64:
		v.SetInt(x)
	case uint64:
		if x > math.MaxInt64 {
			d.wrong(n, path, "a smaller number")
			return
		}
		v.SetInt(int64(x))
	default:
		d.wrong(n, path, "a whole number")
	}
}

func (d *decoder) number(n ast.Node, v reflect.Value, path string) {
	switch n := n.(type) {
	case *ast.FloatNode:
		v.SetFloat(n.Value)
	case *ast.IntegerNode:
		i := reflect.New(reflect.TypeFor[int]()).Elem()
		d.integer(n, i, path)
		v.SetFloat(float64(i.Int()))
	default:
		d.wrong(n, path, "a number")
	}
}

// unit reads a Duration, Percent or Size.
func (d *decoder) unit(n ast.Node, v reflect.Value, path string) {
	var s string
	switch n := n.(type) {
	case *ast.StringNode:
		s = n.Value
	case *ast.IntegerNode, *ast.FloatNode:
		s = n.GetToken().Value
	default:
		d.wrong(n, path, unitWant(v))
		return
	}
	var err error
	switch v.Interface().(type) {
	case Duration:
		var x time.Duration
		if x, err = parseDuration(s); err == nil {
			v.SetInt(int64(x))
		}
	case Percent:
		var x float64
		if x, err = parsePercent(s); err == nil {
			v.SetFloat(x)
		}
	case Size:
		var x int64
		if x, err = parseSize(s); err == nil {
			v.SetInt(x)
		}
	}
	if err != nil {
		d.fail(placeOf(n), path, err.Error(), "expected "+unitWant(v))
	}
}

func unitWant(v reflect.Value) string {
	switch v.Interface().(type) {
	case Duration:
		return "a length of time such as 500ms, 2s or 1m30s"
	case Percent:
		return "a share such as 20%"
	}
	return "a size such as 512B, 16KiB or 4MiB"
}

func keyText(pair *ast.MappingValueNode) string {
	if s, ok := pair.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return ""
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// keysOf lists the keys of a struct, in its order.
func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if key := keyOf(t.Field(i)); key != unwritten {
			keys = append(keys, key)
		}
	}
	return keys
}

// unwritten is the key of a field that no file has: it is filled in.
const unwritten = "-"

func keyOf(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return key
}

func fieldOf(t reflect.Type, key string) int {
	for i := range t.NumField() {
		if keyOf(t.Field(i)) == key && key != unwritten {
			return i
		}
	}
	return -1
}
