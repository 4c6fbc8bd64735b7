package sqlitedb

import "time"

// SetLockWait shortens how long Tx waits for another process.
func (db *DB) SetLockWait(d time.Duration) { db.lockWait = d }
