package sqlitedb

import (
	"errors"
	"fmt"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// IsBusy reports whether err says that somebody else holds a lock on the file (SQLITE_BUSY, SQLITE_LOCKED), so that
// trying again later may help.
func IsBusy(err error) bool {
	code, ok := primary(err)
	return ok && (code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED)
}

// primary returns SQLite's primary result code, without the reason in its upper bits.
func primary(err error) (code int, ok bool) {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		return e.Code() & 0xff, true
	}
	return 0, false
}

// Explain adds the file, and what an operator can do about it, to an error of SQLite. Other errors, and those that
// were explained already, are returned as they are. Tx does it for its own errors; it is for those of db.Read.
func (db *DB) Explain(err error) error {
	code, ok := primary(err)
	if !ok {
		return err
	}
	if e := (*fileError)(nil); errors.As(err, &e) {
		return err
	}
	return &fileError{path: db.path, hint: hint(code, db.path), err: err}
}

// fileError is an error of SQLite with the file that it is about.
type fileError struct {
	path, hint string
	err        error
}

func (e *fileError) Error() string {
	if e.hint == "" {
		return fmt.Sprintf("database %s: %v", e.path, e.err)
	}
	return fmt.Sprintf("database %s: %s: %v", e.path, e.hint, e.err)
}

func (e *fileError) Unwrap() error { return e.err }

func hint(code int, path string) string {
	switch code {
	case sqlite3.SQLITE_READONLY:
		return fmt.Sprintf("this user may not write to it; check the owner and the mode of the file and of its directory %s "+
			"(the log beside it needs a writable directory), and whether the disk is mounted read-only", filepath.Dir(path))
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return fmt.Sprintf("this user cannot open or create it; check that it is no directory, and the owner and the mode of "+
			"the directory %s", filepath.Dir(path))
	case sqlite3.SQLITE_FULL:
		return "no space left; make room on its disk, nothing that was committed is lost"
	case sqlite3.SQLITE_NOTADB:
		return "this file is no SQLite database; check the path, or move the file away"
	case sqlite3.SQLITE_CORRUPT:
		return "the file is damaged; restore it from a copy, or begin anew with an empty one"
	case sqlite3.SQLITE_IOERR:
		return "the disk reports an error; see the system's log, and whether the disk is full"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "another process holds its lock"
	default:
		return ""
	}
}
