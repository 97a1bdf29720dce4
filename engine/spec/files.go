package spec

import (
	"fmt"
	"path"
	"strings"
)

// FileKind says what a file that a spec names is for.
type FileKind string

// The kinds of files.
const (
	FileChain   FileKind = "certificate chain"
	FileKey     FileKind = "key"
	FileRoots   FileKind = "roots"
	FileProgram FileKind = "program"
)

// File is a file that a spec names. Nothing here opens it: who is about to put
// the spec into force does, and says by Bad what is wrong with it.
type File struct {
	Kind FileKind
	// Name is absolute when ParseIn was told a directory. A program without a
	// slash is one of PATH.
	Name string
	// Chain is, for a key, the chain that it must fit.
	Chain string

	at Error
}

// Bad is an error at the place where the spec names the file.
func (f File) Bad(text, want string) Error {
	e := f.at
	e.Text, e.Want = text, want
	return e
}

// ParseIn reads a spec as Parse does, and takes the files that it names to be
// relative to a directory, which must be absolute: in the Fleet they have their
// whole names, so that it means the same wherever it is put into force. It
// returns them in the order of the file's lists.
func ParseIn(name string, text []byte, dir string) (*Fleet, []File, error) {
	f, d, err := parse(name, text)
	if err != nil {
		return nil, nil, err
	}
	n := &named{decoder: d, dir: dir}
	for i := range f.Listeners {
		t := f.Listeners[i].TLS
		if t == nil {
			continue
		}
		for j := range t.Certificates {
			c, at := &t.Certificates[j], fmt.Sprintf("listeners[%d].tls.certificates[%d]", i, j)
			n.file(FileChain, at+".chain", &c.Chain)
			n.file(FileKey, at+".key", &c.Key)
			n.files[len(n.files)-1].Chain = c.Chain
		}
	}
	for i := range f.Pools {
		n.file(FileRoots, fmt.Sprintf("pools[%d].upstream.ca", i), &f.Pools[i].Upstream.CA)
	}
	for i := range f.Probes {
		p := &f.Probes[i]
		if p.TLS != nil {
			n.file(FileRoots, fmt.Sprintf("probes[%d].tls.ca", i), &p.TLS.CA)
		}
		if p.Exec != nil {
			p.Exec.Dir = dir
			n.file(FileProgram, fmt.Sprintf("probes[%d].exec.command[0]", i), &p.Exec.Command[0])
		}
	}
	return f, n.files, nil
}

// named collects the files that a spec names.
type named struct {
	*decoder
	dir   string
	files []File
}

func (n *named) file(kind FileKind, at string, name *string) {
	if *name == "" {
		return
	}
	program := kind == FileProgram && !strings.Contains(*name, "/") // of PATH
	if n.dir != "" && !program && !path.IsAbs(*name) {
		*name = path.Join(n.dir, *name)
	}
	if _, own := n.places[at]; !own {
		return // a probe has it from the one that it is like, which names it
	}
	p := n.at(at)
	n.files = append(n.files, File{Kind: kind, Name: *name, at: Error{File: n.decoder.file, Line: p.line, Column: p.column, Path: at}})
}
