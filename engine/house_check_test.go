package engine_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode"
)

// inspection goes through a tree of sources and notes what the rules forbid.
type inspection struct {
	files    fs.FS
	set      *token.FileSet
	packages map[string]*room // by path in the module
	found    []string
}

// room is one package: its files, without those of tests.
type room struct {
	name    string
	path    string
	sources map[string]*ast.File
}

// inspect returns what the rules forbid in a tree, in the order of the files.
func inspect(tree fs.FS) ([]string, error) {
	in := &inspection{files: tree, set: token.NewFileSet(), packages: map[string]*room{}}
	in.top()
	if err := fs.WalkDir(tree, ".", in.walk); err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(in.packages))
	for p := range in.packages {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths {
		in.room(in.packages[p])
	}
	slices.Sort(in.found)
	return slices.Compact(in.found), nil
}

func (in *inspection) note(at token.Pos, format string, a ...any) {
	p := in.set.Position(at)
	in.found = append(in.found, fmt.Sprintf("%s:%d: %s", p.Filename, p.Line, fmt.Sprintf(format, a...)))
}

func (in *inspection) top() {
	entries, _ := fs.ReadDir(in.files, ".")
	for _, e := range entries {
		n := e.Name()
		if slices.Contains(topLevel, n) || strings.HasSuffix(n, ".test") || strings.HasSuffix(n, ".prof") || strings.HasSuffix(n, ".out") {
			continue
		}
		in.found = append(in.found, n+": the top level is fixed; put it where it belongs")
	}
}

// walk reads one file.
func (in *inspection) walk(name string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if d.IsDir() {
		if n := d.Name(); name != "." && (strings.HasPrefix(n, ".") || n == "testdata" || n == "bin" || n == "state") {
			return fs.SkipDir
		}
		return nil
	}
	if !strings.HasSuffix(name, ".go") {
		return nil
	}
	text, err := fs.ReadFile(in.files, name)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(in.set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	in.everywhere(f)
	if strings.HasSuffix(name, "_test.go") {
		in.calls(f, "time", []string{"Sleep"}, "wait for what you expect, with a deadline, or use testing/synctest")
		return nil
	}
	if n := strings.Count(string(text), "\n"); n > linesMax {
		in.note(f.Package, "%d lines; %d are the limit: one subject a file", n, linesMax)
	}
	dir := path.Dir(name)
	if dir == "." {
		dir = ""
	}
	r := in.packages[dir]
	if r == nil {
		r = &room{name: f.Name.Name, path: dir, sources: map[string]*ast.File{}}
		in.packages[dir] = r
	}
	r.sources[name] = f
	return nil
}

// everywhere checks what holds in tests too.
func (in *inspection) everywhere(f *ast.File) {
	for _, group := range f.Comments {
		for _, c := range group.List {
			for _, word := range []string{"TODO", "FIXME", "XXX", "HACK"} {
				if strings.Contains(c.Text, word) && f.Name.Name != "engine_test" { // which must write them
					in.note(c.Pos(), "%s; write a decision, a story or the code", word)
				}
			}
		}
	}
	for _, id := range declared(f) {
		if _, ok := foreignNames[id.Name]; ok {
			continue
		}
		for _, w := range words(id.Name) {
			if instead, bad := badWords[w]; bad {
				in.note(id.Pos(), "the identifier %s; the glossary says %s", id.Name, instead)
			}
		}
	}
}

// declared are the identifiers that a file brings into the world.
func declared(f *ast.File) []*ast.Ident {
	all := []*ast.Ident{f.Name}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			all = append(all, n.Name)
		case *ast.TypeSpec:
			all = append(all, n.Name)
		case *ast.ValueSpec:
			all = append(all, n.Names...)
		case *ast.Field:
			all = append(all, n.Names...)
		case *ast.ImportSpec:
			if n.Name != nil {
				all = append(all, n.Name)
			}
		case *ast.LabeledStmt:
			all = append(all, n.Label)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, e := range n.Lhs {
					if id, ok := e.(*ast.Ident); ok {
						all = append(all, id)
					}
				}
			}
		case *ast.RangeStmt:
			for _, e := range []ast.Expr{n.Key, n.Value} {
				if id, ok := e.(*ast.Ident); ok && n.Tok == token.DEFINE {
					all = append(all, id)
				}
			}
		}
		return true
	})
	return all
}

// words splits an identifier at its capitals and underscores.
func words(name string) []string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.FieldsFunc(b.String(), func(r rune) bool { return r == ' ' || r == '_' || unicode.IsDigit(r) })
}

