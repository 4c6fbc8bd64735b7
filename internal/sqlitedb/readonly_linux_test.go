package sqlitedb_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReadOnly opens files as a user who may not write: modes do not bind root, so a root runs a child as nobody.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "sqlitedb") //nolint:usetesting // the directories above t.TempDir are closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700); _ = os.RemoveAll(dir) })
	old := filepath.Join(dir, "old.db")
	if err := open(t, old, nil).Close(); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o555, old: 0o444} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for path, hint := range map[string]string{
		old:                          "may not write to it",
		filepath.Join(dir, "new.db"): "cannot open or create it",
	} {
		cmd := exec.CommandContext(context.Background(), "/proc/self/exe", path)
		cmd.Env = append(os.Environ(), childEnv+"=hold")
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), path) || !strings.Contains(string(out), hint) {
			t.Errorf("opening %s: %v, %s, want %q", path, err, out, hint)
		}
	}
}
