package spec

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// SizeMax is the largest spec in bytes. A fleet of 1,000 backends takes about
// 100 kB.
const SizeMax = 2 << 20

// Bounds that keep hostile input cheap. The YAML library recurses per level and
// per key of a mapping, and takes the square of their number: a megabyte of
// keys kept it busy for more than ten minutes.
const (
	depthMax = 64
	lineMax  = 16 << 10 // bytes
	linesMax = 20_000
)

// Parse reads a spec. It returns a Fleet that is complete and consistent, or
// Errors. name is used in error messages. Files that the spec names are not
// opened here, and stay as they are written; ParseIn says where they are.
func Parse(name string, text []byte) (*Fleet, error) {
	f, _, err := parse(name, text)
	return f, err
}

func parse(name string, text []byte) (*Fleet, *decoder, error) {
	root, errs := tree(name, text)
	if errs != nil {
		return nil, nil, errs
	}
	d := &decoder{file: name, places: map[string]place{}}
	f := &Fleet{}
	d.value(root, reflect.ValueOf(f).Elem(), "")
	if len(d.errs) == d.strays {
		// Names and references are worth checking only in a file whose values
		// could be read: otherwise one slip causes a dozen errors.
		c := &checker{decoder: d, fleet: f}
		c.resolve()
	}
	if len(d.errs) > 0 {
		return nil, nil, d.errs.Sorted()
	}
	return f, d, nil
}

// tree parses YAML to its one document's body.
func tree(name string, text []byte) (body ast.Node, errs Errors) {
	whole := func(line int, what, want string) Errors {
		return Errors{{File: name, Line: line, Column: min(line, 1), Text: what, Want: want}}
	}
	if len(text) > SizeMax {
		return nil, whole(0, fmt.Sprintf("the file has %d bytes", len(text)), fmt.Sprintf("at most %d are read", SizeMax))
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors begin a file with a byte order mark
	if !utf8.Valid(text) {
		line := 1
		for rest := text; len(rest) > 0; {
			r, n := utf8.DecodeRune(rest)
			if r == utf8.RuneError && n == 1 {
				break
			}
			if r == '\n' {
				line++
			}
			rest = rest[n:]
		}
		return nil, whole(line, "the file is not UTF-8 text", "save it as UTF-8")
	}
	if line, what := hostile(text); what != "" {
		return nil, whole(line, what, "that is no spec")
	}
	// The library has panicked on odd input before. A spec comes from people
	// and from the network; a fleet must not die of one.
	defer func() {
		if r := recover(); r != nil {
			body, errs = nil, whole(0, "the YAML library failed on this file", "simplify it")
		}
	}()
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at := place{1, 1}
		what := err.Error()
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			what = syntax.GetMessage()
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				at = place{t.Position.Line, t.Position.Column}
			}
		}
		return nil, Errors{{File: name, Line: at.line, Column: at.column, Text: "not YAML: " + what}}
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return nil, whole(0, "the file is empty", "expected a fleet: sites, pools, listeners")
	case 1:
		return bodies[0], nil
	}
	at := placeOf(bodies[1])
	return nil, Errors{{File: name, Line: at.line, Column: at.column, Text: "a second YAML document begins here", Want: "expected one fleet in one file"}}
}

// hostile finds what the library would choke on: nesting without end in either
// style, and lines without end.
func hostile(text []byte) (line int, what string) {
	if n := bytes.Count(text, []byte{'\n'}); n > linesMax {
		return linesMax, fmt.Sprintf("the file has %d lines; %d are the limit", n, linesMax)
	}
	depth := 0
	var quoted byte
	for i, l := range bytes.Split(text, []byte{'\n'}) {
		if len(l) > lineMax {
			return i + 1, fmt.Sprintf("a line of %d bytes", len(l))
		}
		indent := len(l) - len(bytes.TrimLeft(l, " -\t?"))
		if indent > 4*depthMax {
			return i + 1, "lines that are indented without end"
		}
		for j, c := range l {
			if c == '#' && quoted == 0 && (j == 0 || l[j-1] == ' ') {
				break // a comment may hold any brackets
			}
			switch {
			case quoted != 0:
				if c == quoted {
					quoted = 0
				}
			case c == '"':
				quoted = c
			case c == '[' || c == '{':
				if depth++; depth > depthMax {
					return i + 1, "brackets that are nested without end"
				}
			case c == ']' || c == '}':
				depth = max(depth-1, 0)
			}
		}
		quoted = 0
	}
	return 0, ""
}
