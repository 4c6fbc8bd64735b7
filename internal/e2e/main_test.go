package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seed-56345083/reprise/internal/realservers"
)

// program is the binary under test.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the binary once, as it is released: without cgo.
func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "reprise-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			code = max(code, 1)
		}
	}()
	if err := os.Chmod(dir, 0o755); err != nil { // some tests run the program as another user
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	program = filepath.Join(dir, "reprise")
	build := exec.Command("go", "build", "-o", program, "github.com/seed-56345083/reprise/cmd/reprise")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: building the program: %v\n%s", err, out)
		return 1
	}
	return realservers.Run(m)
}

// exitCode is how a process has ended; -1 for a signal.
func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatalf("running the program: %v", err)
	return -1
}
