package storytest

import (
	"bufio"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the answers of the stories in testdata")

// Do carries one line out and writes what came of it.
type Do func(words []string, said *strings.Builder)

// Run tells each testdata/*.txt, in the world that begin makes for it.
func Run(t *testing.T, begin func(t *testing.T) Do) {
	t.Helper()
	RunIn(t, "testdata", begin)
}

// RunIn is Run for the stories of another folder.
func RunIn(t *testing.T, folder string, begin func(t *testing.T) Do) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := Tell(string(text), begin(t))
			if *update {
				text = []byte(got)
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(text), got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

// Tell returns a story with its answers as they are now.
func Tell(text string, do Do) string {
	paragraph, rest, _ := strings.Cut(text, "\n\n")
	var out, said strings.Builder
	out.WriteString(paragraph + "\n\n")
	answering := false
	for in := bufio.NewScanner(strings.NewReader(rest)); in.Scan(); {
		line := in.Text()
		switch {
		case line == "----":
			out.WriteString("----\n" + said.String() + "\n")
			said.Reset()
			answering = true
		case line == "":
			answering = false
		case !answering:
			out.WriteString(line + "\n")
			do(strings.Fields(line), &said)
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}
