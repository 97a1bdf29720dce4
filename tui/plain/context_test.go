package plain_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/tui/plain"
)

// TestContext types every command of contexts and holds what main is asked.
func TestContext(t *testing.T) {
	var asked []string
	s := &shell{client: &fleet{status: picture()}}
	s.contexts = plain.Contexts{
		List: func() ([]plain.ContextItem, error) {
			return []plain.ContextItem{
				{Name: "home", State: "/var/lib/holdfast"},
				{Name: "prod", InUse: true, Agents: []string{"10.0.0.1", "10.1.0.1"}, Identity: "/home/mika/prod"},
			}, nil
		},
		Use: func(n string) error { asked = append(asked, "use "+n); return nil },
		Add: func(_ context.Context, c plain.ContextItem, token string) error {
			asked = append(asked, fmt.Sprintf("add %+v%s", c, token))
			return nil
		},
		Remove: func(n string) error { asked = append(asked, "remove "+n); return errors.New("it is not there") },
	}
	r := s.run(t, "context", "list")
	if r.code != 0 || !strings.Contains(r.out, "*  prod  10.0.0.1, 10.1.0.1  /home/mika/prod") {
		t.Errorf("list: %+v", r)
	}
	if r := s.run(t, "context", "list", "-o", "json"); r.code != 0 || !strings.Contains(r.out, `"in_use": true`) && !strings.Contains(r.out, `"in_use":true`) {
		t.Errorf("list as JSON: %+v", r)
	}
	for words, c := range map[string]struct {
		want string
		code int
	}{
		"context use prod":                     {"use prod", 0},
		"context use --none":                   {"use ", 0},
		"context use":                          {"", plain.ExitUsage},
		"context use prod --none":              {"", plain.ExitUsage},
		"context add lab --at /s":              {"add {Name:lab InUse:false State:/s Agents:[] Identity:}", 0},
		"context add":                          {"", plain.ExitUsage},
		"context remove x":                     {"remove x", plain.ExitUsage},
		"context add p --agent a,b --agent c":  {"add {Name:p InUse:false State: Agents:[a,b c] Identity:}", 0},
		"context add p --agent a --token t":    {"add {Name:p InUse:false State: Agents:[a] Identity:}t", 0},
		"context add p --at /s --token t":      {"", plain.ExitUsage},
		"get pools --state /x --context prod":  {"", plain.ExitUsage},
		"wallboard --state /x --context prod":  {"", plain.ExitUsage},
		"up --context prod":                    {"", plain.ExitUsage},
		"wait backends --context p --state /x": {"", plain.ExitUsage},
	} {
		asked = nil
		if r := s.run(t, strings.Fields(words)...); r.code != c.code || strings.Join(asked, "; ") != c.want {
			t.Errorf("%s: %+v, asked %q", words, r, asked)
		}
	}
	if r := s.run(t, "get", "pools", "--context", "prod"); r.code != 0 || s.where != (plain.Where{Context: "prod"}) {
		t.Errorf("get with a context: %+v, %+v", r, s.where)
	}
	if r := s.run(t, "get", "pools", "--state", "/x"); r.code != 0 || s.where != (plain.Where{State: "/x"}) {
		t.Errorf("get with a directory: %+v, %+v", r, s.where)
	}
}
