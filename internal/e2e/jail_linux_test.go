package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A jail is what a container of the image is for its process: a root folder with the binary and the configuration in it and nothing
// else, a user that is nobody there, a file system that cannot be written to, and no variable but those that are given. The test's
// own binary makes it, as root, in a process that then becomes the program's.
type jail struct {
	root     string
	writable string // a folder in it that is not read-only; empty: none is
	mounts   bool   // whether this machine lets root mount: else modes alone keep the program from writing
}

// imageUser is that of deploy/image.
const imageUser = 65532

// The variables that tell the test's binary that it is to become the program in a jail.
const (
	jailRoot     = "E2E_JAIL"
	jailWritable = "E2E_JAIL_WRITABLE"
	jailMounts   = "E2E_JAIL_MOUNTS"
)

// init comes before the tests do: what is to become the program runs none.
func init() {
	if root := os.Getenv(jailRoot); root != "" {
		fmt.Fprintln(os.Stderr, "jail:", becomeProgram(root, os.Getenv(jailWritable), os.Getenv(jailMounts) != ""))
		os.Exit(70)
	}
}

// becomeProgram turns this process into the program; it returns only when it cannot.
func becomeProgram(root, writable string, mounts bool) error {
	runtime.LockOSThread()
	if mounts {
		if err := seal(root, writable); err != nil {
			return err
		}
	}
	if err := syscall.Chroot(root); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return fmt.Errorf("leaving the groups: %w", err)
	}
	if err := syscall.Setgid(imageUser); err != nil {
		return fmt.Errorf("changing the group: %w", err)
	}
	if err := syscall.Setuid(imageUser); err != nil {
		return fmt.Errorf("changing the user: %w", err)
	}
	if err := os.WriteFile("/probe", nil, 0o600); err == nil {
		return errors.New("this user may write to the root folder")
	}
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, jailRoot) })
	return syscall.Exec("/reprise", append([]string{"/reprise"}, os.Args[1:]...), env)
}

// seal makes the root folder read-only for this process, in a mount namespace of its own.
func seal(root, writable string) error {
	steps := []struct {
		target string
		flags  uintptr
	}{
		{"/", syscall.MS_REC | syscall.MS_PRIVATE},
		{root, syscall.MS_BIND},
		{root, syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY},
	}
	if writable != "" {
		steps = append(steps, []struct {
			target string
			flags  uintptr
		}{{writable, syscall.MS_BIND}, {writable, syscall.MS_BIND | syscall.MS_REMOUNT}}...)
	}
	for _, s := range steps {
		if err := syscall.Mount(s.target, s.target, "", s.flags, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", s.target, err)
		}
	}
	return nil
}

// imageBinary builds the binary of the image, once.
var imageBinary = sync.OnceValues(func() (string, error) {
	out := filepath.Join(filepath.Dir(program), "image")
	build := exec.Command("go", "run", "github.com/seed-56345083/reprise/deploy/image", "-o", out, "-arch", runtime.GOARCH, "-version", imageVersion)
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the image: %w\n%s", err, text)
	}
	return filepath.Join(out, "reprise-linux-"+runtime.GOARCH), nil
})

// imageVersion is that of the image's binary.
const imageVersion = "v9.8.7"

// newJail makes one of a folder that holds what the program is to find beside itself.
func newJail(t *testing.T, root, writable string) *jail {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can chroot")
	}
	binary, err := imageBinary()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	j := &jail{root: root, mounts: true}
	if err := os.WriteFile(filepath.Join(root, "reprise"), content, 0o755); err != nil {
		t.Fatal(err)
	}
	if writable != "" {
		j.writable = filepath.Join(root, writable)
		if err := os.Mkdir(j.writable, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(j.writable, imageUser, imageUser); err != nil {
			t.Fatal(err)
		}
	}
	j.open(t)
	probe := exec.Command(program, "version")
	j.enter(probe)
	if out, err := probe.CombinedOutput(); err != nil || !bytes.Contains(out, []byte(imageVersion)) {
		t.Logf("no mounts here, so that modes alone keep the program from writing: %v\n%s", err, out)
		j.mounts = false
	}
	return j
}

// open lets everybody read what is in the root folder.
func (j *jail) open(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(j.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == j.writable {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() &^ 0o222
		if d.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode|0o444)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// enter changes a command of the program into one in the jail.
func (j *jail) enter(cmd *exec.Cmd) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	env := slices.DeleteFunc(slices.Clone(cmd.Env), func(kv string) bool {
		return !strings.HasPrefix(kv, "AWS_") && !strings.HasPrefix(kv, "REPRISE_") && !strings.HasPrefix(kv, "TZ=")
	})
	env = append(env, "PATH=/", jailRoot+"="+j.root, jailWritable+"="+j.writable)
	if j.mounts {
		env = append(env, jailMounts+"=yes")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	}
	cmd.Path, cmd.Dir, cmd.Env = self, "/", env
}

// files are the names in the root folder, but for what is in the writable one.
func (j *jail) files(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(j.root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		names = append(names, strings.TrimPrefix(path, j.root))
		if path == j.writable {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
