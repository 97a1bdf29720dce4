package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/ssh"
	"github.com/charmbracelet/colorprofile"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/tui"
	"github.com/holdfast-edge/holdfast/tui/wall"
)

// Line is a command line that came over SSH.
type Line struct {
	Words  []string
	Client api.Client // asks in the name of the key, within its role
	Actor  api.Actor
	Role   api.Role
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	// Look records that somebody read what not everybody may, and fails when it
	// cannot.
	Look func(what string) error
}

// Exit codes of a session, as the command line has them.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3
)

const (
	// leaveWithin is how long a terminal program may take to put the terminal back.
	leaveWithin = 2 * time.Second
	// flushWithin is how long the last bytes of a session may take.
	flushWithin = time.Second
)

// session is one session that is open.
type session struct {
	s     *Server
	c     *connection
	x     ssh.Session
	n     int // among the people
	face  Face
	words []string
	guard *guard
	sizes chan ssh.Window // the newest change of the window
	cells int             // that its terminal has taken
	over  string          // why it ends though the person did not leave
}

// serve is the handler of every session.
func (s *Server) serve(x ssh.Session) {
	c := connOf(x.Context())
	if c == nil || !c.in() {
		s.say(x, "not logged in")
		_ = x.Exit(exitRefused)
		return
	}
	w := &session{s: s, c: c, x: x, words: x.Command(), sizes: make(chan ssh.Window, 1)}
	pty, changes, hasPty := x.Pty()
	if changes != nil {
		go w.follow(changes)
	}
	w.choose(hasPty)
	may := c.granted()
	if may.wallboard && w.face != FaceWallboard {
		s.say(x, "this key shows the wallboard only: ssh -t HOST wallboard")
		_ = x.Exit(exitRefused)
		return
	}
	n, why := s.people.enter(Person{may.short(), may.fingerprint, may.role, c.from, w.face, s.o.Now()})
	if why != "" {
		s.records.refuse(c.entry(why))
		s.say(x, "refused: "+why)
		_ = x.Exit(exitRefused)
		return
	}
	defer s.people.leave(n)
	w.n = n
	w.guard = &guard{Client: s.hub, latest: s.hub.latest, may: may, record: s.o.Record, recorded: s.o.Recorded, from: c.from, id: fmt.Sprintf("%d.%d", c.number, n), pace: &s.pace, now: s.o.Now}
	code := 0
	if w.face == FaceCommand {
		code = w.command()
	} else {
		code = w.draw(pty)
	}
	s.people.leave(n) // to say goodbye may take as long as the client's silence
	_ = x.Exit(code)
}

// follow keeps the newest change of the window, and reads on for as long as the
// channel lives: the library waits for whoever does not read them.
func (w *session) follow(changes <-chan ssh.Window) {
	for c := range changes {
		select {
		case <-w.sizes:
		default:
		}
		w.sizes <- c // there is room: nobody else fills it
	}
}

// choose says what the session shows. With a terminal and no command it is the
// console; the user name wallboard, and a key that has no more, make it a
// wallboard.
func (w *session) choose(hasPty bool) {
	w.face = FaceCommand
	first := ""
	if len(w.words) > 0 {
		first = w.words[0]
	}
	board := w.x.User() == string(FaceWallboard) || w.c.granted().wallboard
	switch {
	case !hasPty:
	case first == "" && board, first == string(FaceWallboard) && len(w.words) == 1:
		w.face = FaceWallboard
	case first == "":
		w.face = FaceConsole
	case first == string(FaceConsole):
		w.face, w.words = FaceConsole, w.words[1:]
	case strings.HasPrefix(first, ":"):
		w.face = FaceConsole
		w.words[0] = first[1:]
	}
}

// say writes a sentence to the session's standard error.
func (s *Server) say(x ssh.Session, text string) {
	_, _ = io.WriteString(x.Stderr(), "holdfast: "+clean(text)+"\r\n")
}

// command runs a command line.
func (w *session) command() int {
	if len(w.words) == 0 {
		w.s.say(w.x, "a terminal is needed for the console: ssh -t; or give a command, such as: ssh HOST get pools")
		return exitUsage
	}
	ctx, cancel := context.WithCancelCause(w.x.Context())
	defer cancel(nil)
	stop := context.AfterFunc(w.c.ending, func() { cancel(context.Cause(w.c.ending)) })
	defer stop()
	stalled := func() {
		cancel(errBehind)
		_ = w.x.Close()
	}
	out := stallWriter{w.x, stallAfter, stalled}
	errs := stallWriter{w.x.Stderr(), stallAfter, stalled}
	return w.s.o.Command(ctx, Line{
		Words: w.words, Client: w.guard, Actor: w.guard.may.actor(w.c.from, w.guard.id), Role: w.guard.may.role, In: w.x, Out: out, Err: errs,
		Look: w.look,
	})
}

// activity notes when a person last did something.
type activity struct {
	io.Reader
	now func() time.Time
	at  atomic.Int64
}

// Read implements io.Reader.
func (a *activity) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if n > 0 {
		a.at.Store(a.now().UnixNano())
	}
	return n, err
}

