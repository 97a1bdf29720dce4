package engine_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// body checks what a file does.
func (in *inspection) body(r *room, f *ast.File, floor int) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			in.note(fn.Pos(), "init runs before anybody asked for it; call it from main")
		}
	}
	if r.name != "main" {
		in.calls(f, "os", []string{"Exit"}, "only main ends the process")
		in.calls(f, "log", []string{"Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln"}, "return the error")
	}
	if !pure(floor) {
		return
	}
	for p, b := range banned {
		in.calls(f, p, b.names, b.why)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			in.note(n.Pos(), "%s is pure and starts a goroutine: return an effect", r.path)
		case *ast.SelectStmt:
			in.note(n.Pos(), "%s is pure and selects: nothing waits here", r.path)
		case *ast.SendStmt:
			in.note(n.Pos(), "%s is pure and sends on a channel: add to the effects", r.path)
		case *ast.ChanType:
			if r.path != "engine/api" { // Client.Watch
				in.note(n.Pos(), "%s is pure and has a channel: events come in by Step", r.path)
			}
		case *ast.CallExpr:
			if x, ok := n.Fun.(*ast.Ident); ok && (x.Name == "print" || x.Name == "println") {
				in.note(n.Pos(), "%s: there is no terminal here", x.Name)
			}
		}
		return true
	})
}

// documented checks that every exported name says what it is.
func (in *inspection) documented(f *ast.File) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && exportedReceiver(d) {
				in.begins(d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					doc := s.Doc
					if doc == nil && len(d.Specs) == 1 {
						doc = d.Doc
					}
					if s.Name.IsExported() {
						in.begins(s.Name, doc)
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
							in.note(n.Pos(), "%s has no comment", n.Name)
						}
					}
				}
			}
		}
	}
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// begins checks that a comment begins with the name that it is about.
func (in *inspection) begins(name *ast.Ident, doc *ast.CommentGroup) {
	if doc == nil {
		in.note(name.Pos(), "%s has no comment", name.Name)
		return
	}
	text := doc.Text()
	for _, article := range []string{"A ", "An ", "The "} {
		text = strings.TrimPrefix(text, article)
	}
	rest, ok := strings.CutPrefix(text, name.Name)
	// Several names may share a comment: "StateOK and StateDown …", "In, Out …".
	if !ok && !strings.Contains(firstLine(text), name.Name) || ok && rest != "" && !strings.ContainsAny(rest[:1], " ,.:;\n'’") {
		in.note(name.Pos(), "the comment of %s does not begin with its name", name.Name)
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// closedSets checks that every Reason has a sentence, and that Commands lists
// every Command.
func (in *inspection) closedSets(r *room, first *ast.File) {
	var reasons, sentences, commands, listed []*ast.Ident
	for _, f := range r.sources {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GenDecl:
				if n.Tok != token.CONST {
					return true
				}
				for _, s := range n.Specs {
					v := s.(*ast.ValueSpec)
					if t, ok := v.Type.(*ast.Ident); ok && t.Name == "Reason" {
						reasons = append(reasons, v.Names...)
					}
				}
			case *ast.ValueSpec:
				if n.Names[0].Name == "reasonSentences" {
					ast.Inspect(n, func(m ast.Node) bool {
						if kv, ok := m.(*ast.KeyValueExpr); ok {
							if k, ok := kv.Key.(*ast.Ident); ok {
								sentences = append(sentences, k)
							}
						}
						return true
					})
				}
			case *ast.FuncDecl:
				if n.Name.Name == "command" && n.Recv != nil {
					if t, ok := n.Recv.List[0].Type.(*ast.Ident); ok {
						commands = append(commands, t)
					}
				}
				if n.Name.Name == "Commands" && n.Recv == nil {
					ast.Inspect(n.Body, func(m ast.Node) bool {
						if c, ok := m.(*ast.CompositeLit); ok {
							if t, ok := c.Type.(*ast.Ident); ok {
								listed = append(listed, t)
							}
						}
						return true
					})
				}
			}
			return true
		})
	}
	lacks := func(all, has []*ast.Ident, what string) {
		if len(all) == 0 {
			in.note(first.Package, "engine/api has no %s: the house test looks for the wrong thing", what)
		}
		for _, x := range all {
			if !slices.ContainsFunc(has, func(y *ast.Ident) bool { return y.Name == x.Name }) {
				in.note(x.Pos(), "%s is not among the %s", x.Name, what)
			}
		}
	}
	lacks(reasons, sentences, "sentences of reasons")
	lacks(commands, listed, "Commands()")
}
