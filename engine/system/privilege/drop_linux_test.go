package privilege_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/system/privilege"
)

// TestMain lets this binary be the program that becomes another user, and then tell
// what it is.
func TestMain(m *testing.M) {
	dir := os.Getenv("HOLDFAST_TEST_BECOME")
	if dir == "" {
		os.Exit(m.Run())
	}
	if privilege.Root() {
		fmt.Println(privilege.Become("nobody", dir))
		os.Exit(1)
	}
	status, _ := os.ReadFile("/proc/self/status")
	fmt.Println(string(status))
	fmt.Println("root again:", syscall.Setuid(0))
	_, err := os.ReadFile("/etc/shadow")
	fmt.Println("shadow:", err)
	fmt.Println("own:", os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600))
	os.Exit(0)
}

// TestBecome starts this program as root and reads what it is afterwards.
func TestBecome(t *testing.T) {
	if !privilege.Root() {
		t.Skip("it takes root to become somebody else")
	}
	dir, err := os.MkdirTemp("/tmp", "hf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program := filepath.Join(dir, "program")
	self, err := os.ReadFile(must(os.Executable()))
	if err == nil {
		err = os.WriteFile(program, self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "state")
	if err := os.MkdirAll(filepath.Join(state, "identity"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program)
	c.Env = append(os.Environ(), "HOLDFAST_TEST_BECOME="+state)
	out, err := c.CombinedOutput()
	text := string(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{
		"Uid:\t65534\t65534\t65534\t65534", "Groups:\t65534", "NoNewPrivs:\t1",
		"CapPrm:\t0000000000000400", "CapEff:\t0000000000000400", "CapAmb:\t0000000000000400",
		"root again: operation not permitted", "shadow: open /etc/shadow: permission denied", "own: <nil>",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if err := privilege.Become("root"); err == nil {
		t.Error("it became root")
	}
	if err := privilege.Become("no-such-user-here"); err == nil || !strings.Contains(err.Error(), "useradd") {
		t.Errorf("a user who does not exist: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
