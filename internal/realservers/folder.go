package realservers

import (
	"os"
	"path/filepath"
	"time"
)

const folderPrefix = "reprise-servers-"

// A folder is locked right after it was made: one this old without a lock has lost its process.
const orphanAge = time.Minute

// folder is a temporary folder, locked while its process lives. One of a process that was killed is removed by the next
// process that makes one.
type folder struct {
	path string
	lock *os.File
}

func newFolder() (*folder, error) {
	removeOrphans()
	path, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(path)
	if err != nil {
		_ = os.RemoveAll(path)
		return nil, err
	}
	lock(dir) // without it the folder is only removed by somebody else while it is in use, if that
	return &folder{path: path, lock: dir}, nil
}

func (f *folder) remove() {
	_ = os.RemoveAll(f.path)
	_ = f.lock.Close()
}

func removeOrphans() {
	paths, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*"))
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) < orphanAge {
			continue
		}
		dir, err := os.Open(path)
		if err != nil {
			continue
		}
		if lock(dir) {
			_ = os.RemoveAll(path)
		}
		_ = dir.Close()
	}
}
