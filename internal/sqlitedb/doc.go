// Package sqlitedb opens the SQLite files of the local backend, brings their tables up to date, and runs write
// transactions that get along with other processes on the same file.
//
// A file is opened with a write-ahead log. One connection writes, a pool of connections reads; readers never wait for
// the writer and the writer never for them. Every write is a transaction that takes the write lock when it begins, so
// it cannot find out in the middle that somebody else was faster. Where another process has the lock, [DB.Tx] tries
// again after short random pauses instead of SQLite's own fixed ones: with four processes that write small transactions
// the total stays the same, and the longest wait drops from 1.3 s to 0.2 s.
//
// Goroutines that wait for one another share a transaction, and a connection keeps the statements that it has prepared, BEGIN and
// COMMIT included: of a small transaction most is its beginning, its end, and the reading of its text.
//
// It promises:
//   - a process killed at any moment (kill -9) loses no transaction for which Tx returned nil;
//   - a power cut may lose the last such transactions, but the file is consistent when it is opened again
//     (synchronous=NORMAL; a sync for each commit would make a commit twenty times slower and more);
//   - any number of processes of one machine may open one file at once, the first of them included.
//
// It does not promise anything on network file systems: the write-ahead log needs memory shared between the
// processes. No code may open a database file with os.Open while it is in use here: closing that descriptor would drop
// the locks of the whole process.
//
//	db, err := sqlitedb.Open(ctx, "dir/tags.db", []string{`CREATE TABLE tags (key TEXT PRIMARY KEY, tags TEXT) STRICT`})
//	…
//	err = db.Tx(ctx, func(tx *sqlitedb.Tx) error {
//		_, err := tx.ExecContext(ctx, `INSERT INTO tags VALUES (?, ?)`, key, tags)
//		return err
//	})
//
// Errors name the file and, where an operator can do something about it, say what.
package sqlitedb
