package realservers

import (
	"os"
	"path/filepath"
	"syscall"
)

// attributes puts a server into a process group of its own, so that ctrl-C ends the tests first, and lets the kernel kill it
// when this process dies in whatever way.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// keepsAttributes says whether files below dir can have the extended attributes that versitygw keeps tags and ETags in.
func keepsAttributes(dir string) bool {
	probe := filepath.Join(dir, ".probe")
	if os.WriteFile(probe, nil, 0o600) != nil {
		return false
	}
	defer func() { _ = os.Remove(probe) }()
	return syscall.Setxattr(probe, "user.reprise", make([]byte, 2048), 0) == nil
}

// lock locks an open folder for as long as this process lives and keeps it open; false where another process has it.
func lock(dir *os.File) bool {
	return syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
