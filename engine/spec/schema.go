package spec

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
)

// source is where the schema's descriptions come from: the comments that stand
// beside the fields are what an editor shows.
//
//go:embed fleet.go
var source string

// Schema returns the JSON Schema (draft 2020-12) of a spec, made from the same
// types that Parse fills. Ranges that hang together with other values are for
// Parse alone.
func Schema() ([]byte, error) {
	comments, err := commentsOf(source)
	if err != nil {
		return nil, err
	}
	s := &schema{comments: comments, defs: map[string]any{}}
	root := s.object(reflect.TypeFor[Fleet]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Holdfast fleet"
	root["required"] = []string{"fleet", "sites"}
	root["$defs"] = s.defs
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("spec: encode the schema: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

type schema struct {
	comments map[string]string // by Type.Field and by Type
	defs     map[string]any
}

func (s *schema) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []string
	for i := range t.NumField() {
		f := t.Field(i)
		key, rest, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == unwritten {
			continue
		}
		p := s.of(f.Type)
		if c := s.comments[t.Name()+"."+f.Name]; c != "" {
			if _, ref := p["$ref"]; ref {
				p = map[string]any{"allOf": []any{p}}
			}
			p["description"] = c
		}
		properties[key] = p
		if rest != "omitempty" && f.Type.Kind() != reflect.Bool {
			required = append(required, key)
		}
	}
	o := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	if c := s.comments[t.Name()]; c != "" {
		o["description"] = c
	}
	return o
}

// of returns the schema of a type.
func (s *schema) of(t reflect.Type) map[string]any {
	if t.Kind() == reflect.Pointer {
		return s.of(t.Elem())
	}
	switch t {
	case reflect.TypeFor[Duration]():
		// Without a unit there is only zero.
		return map[string]any{"type": []string{"string", "integer"}, "pattern": `^(0|\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`, "maximum": 0, "minimum": 0}
	case reflect.TypeFor[Percent]():
		return map[string]any{"type": "string", "pattern": `^[0-9.]+ *%$`}
	case reflect.TypeFor[Size]():
		return map[string]any{"type": []string{"string", "integer"}, "pattern": `^[0-9]+ *(B|KiB|MiB)?$`, "minimum": 0}
	}
	if v, ok := reflect.Zero(t).Interface().(interface{ Values() []string }); ok {
		return map[string]any{"type": "string", "enum": v.Values()}
	}
	switch t.Kind() {
	case reflect.Struct:
		name := strings.ToLower(t.Name())
		if _, ok := s.defs[name]; !ok {
			s.defs[name] = nil // a type that holds itself ends here
			s.defs[name] = s.object(t)
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	default:
		return map[string]any{"type": "string"}
	}
}

// commentsOf reads the comments of a file's types and fields.
func commentsOf(source string) (map[string]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "fleet.go", source, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("spec: read the schema's descriptions: %w", err)
	}
	out := map[string]string{}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, one := range g.Specs {
			t, ok := one.(*ast.TypeSpec)
			if !ok {
				continue
			}
			out[t.Name.Name] = text(g.Doc)
			st, ok := t.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range st.Fields.List {
				for _, n := range f.Names {
					if out[t.Name.Name+"."+n.Name] = text(f.Doc); f.Doc == nil {
						out[t.Name.Name+"."+n.Name] = text(f.Comment)
					}
				}
			}
		}
	}
	return out, nil
}

func text(c *ast.CommentGroup) string {
	if c == nil {
		return ""
	}
	return strings.Join(strings.Fields(c.Text()), " ")
}
