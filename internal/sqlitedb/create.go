package sqlitedb

import (
	"os"
	"path/filepath"
)

// create makes an empty file at path, where there is none, that its owner alone may read and write; SQLite takes it for a new
// database, and gives the files beside it the same mode. By itself it would let everybody read them.
//
// The file gets its name when it is closed: to close it under that name would drop the locks that this process, through
// another DB, may have on it by then (SQLite: "How To Corrupt An SQLite Database File", 2.2). What cannot be done is left to
// SQLite, which knows what to say: a folder that cannot be written, a file system without links.
func create(path string) {
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // its mode is 0600
	if err != nil {
		return
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if f.Close() == nil {
		_ = os.Link(f.Name(), path) // refused where somebody was faster
	}
}
