// Package specfile reads a spec with all that it names: certificates and their
// keys, roots, and the programs of probes. Files are looked up beside the spec.
//
// A spec that it accepts can be put into force: what would make a listener or a
// probe fail at its first use is found here, and said with the place in the spec
// where the file is named.
package specfile

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/holdfast-edge/holdfast/engine/spec"
	"github.com/holdfast-edge/holdfast/engine/system/cause"
)

// fileMax is the largest certificate, key or bundle of roots that is read: a
// bundle of all public roots takes 250 kB.
const fileMax = 4 << 20

// Read reads a spec. dir is its absolute directory; an empty one is nowhere, and
// then a relative name is an error. The error is a spec.Errors.
func Read(name string, text []byte, dir string) (*spec.Fleet, error) {
	if dir != "" && !filepath.IsAbs(dir) {
		return nil, spec.Errors{{File: name, Text: fmt.Sprintf("the directory %q of the spec is relative", dir), Want: "whoever asks must name it whole"}}
	}
	f, files, err := spec.ParseIn(name, text, dir)
	if err != nil {
		return nil, err
	}
	var errs spec.Errors
	for _, file := range files {
		what, want := look(file)
		if what != "" {
			errs = append(errs, file.Bad(what, want))
		}
	}
	if len(errs) > 0 {
		return nil, errs.Sorted()
	}
	return f, nil
}

// look says what is wrong with a file, and what is expected of it.
func look(f spec.File) (what, want string) {
	if f.Kind == spec.FileProgram {
		return program(f.Name)
	}
	pem, what, want := read(f)
	if what != "" {
		return what, want
	}
	switch f.Kind {
	case spec.FileRoots:
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return f.Name + " holds no certificate", "expected PEM, beginning with -----BEGIN CERTIFICATE-----"
		}
	case spec.FileKey:
		chain, what, _ := read(spec.File{Kind: spec.FileChain, Name: f.Chain})
		if what != "" {
			return "", "" // said of the chain already
		}
		if _, err := tls.X509KeyPair(chain, pem); err != nil {
			return fmt.Sprintf("%s does not go with %s: %s", f.Name, f.Chain, strings.TrimPrefix(cause.Printable(err.Error()), "tls: ")), "expected the PEM key of the first certificate of the chain"
		}
	case spec.FileChain, spec.FileProgram:
	}
	return "", ""
}

// read reads a file that must be one: a pipe would keep us for ever.
func read(f spec.File) (b []byte, what, want string) {
	if !filepath.IsAbs(f.Name) {
		return nil, fmt.Sprintf("the %s %q is relative, and this spec comes from no directory", f.Kind, f.Name), "give its whole name"
	}
	i, err := os.Stat(f.Name)
	switch {
	case err != nil:
		return nil, fmt.Sprintf("the %s %s cannot be read: %s", f.Kind, f.Name, short(err)), "expected a PEM file; relative names are looked up beside the spec"
	case !i.Mode().IsRegular():
		return nil, fmt.Sprintf("the %s %s is no file", f.Kind, f.Name), "expected a PEM file"
	case i.Size() > fileMax:
		return nil, fmt.Sprintf("the %s %s has %d bytes", f.Kind, f.Name, i.Size()), fmt.Sprintf("at most %d are read", fileMax)
	}
	if b, err = os.ReadFile(f.Name); err != nil {
		return nil, fmt.Sprintf("the %s %s cannot be read: %s", f.Kind, f.Name, short(err)), "expected a PEM file that this user may read"
	}
	return b, "", ""
}

func program(name string) (what, want string) {
	if !strings.Contains(name, "/") {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Sprintf("there is no program %q in PATH", name), "give its whole name, or ./NAME for one beside the spec"
		}
		return "", ""
	}
	if !filepath.IsAbs(name) {
		return fmt.Sprintf("the program %q is relative, and this spec comes from no directory", name), "give its whole name"
	}
	i, err := os.Stat(name)
	switch {
	case err != nil:
		return fmt.Sprintf("the program %s cannot be run: %s", name, short(err)), "relative names are looked up beside the spec"
	case !i.Mode().IsRegular():
		return fmt.Sprintf("the program %s is no file", name), "expected one that can be run"
	case unix.Access(name, unix.X_OK) != nil:
		return fmt.Sprintf("the program %s cannot be run: permission denied", name), "make it executable for this user"
	}
	return "", ""
}

// short is an error without the path, which stands before it already.
func short(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
