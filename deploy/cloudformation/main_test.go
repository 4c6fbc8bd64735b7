// Package cloudformation holds the stack's template to the program that runs in it: its tables and queues to what
// `reprise init --aws` makes, its roles to what `reprise config check --live` asks for, its alarms to the metrics that are
// there. What moto's CloudFormation makes is tried by running the program on it; what it leaves out is asserted by reading.
package cloudformation

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/realservers"
)

const templateFile = "reprise.yaml"

func TestMain(m *testing.M) {
	code := realservers.Run(m)
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

var built struct {
	once sync.Once
	dir  string
	err  error
	text []byte
}

// program builds the program, once, and returns its path.
func program(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "reprise-stack-"); built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", built.dir, "github.com/seed-56345083/reprise/cmd/reprise")
		built.text, built.err = build.CombinedOutput()
	})
	if built.err != nil {
		t.Fatalf("building the program: %v\n%s", built.err, built.text)
	}
	return filepath.Join(built.dir, "reprise")
}
