package keys

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// ErrNoCommand means that the first word is not a command that changes
// something.
var ErrNoCommand = errors.New("keys: not a command")

// Parse reads a command in the words of the command line, without the
// program's name. It is the inverse of api.Command.Words; apply is left out,
// because its file is on the shell's side, and so is token: its secret is made there.
func Parse(words []string) (api.Command, error) {
	words, flags, err := split(words)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, ErrNoCommand
	}
	verb, args := words[0], words[1:]
	switch verb {
	case "weight":
		return parseWeights(args, flags)
	case "drain", "undrain":
		ref, err := one(verb, args, "kind/name")
		if err != nil {
			return nil, err
		}
		if verb == "undrain" {
			return api.Undrain{Target: ref}, flags.only()
		}
		return api.Drain{Target: ref, For: flags.wait}, flags.only("--for")
	case "force":
		if len(args) != 2 || args[0] != "up" && args[0] != "down" {
			return nil, errors.New("write force up backend/NAME, or force down backend/NAME")
		}
		ref, err := backend(args[1])
		return api.Force{Backend: ref.Name, Health: api.Measure(args[0])}, errors.Join(err, flags.only())
	case "unforce":
		ref, err := one(verb, args, "backend/NAME")
		if err == nil && ref.Kind != id.KindBackend {
			err = errors.New("name a backend: unforce backend/NAME")
		}
		return api.Unforce{Backend: ref.Name}, errors.Join(err, flags.only())
	case "fault":
		return parseFault(args, flags)
	case "rollback":
		return parseRollback(args, flags)
	case "drill":
		switch {
		case len(args) == 2 && args[0] == "run":
			name := strings.TrimPrefix(args[1], "drill/")
			return api.StartDrill{Name: name}, errors.Join(id.CheckName(name), flags.only())
		case len(args) == 1 && args[0] == "abort":
			return api.AbortDrill{}, flags.only()
		}
		return nil, errors.New("write drill run NAME, or drill abort")
	}
	switch verb {
	case "remove":
		if len(args) != 1 {
			return nil, errors.New("write remove host/NAME, or remove person/NAME")
		}
		if name, ok := strings.CutPrefix(args[0], PersonPrefix); ok {
			return api.RemovePerson{Person: name}, errors.Join(id.CheckName(name), flags.only())
		}
		ref, err := one(verb, args, "host/NAME")
		if err == nil && ref.Kind != id.KindHost {
			err = errors.New("name a host or a person: remove host/NAME, remove person/NAME")
		}
		return api.RemoveHost{Host: ref.Name}, errors.Join(err, flags.only())
	case "token":
		if len(args) == 2 && args[0] == "void" {
			return api.VoidToken{ID: args[1]}, flags.only()
		}
		return nil, errors.New("write token void NAME; a token is made in a shell, where its secret stays")
	case "keys":
		if len(args) == 1 && args[0] == "rotate" {
			return api.RotateKeys{}, flags.only()
		}
		return nil, errors.New("write keys rotate")
	}
	return nil, ErrNoCommand
}

// PersonPrefix begins the name of a person where a target's is expected too.
const PersonPrefix = "person/"

// Verbs are the first words that Parse knows, each with how it goes on.
func Verbs() []string {
	return []string{
		"weight backend/NAME=N …", "drain TARGET --for D", "undrain TARGET", "force up backend/NAME",
		"force down backend/NAME", "unforce backend/NAME", "fault kill backend/NAME", "fault freeze backend/NAME",
		"fault slow backend/NAME --delay D", "fault restart backend/NAME", "fault clear ID", "drill run NAME", "drill abort", "rollback REV",
		"remove host/NAME", "remove person/NAME", "token void NAME", "keys rotate",
	}
}

type flagSet struct {
	wait, delay time.Duration
	base        uint64
	seen        []string
}

// only refuses flags that the command does not have.
func (f flagSet) only(allowed ...string) error {
	for _, s := range f.seen {
		ok := false
		for _, a := range allowed {
			ok = ok || a == s
		}
		if !ok {
			return fmt.Errorf("%s does not go with this command", s)
		}
	}
	return nil
}

func split(words []string) (rest []string, f flagSet, err error) {
	for i := 0; i < len(words); i++ {
		w := words[i]
		if !strings.HasPrefix(w, "--") {
			rest = append(rest, w)
			continue
		}
		name, value, has := strings.Cut(w, "=")
		if !has {
			i++
			if i >= len(words) {
				return nil, f, fmt.Errorf("%s needs a value, such as %s 30s", name, name)
			}
			value = words[i]
		}
		if name == "--base" {
			if f.base, err = strconv.ParseUint(value, 10, 64); err != nil {
				return nil, f, fmt.Errorf("--base %s: write the number of a revision", value)
			}
			f.seen = append(f.seen, name)
			continue
		}
		d, err := time.ParseDuration(value)
		if err != nil {
			return nil, f, fmt.Errorf("%s %s: write a duration such as 30s or 5m", name, value)
		}
		switch name {
		case "--for":
			f.wait = d
		case "--delay":
			f.delay = d
		default:
			return nil, f, fmt.Errorf("%s is not known; the flags are --for, --delay and --base", name)
		}
		f.seen = append(f.seen, name)
	}
	return rest, f, nil
}

func parseRollback(args []string, flags flagSet) (api.Command, error) {
	if len(args) != 1 {
		return nil, errors.New("write rollback REV")
	}
	rev, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil || rev == 0 {
		return nil, fmt.Errorf("%q is no revision; holdfast history lists them", args[0])
	}
	return api.Rollback{Rev: rev, Base: flags.base}, flags.only("--base")
}

func one(verb string, args []string, want string) (id.Ref, error) {
	if len(args) != 1 {
		return id.Ref{}, fmt.Errorf("write %s %s", verb, want)
	}
	return id.ParseRef(args[0])
}

// backend reads backend/NAME, or the bare name of a backend.
func backend(s string) (id.Ref, error) {
	if !strings.Contains(s, "/") {
		return id.To(id.KindBackend, s), id.CheckName(s)
	}
	ref, err := id.ParseRef(s)
	if err == nil && ref.Kind != id.KindBackend {
		err = fmt.Errorf("%s is not a backend; write backend/NAME", s)
	}
	return ref, err
}

func parseWeights(args []string, flags flagSet) (api.Command, error) {
	if len(args) == 0 {
		return nil, errors.New("write weight backend/NAME=N, N from 0 to 100")
	}
	var c api.SetWeights
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		n, err := strconv.Atoi(value)
		if !ok || err != nil {
			return nil, fmt.Errorf("%s: write backend/NAME=N, N from 0 to 100", a)
		}
		ref, err := backend(name)
		if err != nil {
			return nil, err
		}
		c.Weights = append(c.Weights, api.Weight{Backend: ref.Name, Weight: n})
	}
	return c, flags.only()
}

func parseFault(args []string, flags flagSet) (api.Command, error) {
	if len(args) > 0 && args[0] == "clear" {
		if len(args) > 2 {
			return nil, errors.New("write fault clear, or fault clear ID")
		}
		return api.ClearFault{ID: strings.Join(args[1:], "")}, flags.only()
	}
	if len(args) != 2 {
		return nil, errors.New("write fault KIND backend/NAME; the kinds are kill, freeze, slow, restart")
	}
	ref, err := backend(args[1])
	return api.InjectFault{Kind: api.FaultKind(args[0]), Target: ref, For: flags.wait, Delay: flags.delay}, errors.Join(err, flags.only("--for", "--delay"))
}
