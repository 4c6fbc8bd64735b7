package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReadOnlyPlaces: folders and files that this user may not write to, or not read, are one error that names them.
// Modes do not bind root, so a root runs the program as nobody.
func TestReadOnlyPlaces(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "reprise-e2e-") //nolint:usetesting // the folders above t.TempDir are closed to others
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: dir, archive: filepath.Join(dir, "archive"), prepare: asNobody}
	t.Cleanup(func() {
		for _, folder := range []string{".", "state", "archive", "archive/logs"} {
			_ = os.Chmod(filepath.Join(dir, folder), 0o700) // so that they can be removed
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s.configure("visibility_timeout: 2s, reserve: 500ms, max_attempts: 2", smallProtocols)
	s.put("logs/shop/1.log", []byte(smallLog))
	mode := func(mode os.FileMode, names ...string) {
		t.Helper()
		for _, name := range names {
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	mode(0o644, "reprise.yaml", "archive/logs/shop/1.log")
	mode(0o755, "archive", "archive/logs", "archive/logs/shop")

	mode(0o555, ".")
	s.refused("start", failed, "local.dir", "cannot be made", "mkdir state: permission denied")
	s.refused("init new.yaml", failed, "new.yaml: permission denied")
	mode(0o755, ".")
	s.mkdir("state")
	mode(0o555, "state")
	s.refused("start", failed, "local.dir", "state/ledger.db", "cannot open or create it")
	mode(0o777, "state")

	mode(0, "reprise.yaml")
	s.refused("start", usage, "reprise.yaml: permission denied")
	mode(0o644, "reprise.yaml")
	mode(0, "archive")
	s.refused("start", failed, "local.archive", "archive: permission denied")
	mode(0o755, "archive")
	mode(0, "archive/logs")
	s.refused("start", failed, "listing the archive", `"logs/"`, "permission denied")
	mode(0o755, "archive/logs")

	id := s.start("--cutoff", smallCutoff)
	files, err := filepath.Glob(filepath.Join(dir, "state", "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("the databases are %v, %v", files, err)
	}
	for i, file := range files {
		files[i] = strings.TrimPrefix(file, dir)
	}
	mode(0o444, files...)
	mode(0o555, "state")
	for _, command := range []string{"pause", "status", "work", "run --once"} {
		s.refused(command, failed, "local.dir", "state/ledger.db: this user may not write to it")
	}
	mode(0o777, "state")
	mode(0o666, files...)
	s.call(call{"status", exit(done), []string{id, "RUNNING"}, nil})

	mode(0, "archive/logs/shop/1.log")
	s.call(call{"run --once", exit(check), nil, []string{"1.log", "permission denied", "1 object FAILED: redrive after a fix"}})
	s.call(call{"objects --state failed", exit(done), []string{"logs/shop/1.log", "permission denied"}, nil})
	mode(0o644, "archive/logs/shop/1.log")
	s.call(call{"redrive", exit(done), []string{"logs/shop/1.log"}, []string{"FAILED 1 of 1"}})
	s.goesOn("reprise.yaml")
}

// asNobody lets a process run as a user whom modes bind.
func asNobody(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}