// draw runs a console or a wallboard.
func (w *session) draw(pty ssh.Pty) int {
	env := environ(w.x.Environ(), pty.Term)
	if err := tui.Supported(env, true); err != nil {
		w.s.say(w.x, strings.TrimPrefix(err.Error(), "tui: "))
		return exitUsage
	}
	if !w.resize(pty.Window) {
		w.s.say(w.x, "refused: the terminals of all sessions together are too large for another one")
		return exitRefused
	}
	defer func() { w.s.people.draw(w.cells, 0) }()
	ctx, cancel := context.WithCancelCause(w.x.Context())
	defer cancel(nil)
	out := newLagWriter(w.x, w.s.o.Behind, func() {
		cancel(errBehind)
		_ = w.x.Close()
	})
	in := &activity{Reader: w.x, now: w.s.o.Now}
	in.at.Store(w.s.o.Now().UnixNano())
	messages := make(chan tea.Msg)
	attended := make(chan struct{})
	go func() {
		defer close(attended)
		w.attend(ctx, cancel, in, messages)
	}()
	program := []tea.ProgramOption{
		tea.WithoutSignalHandler(), tea.WithColorProfile(colorprofile.Env(env)), tea.WithWindowSize(pty.Window.Width, pty.Window.Height),
	}
	var err error
	if w.face == FaceWallboard {
		err = wall.Run(ctx, wall.Options{
			Client: w.guard, Where: w.s.o.Where, In: in, Out: out, Environ: env, ASCII: ascii(env), Now: w.s.o.Now, Program: program, Messages: messages,
		})
	} else {
		err = tui.Run(ctx, w.console(in, out, env, program, messages))
	}
	why := context.Cause(ctx)
	cancel(nil)
	<-attended
	out.finish(flushWithin)
	switch {
	case errors.Is(why, errBehind):
		w.s.log.Info("a session was dropped", "from", w.c.from, "who", w.c.granted().fingerprint, "why", why)
		return exitFailed
	case w.over != "":
		w.s.say(w.x, w.over)
	case err != nil:
		w.s.log.Error("a session ended by an error", "from", w.c.from, "err", err)
		w.s.say(w.x, "the console ended by an error of its own; the fleet is not touched by it")
		return exitFailed
	}
	return 0
}

// console is how the console runs for this person.
func (w *session) console(in io.Reader, out io.Writer, env []string, program []tea.ProgramOption, messages <-chan tea.Msg) tui.Options {
	may := w.guard.may
	o := tui.Options{
		Client: w.guard, In: in, Out: out, Environ: env, Actor: may.actor(w.c.from, w.guard.id), ASCII: ascii(env), AskWhy: true, May: w.guard.Refuses,
		Now: w.s.o.Now, Program: program, Messages: messages, First: w.words, Others: w.others,
	}
	if !may.role.Includes(api.RoleOperator) {
		o.ReadOnly, o.ReadOnlyWhy = true, fmt.Sprintf("key %s, role %s", may.fingerprint, may.role)
	}
	return o
}

// others are the people with a console open, in words.
func (w *session) others() []string {
	all := w.s.people.others(w.n)
	words := make([]string, len(all))
	for i, p := range all {
		words[i] = fmt.Sprintf("%s (%s) from %s since %s", p.Name, p.Role, p.From, p.Since.UTC().Format("15:04:05"))
	}
	return words
}

// resize takes the cells of a terminal's size. A size that nobody can mean is not
// taken, and the old one stays.
func (w *session) resize(size ssh.Window) bool {
	if size.Width < 0 || size.Height < 0 || !sane(uint32(size.Width), uint32(size.Height)) {
		return false
	}
	n := size.Width * size.Height
	if !w.s.people.draw(w.cells, n) {
		return false
	}
	w.cells = n
	return true
}

// attend tells a terminal program of its size, and ends it when nobody is there
// any more, or nobody may be.
func (w *session) attend(ctx context.Context, cancel context.CancelCauseFunc, in *activity, out chan<- tea.Msg) {
	look := time.NewTicker(min(max(w.s.o.Idle/20, 10*time.Millisecond), 10*time.Second))
	defer look.Stop()
	send := func(m tea.Msg) {
		select {
		case out <- m:
		case <-ctx.Done():
		}
	}
	for {
		select {
		case size := <-w.sizes:
			if w.resize(size) {
				send(tea.WindowSizeMsg{Width: size.Width, Height: size.Height})
			}
			continue
		case <-look.C:
			if w.face == FaceWallboard || w.s.o.Now().Sub(time.Unix(0, in.at.Load())) < w.s.o.Idle {
				continue
			}
			w.over = fmt.Sprintf("nobody did anything for %s; the session is over", w.s.o.Idle)
		case <-w.c.ending.Done():
			w.over = context.Cause(w.c.ending).Error()
		case <-ctx.Done():
			return
		}
		late := time.AfterFunc(leaveWithin, func() { cancel(errBehind) })
		defer late.Stop()
		send(tea.QuitMsg{})
		return
	}
}

// look records that this person read something.
func (w *session) look(what string) error {
	e := w.c.entry(what)
	e.Kind, e.Session = audit.KindLook, w.guard.id
	if _, err := w.s.o.Record(e); err != nil {
		return fmt.Errorf("it cannot be recorded, and is not shown: %w", err)
	}
	return nil
}
