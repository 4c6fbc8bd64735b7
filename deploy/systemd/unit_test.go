package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/config"
)

const unit = "reprise@.service"

func read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settings are the values of a key of the unit.
func settings(t *testing.T, key string) (values []string) {
	t.Helper()
	for line := range strings.Lines(read(t)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// TestUnit: what the unit says of the program is what the program does.
func TestUnit(t *testing.T) {
	t.Parallel()
	limit, err := time.ParseDuration(strings.Join(settings(t, "TimeoutStopSec"), "") + "s")
	if drain := config.Default().Worker.Drain; err != nil || limit < 2*drain {
		t.Errorf("systemd kills after %v (%v), but a drain may take %v", limit, err, drain)
	}
	for _, assignment := range settings(t, "Environment") {
		name, _, _ := strings.Cut(assignment, "=")
		if name != "REPRISE_CONFIG" && name != config.Variable("local.dir") {
			t.Errorf("the unit sets %s, which the program does not know", name)
		}
	}
}

// TestSystemd lets systemd itself look at the unit, where it is at hand.
func TestSystemd(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip(err)
	}
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"work", "watch", "live", "archive", "run"} {
		file := filepath.Join(t.TempDir(), "reprise@"+role+".service")
		text := regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAllString(read(t), "ExecStart="+program) // it must be there
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("verify: %v\n%s", err, out)
		}
		// Exposure goes from 0 to 100; the unit has 12.
		out, err := exec.CommandContext(t.Context(), analyze, "security", "--no-pager", "--offline=true", "--threshold=15", file).CombinedOutput()
		if err != nil {
			t.Errorf("security: %v\n%s", err, out)
		}
	}
}
