// Command shoot runs a program in a pseudo-terminal, types into it, and writes
// pictures of its screen.
//
//	go run ./tui/internal/shot/shoot -bin bin/holdfast -out testdata
//
// runs the stories of the README with a real fleet. With steps it does those
// instead, on any program:
//
//	shoot -size 120x36 -do wait:NEEDS -do type:2 -do shot:pools.svg -- bin/holdfast console
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/tui/internal/shot"
)

// within is how long all of a run may take, once it is warm.
const within = 4 * time.Minute

type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func main() {
	var do list
	bin := flag.String("bin", "bin/holdfast", "the built program, for the stories")
	spec := flag.String("spec", "three-sites", "profile or file of the fleet, for the stories")
	out := flag.String("out", "testdata", "where the stories' pictures go")
	warm := flag.Duration("warm", 40*time.Second, "how long the stories' fleet runs first, so that graphs have something to show")
	size := flag.String("size", "120x36", "columns x rows")
	light := flag.Bool("light", false, "a light ground")
	flag.Var(&do, "do", "a step: wait:TEXT, type:KEYS, rest:DURATION, shot:FILE, text:FILE; may be given many times")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *warm+within)
	defer cancel()
	var err error
	if flag.NArg() > 0 {
		err = run(ctx, *size, *light, do, flag.Args())
	} else {
		err = stories(ctx, *bin, *spec, *out, *warm)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "shoot:", err)
		os.Exit(1)
	}
}

// run runs one program and does the steps.
func run(ctx context.Context, size string, light bool, steps, program []string) (err error) {
	var w, h int
	if _, err := fmt.Sscanf(size, "%dx%d", &w, &h); err != nil || w < 1 || h < 1 || w > 1000 || h > 400 {
		return fmt.Errorf("size %q: write columns x rows, such as 120x36", size)
	}
	env := []string{"COLORFGBG=15;0"}
	t, err := shot.Start(ctx, w, h, env, program[0], program[1:]...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	for _, s := range steps {
		if err := step(ctx, t, light, s); err != nil {
			return err
		}
	}
	return nil
}

func step(ctx context.Context, t *shot.Terminal, light bool, s string) error {
	verb, arg, _ := strings.Cut(s, ":")
	switch verb {
	case "wait":
		return t.Wait(ctx, arg)
	case "type":
		return t.Type(strings.NewReplacer(`\e`, "\x1b", `\r`, "\r", `\t`, "\t").Replace(arg))
	case "rest":
		d, err := time.ParseDuration(arg)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	case "shot":
		return os.WriteFile(arg, []byte(t.SVG(light, "The console of Holdfast, from a real run")), 0o644)
	case "text":
		return os.WriteFile(arg, []byte(t.Text()+"\n"), 0o644)
	case "bytes":
		fmt.Println(t.Bytes())
		return nil
	}
	return fmt.Errorf("step %q: the steps are wait, type, rest, shot, text, bytes", s)
}
