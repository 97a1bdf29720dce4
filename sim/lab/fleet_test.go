//go:build lab

package lab_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
	"github.com/holdfast-edge/holdfast/engine/remote"
	"github.com/holdfast-edge/holdfast/sim/lab"
)

// backends is what get backends -o json prints.
type backends []struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Reason string `json:"reason"`
}

func (b backends) state(name string) string {
	for _, one := range b {
		if one.Name == name {
			return one.State
		}
	}
	return "missing"
}

// waitPool waits until the command line says what is wanted.
func waitPool(t *testing.T, h *lab.Holdfast, what string, is func(backends) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var last backends
	err := lab.Until(ctx, func() error {
		out, err := h.Do(ctx, "get", "backends", "-o", "json")
		if err != nil {
			return err
		}
		last = nil
		if err := json.Unmarshal([]byte(out), &last); err != nil {
			return fmt.Errorf("get backends -o json: %w: %s", err, out)
		}
		if !is(last) {
			return fmt.Errorf("not yet: %+v", last)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func dial(t *testing.T, h *lab.Holdfast) api.Client {
	t.Helper()
	sockets, err := filepath.Glob(filepath.Join(h.State, "*.sock"))
	if err != nil || len(sockets) != 1 {
		entries, _ := os.ReadDir(h.State)
		t.Fatalf("the state directory has %d sockets, want 1: %v", len(sockets), entries)
	}
	c, err := remote.Dial(sockets[0])
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// detection is the pool's stated worst case.
func detection(t *testing.T, h *lab.Holdfast) time.Duration {
	t.Helper()
	status, err := dial(t, h).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pool, ok := status.Pool("web")
	if !ok || pool.Detection <= 0 {
		t.Fatalf("the pool states no detection time: %+v", pool)
	}
	return pool.Detection
}

// change makes one change, of the kinds in turn, and returns how many it made.
func change(ctx context.Context, t *testing.T, c api.Client, n int, two, three string) int {
	t.Helper()
	do := func(cmd api.Command) int {
		r, err := c.Do(ctx, api.Request{Command: cmd, By: api.Actor{Name: "lab"}, Why: "test"})
		if err != nil {
			if ctx.Err() != nil {
				return 0
			}
			t.Fatalf("change %d, %s: %v", n, cmd.Sentence(), err)
		}
		if !r.OK {
			t.Fatalf("change %d, %s: refused: %v", n, cmd.Sentence(), r.Refusals)
		}
		return 1
	}
	apply := func(path string) int {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return do(api.Apply{Name: path, Text: string(text), Dir: filepath.Dir(path)})
	}
	backend := id.To(id.KindBackend, fmt.Sprintf("web-%d", 1+n/6%2))
	switch n % 6 {
	case 0:
		return do(api.SetWeights{Weights: []api.Weight{{Backend: backend.Name, Weight: 1 + n%97}}})
	case 1:
		return do(api.Drain{Target: backend, For: 10 * time.Second})
	case 2:
		return do(api.Undrain{Target: backend})
	case 3:
		return do(api.SetWeights{Weights: []api.Weight{{Backend: backend.Name, Weight: 100}}})
	case 4:
		return apply(two)
	default:
		return apply(three)
	}
}