// room checks a package.
func (in *inspection) room(r *room) {
	names := make([]string, 0, len(r.sources))
	for name := range r.sources {
		names = append(names, name)
	}
	slices.Sort(names)
	first := r.sources[names[0]]
	floor := floorOf(r.path)
	if floor == floorNone {
		in.note(first.Package, "the house has no room %s; see rooms in engine/house_rules_test.go", r.path)
	}
	for _, n := range []string{r.name, path.Base("/" + r.path)} {
		if slices.Contains(badNames, n) {
			in.note(first.Package, "a package called %s says nothing of what is in it", n)
		}
	}
	in.comment(r, first, floor)
	for _, name := range names {
		f := r.sources[name]
		in.imports(r, f, floor)
		in.body(r, f, floor)
		in.documented(f)
	}
	if r.path == "engine/api" {
		in.closedSets(r, first)
	}
}

// comment checks the package's comment.
func (in *inspection) comment(r *room, first *ast.File, floor int) {
	text := ""
	for _, f := range r.sources {
		if f.Doc != nil {
			text += f.Doc.Text() + "\n"
		}
	}
	begin := "Package " + r.name + " "
	if r.name == "main" {
		begin = "Command "
	}
	if !strings.HasPrefix(text, begin) {
		in.note(first.Package, "the package's comment does not begin with %q", begin)
		return
	}
	if floor < floorDecider || floor > floorFleet {
		return
	}
	at, want := 0, headings
	if floor != floorDecider {
		want = headings[:4] // an assembly follows no standard
	}
	for _, h := range want {
		i := strings.Index(text[at:], "\n# "+h+"\n")
		if i < 0 {
			in.note(first.Package, "the contract of %s has no heading %s, or not in the order %s", r.path, h, strings.Join(want, ", "))
			return
		}
		at += i
	}
}

// imports checks what a file imports.
func (in *inspection) imports(r *room, f *ast.File, floor int) {
	for _, spec := range f.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		if spec.Name != nil && spec.Name.Name == "." {
			in.note(spec.Pos(), "a dot import hides where names come from")
		}
		own, ours := strings.CutPrefix(p, module)
		own = strings.TrimPrefix(own, "/")
		if !ours {
			if pure(floor) {
				in.outside(r, spec, p)
			}
			continue
		}
		in.inside(r, spec, own, floor)
	}
}

// outside checks an import of a pure floor from elsewhere.
func (in *inspection) outside(r *room, spec *ast.ImportSpec, p string) {
	for _, b := range impure {
		tree, isTree := strings.CutSuffix(b.path, "/*")
		if p != b.path && (!isTree || !within(p, tree)) {
			continue
		}
		if _, ok := allowed[[2]string{r.path, p}]; !ok {
			in.note(spec.Pos(), "%s is pure and imports %s: %s", r.path, p, b.why)
		}
	}
}

// inside checks an import of one of our own packages.
func (in *inspection) inside(r *room, spec *ast.ImportSpec, to string, floor int) {
	for _, o := range only {
		if matches(o.from, r.path) && !matchesAny(o.may, to) {
			in.note(spec.Pos(), "%s imports %s: %s", r.path, to, o.why)
			return
		}
	}
	for _, u := range upper {
		if u.pkg == to && r.path != to && !matchesAny(u.by, r.path) {
			in.note(spec.Pos(), "%s imports %s: %s", r.path, to, u.why)
			return
		}
	}
	below := floorOf(to)
	if below < floor && below != floorNone {
		return
	}
	if below == floor {
		for _, s := range siblings {
			if matches(s.from, r.path) && matches(s.to, to) {
				return
			}
		}
		if floor == floorRoof {
			return
		}
		in.note(spec.Pos(), "%s imports %s: rooms of one floor do not know each other; see siblings in engine/house_rules_test.go", r.path, to)
		return
	}
	in.note(spec.Pos(), "%s imports %s: imports point down only", r.path, to)
}

// imported is the name by which a file calls a package; empty when it does not.
func imported(f *ast.File, p string) string {
	for _, spec := range f.Imports {
		if strings.Trim(spec.Path.Value, `"`) == p {
			if spec.Name != nil {
				return spec.Name.Name
			}
			base := path.Base(p)
			if base == "v2" {
				base = path.Base(path.Dir(p))
			}
			return base
		}
	}
	return ""
}

// calls notes the use of names of an imported package.
func (in *inspection) calls(f *ast.File, p string, names []string, why string) {
	as := imported(f, p)
	if as == "" {
		return
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == as && slices.Contains(names, sel.Sel.Name) {
			in.note(sel.Pos(), "%s.%s: %s", p, sel.Sel.Name, why)
		}
		return true
	})
}
