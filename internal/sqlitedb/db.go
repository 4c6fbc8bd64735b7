package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"
)

// DB is one open file. All methods, and both pools, may be used by any number of goroutines at once.
type DB struct {
	// Read is a pool of connections that refuse writes. A query, and a transaction begun here, sees the state of one
	// moment. A transaction that stays open for long keeps the write-ahead log from being emptied.
	Read *sql.DB
	// Write has exactly one connection. Use it through Tx; what is run on it directly gets SQLITE_BUSY after few
	// milliseconds when another process writes.
	Write *sql.DB

	path      string
	lockWait  time.Duration
	groupTime time.Duration

	mu      sync.Mutex
	writing bool          // a goroutine has the turn
	waiting []chan *group // those who wait for it, in order

	close    sync.Once
	closeErr error
}

// Connections: a write gives up waiting for the lock soon, because Tx has the better way to wait. Readers wait only
// where a file is being recovered after a crash, or was just closed by the last process that had it open.
const (
	writeBusy = 2 * time.Millisecond
	readBusy  = 10 * time.Second
	cacheKiB  = 4 << 10  // of the writing connection: claims and rows in order are no faster with four times as much
	readKiB   = 1 << 10  // of each reading connection
	walPages  = 4000     // 16 MiB: a checkpoint, the only time that a commit waits for the disk, comes this rarely
	walLimit  = 64 << 20 // bytes that the log file keeps after it was larger
)

// Open opens the database file at path, creating it and its directory when they are missing, for this user alone, and applies the
// migrations that the file has not seen yet. Each migration is one or more SQL statements; they are applied in order,
// once in the life of a file, all in one transaction, whichever of several processes comes first. A migration that was
// released is never edited, only followed by another; the file's user_version is the number of those applied. A file
// with more of them than this program knows is an error.
//
// One file belongs to one package: two lists of migrations cannot share a file.
func Open(ctx context.Context, path string, migrations []string) (*DB, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return nil, fmt.Errorf("opening a database: %q is no path", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening database %s: %w", path, err)
	}
	path = abs
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("opening database %s: creating its directory: %w", path, err)
	}
	create(path)
	readers := max(4, 2*runtime.GOMAXPROCS(0))
	db := &DB{path: path, lockWait: lockWait, groupTime: groupTime}
	if db.Write, err = pool(path, 1, true, pragma("busy_timeout", writeBusy.Milliseconds()),
		pragma("cache_size", -cacheKiB), pragma("wal_autocheckpoint", walPages), pragma("journal_size_limit", walLimit)); err != nil {
		return nil, db.Explain(err)
	}
	if db.Read, err = pool(path, readers, false, pragma("busy_timeout", readBusy.Milliseconds()),
		pragma("cache_size", -readKiB), pragma("query_only", 1)); err != nil {
		return nil, errors.Join(db.Explain(err), db.Write.Close())
	}
	if err := db.prepare(ctx, migrations); err != nil {
		return nil, errors.Join(err, db.Write.Close(), db.Read.Close())
	}
	return db, nil
}

// prepare makes the file ready: the write-ahead log, then the migrations.
func (db *DB) prepare(ctx context.Context, migrations []string) error {
	// The journal mode stays with the file. To change it takes an exclusive lock that no busy handler waits for.
	err := db.retry(ctx, func() error {
		var mode string
		if err := db.Write.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
			return err
		}
		if mode != "wal" {
			return fmt.Errorf("database %s: the journal mode is %s: the file system has no shared memory for a write-ahead log; "+
				"put the file on a local disk", db.path, mode)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return db.migrate(ctx, migrations)
}

// pool opens a pool of up to n connections, without connecting yet. The path is escaped: SQLite reads it as a URI.
func pool(path string, n int, writes bool, params ...string) (*sql.DB, error) {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") { // C:/…
		slashed = "/" + slashed
	}
	// No mapped memory: it gains little here, and an I/O error in it would be a SIGBUS instead of an error.
	params = append(params, pragma("synchronous", "NORMAL"), pragma("foreign_keys", 1), pragma("temp_store", "MEMORY"))
	c, err := sqlite.NewConnector("file:" + (&url.URL{Path: slashed}).EscapedPath() + "?" + strings.Join(params, "&"))
	if err != nil {
		return nil, err
	}
	p := sql.OpenDB(connector{Connector: c, writes: writes})
	p.SetMaxOpenConns(n)
	p.SetMaxIdleConns(n)
	return p, nil
}

func pragma(name string, value any) string {
	return "_pragma=" + url.QueryEscape(fmt.Sprintf("%s(%v)", name, value))
}

// Path returns the file's absolute path.
func (db *DB) Path() string { return db.path }

// Close empties the write-ahead log as far as other processes allow, and closes both pools. It waits for the
// queries that run; later calls return the first one's result.
func (db *DB) Close() error {
	db.close.Do(func() {
		// Only tried: whatever stays in the log is as durable there, and the last process to close empties it.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, _ = db.Write.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
		// The readers first: the last connection of all to close removes the log, and only a writer may.
		db.closeErr = errors.Join(db.Read.Close(), db.Write.Close())
	})
	return db.closeErr
}
