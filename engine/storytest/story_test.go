package storytest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/storytest"
)

// adder is a world of one number.
func adder() storytest.Do {
	sum := 0
	return func(words []string, said *strings.Builder) {
		for _, w := range words[1:] {
			n := 0
			_, _ = fmt.Sscan(w, &n)
			sum += n
		}
		fmt.Fprintf(said, "%s: %d\n", words[0], sum)
	}
}

const told = `One number grows.
It begins at 0.

add 1 2
add 3
----
add: 3
add: 6

add -6
----
add: 0
`

// A story that is right stays as it is, and one whose answers are wrong, too many
// or missing becomes right: what happens is kept, what came of it is told anew.
func TestTell(t *testing.T) {
	for about, text := range map[string]string{
		"right":    told,
		"wrong":    strings.Replace(told, "add: 6", "add: 7", 1),
		"too many": strings.Replace(told, "add: 6\n", "add: 6\nadd: 8\n", 1),
		"missing":  strings.Replace(told, "add: 3\nadd: 6\n", "", 1),
	} {
		if got := storytest.Tell(text, adder()); got != told {
			t.Errorf("%s: it is told as\n%s", about, got)
		}
	}
}
