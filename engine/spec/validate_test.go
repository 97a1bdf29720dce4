package spec_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// schema is a JSON Schema as far as Schema uses the language. A keyword that is
// not known here fails the decoding, so that nothing is passed over in silence.
type schema struct {
	Schema      string             `json:"$schema"`
	Ref         string             `json:"$ref"`
	Defs        map[string]*schema `json:"$defs"`
	Title       string             `json:"title"`
	Description string             `json:"description"`
	Type        kinds              `json:"type"`
	Enum        []string           `json:"enum"`
	Pattern     string             `json:"pattern"`
	Minimum     *float64           `json:"minimum"`
	Maximum     *float64           `json:"maximum"`
	Properties  map[string]*schema `json:"properties"`
	Additional  *closed            `json:"additionalProperties"`
	Required    []string           `json:"required"`
	Items       *schema            `json:"items"`
	AllOf       []*schema          `json:"allOf"`
}

// kinds is one type or several.
type kinds []string

func (k *kinds) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		*k = kinds{""}
		return json.Unmarshal(b, &(*k)[0])
	}
	return json.Unmarshal(b, (*[]string)(k))
}

// closed is additionalProperties: false, or a schema.
type closed struct{ *schema }

func (c *closed) UnmarshalJSON(b []byte) error {
	if string(b) == "false" {
		return nil
	}
	return json.Unmarshal(b, &c.schema)
}

func (s *schema) resolve(root *schema) *schema {
	for s.Ref != "" {
		s = root.Defs[strings.TrimPrefix(s.Ref, "#/$defs/")]
	}
	if len(s.AllOf) == 1 {
		return s.AllOf[0].resolve(root)
	}
	return s
}

// check returns why v is not as the schema says. used collects the properties
// that were met, by definition.
func (s *schema) check(root *schema, v any, path string, used map[*schema]bool) error {
	s = s.resolve(root)
	is := func(kind string) bool { return slices.Contains(s.Type, kind) }
	switch v := v.(type) {
	case map[string]any:
		if !is("object") {
			return fmt.Errorf("%s is an object", path)
		}
		for _, r := range s.Required {
			if _, ok := v[r]; !ok {
				return fmt.Errorf("%s has no %s", path, r)
			}
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			p, ok := s.Properties[k]
			switch {
			case ok:
				used[p] = true
			case s.Additional == nil || s.Additional.schema == nil:
				return fmt.Errorf("%s has an unknown %s", path, k)
			default:
				p = s.Additional.schema
			}
			if err := p.check(root, v[k], path+"."+k, used); err != nil {
				return err
			}
		}
	case []any:
		if !is("array") {
			return fmt.Errorf("%s is a list", path)
		}
		for i := range v {
			if err := s.Items.check(root, v[i], fmt.Sprintf("%s[%d]", path, i), used); err != nil {
				return err
			}
		}
	case string:
		switch {
		case !is("string"):
			return fmt.Errorf("%s is a text", path)
		case s.Enum != nil && !slices.Contains(s.Enum, v):
			return fmt.Errorf("%s is %q", path, v)
		case s.Pattern != "" && !pattern(s.Pattern).MatchString(v):
			return fmt.Errorf("%s is %q", path, v)
		}
	case float64:
		switch {
		case !is("number") && !(is("integer") && v == float64(int64(v))):
			return fmt.Errorf("%s is a number", path)
		case s.Minimum != nil && v < *s.Minimum || s.Maximum != nil && v > *s.Maximum:
			return fmt.Errorf("%s is %v", path, v)
		}
	case bool:
		if !is("boolean") {
			return fmt.Errorf("%s is true or false", path)
		}
	case nil:
		return fmt.Errorf("%s is null", path)
	}
	return nil
}

var patterns = map[string]*regexp.Regexp{}

// pattern compiles each pattern once.
func pattern(s string) *regexp.Regexp {
	if patterns[s] == nil {
		patterns[s] = regexp.MustCompile(s)
	}
	return patterns[s]
}
