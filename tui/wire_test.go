package tui

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/vt"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/tui/internal/fixture"
	"github.com/holdfast-edge/holdfast/tui/internal/shot"
	"github.com/holdfast-edge/holdfast/tui/theme"
)

// wire is what the program writes, and the terminal at its end.
type wire struct {
	mu     sync.Mutex
	bytes  int
	screen *vt.Emulator
}

func newWire(w, h int) *wire {
	t := &wire{screen: vt.NewEmulator(w, h)}
	_, _ = t.screen.WriteString("\x1b[20h") // without a terminal the renderer trusts it to return the carriage
	go func() { _, _ = io.Copy(io.Discard, t.screen) }()
	return t
}

func (t *wire) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes += len(p)
	// The emulator drops controls that it has no window for; they are no part
	// of the screen.
	_, _ = t.screen.Write(p)
	return len(p), nil
}

func (t *wire) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes
}

// steady is a fleet whose figures move ten times a second, as a real one's do.
type steady struct {
	api.Client
	n int // backends to a pool
}

func (c steady) Watch(ctx context.Context, _ api.Seq) (<-chan api.Update, error) {
	updates := make(chan api.Update, 1)
	go func() {
		defer close(updates)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		events := fixture.Events()
		for i := 0; ; i++ {
			select {
			case updates <- api.Update{Status: moving(c.n, i), Events: events}:
			case <-ctx.Done():
				return
			}
			events = nil
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return updates, nil
}

// moving is the fleet's ith picture: every rate and latency is another, and
// every second the trends go on by a value.
func moving(n, i int) *api.Status {
	s := fixture.Of(n)
	s.At = time.Now()
	shake := func(t *api.Traffic, k int) {
		t.Requests *= 1 + 0.03*float64((i*7+k*3)%11-5)/5
		t.P99 += time.Duration((i*5+k)%9) * time.Millisecond
		t.Active += int64((i + k) % 5)
	}
	roll := func(v []float32, by int) {
		for range by % max(len(v), 1) {
			first := v[0]
			copy(v, v[1:])
			v[len(v)-1] = first
		}
	}
	for k := range s.Sites {
		shake(&s.Sites[k].Traffic, k)
		roll(s.Sites[k].Trend.Requests15, i/150)
		roll(s.Sites[k].Trend.P9915, i/150)
	}
	for k := range s.Clients {
		shake(&s.Clients[k].Traffic, k)
	}
	for k := range s.Backends {
		shake(&s.Backends[k].Traffic, k)
	}
	return s
}

// still is a fleet in which nothing moves but its clock.
type still struct{ api.Client }

func (still) Watch(ctx context.Context, _ api.Seq) (<-chan api.Update, error) {
	updates := make(chan api.Update, 1)
	go func() {
		defer close(updates)
		events := fixture.Events()
		for {
			s := fixture.Picture()
			s.At = time.Now()
			select {
			case updates <- api.Update{Status: s, Events: events}:
			case <-ctx.Done():
				return
			}
			events = nil
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
		}
	}()
	return updates, nil
}

// look asks the running model for its frame.
type look struct{ answer chan string }

// spy is the model with a window for the test.
type spy struct{ *app }

func (s spy) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if l, ok := msg.(look); ok {
		r := rig{a: s.app}
		l.answer <- r.frame()
		return s, nil
	}
	_, cmd := s.app.Update(msg)
	return s, cmd
}

// program runs the console on a wire, in the time of a bubble.
func program(ctx context.Context, t *testing.T, w, h int, client api.Client, out io.Writer, page string) (*tea.Program, <-chan error) {
	t.Helper()
	a := newApp(ctx, Options{Client: client, Actor: api.Actor{Name: "mina"}, Theme: theme.Dark, Page: page})
	p := tea.NewProgram(spy{a}, tea.WithContext(ctx), tea.WithFPS(framesPerSecond), tea.WithInput(nil), tea.WithOutput(out), tea.WithWindowSize(w, h),
		tea.WithColorProfile(colorprofile.ANSI256), tea.WithEnvironment([]string{"TERM=xterm-256color"}), tea.WithoutSignalHandler())
	done := make(chan error, 1)
	go func() {
		_, err := p.Run()
		done <- err
	}()
	return p, done
}

// TestSteadyTrafficToTheTerminal: the overview of a fleet whose figures never
// stand still sends less than 5 kB a second, through the real renderer.
func TestSteadyTrafficToTheTerminal(t *testing.T) {
	const limit = 5000.0
	for _, page := range []string{"overview", "backends"} {
		for _, size := range [][2]int{{120, 36}, {200, 60}} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				out := newWire(size[0], size[1])
				_, done := program(ctx, t, size[0], size[1], steady{n: 3}, out, page)
				pass(5 * time.Second)
				before := out.count()
				const seconds = 15
				pass(seconds * time.Second)
				rate := float64(out.count()-before) / seconds
				t.Logf("%s %dx%d: %.0f B/s", page, size[0], size[1], rate)
				if page == "overview" && rate > limit {
					t.Errorf("the overview at %dx%d sends %.0f B/s, the limit is %.0f", size[0], size[1], rate, limit)
				}
				if rate == 0 {
					t.Errorf("%s: nothing moves", page)
				}
				cancel()
				<-done
				pass(2 * time.Second) // the last tick of the clock
				shot.EndAnswers(out.screen)
				synctest.Wait()
			})
		}
	}
}

// TestWireIsFrame: what a terminal shows after the real renderer went from
// frame to frame is the frame itself.
func TestWireIsFrame(t *testing.T) {
	const w, h = 100, 30
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out := newWire(w, h)
		p, done := program(ctx, t, w, h, still{}, out, "overview")
		defer func() {
			cancel()
			<-done
			pass(2 * time.Second) // the last tick of the clock
			shot.EndAnswers(out.screen)
			synctest.Wait()
		}()
		pass(2250 * time.Millisecond)
		for i, keys := range [][]string{{}, {"2"}, {"enter", "down"}, {"3"}, {"end"}, {"D"}, {"esc"}, {"?"}, {"esc"}, {"5"}, {"down", "down"}, {":"}, {"esc"}, {"4"}, {"6"}, {"1"}} {
			for _, k := range keys {
				p.Send(key(k))
			}
			pass(2 * time.Second) // a quarter of a second after the clock was drawn, again
			answer := make(chan string, 1)
			p.Send(look{answer})
			want := <-answer
			out.mu.Lock()
			got := shot.Text(out.screen, w, h)
			out.mu.Unlock()
			if got != want {
				t.Fatalf("step %d %v: the terminal shows another thing than the frame:\n%s", i, keys, difference(want, got))
			}
		}
	})
}

// pass lets the bubble's time go on.
func pass(d time.Duration) { <-time.After(d) }
