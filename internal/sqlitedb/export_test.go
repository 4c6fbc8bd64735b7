package sqlitedb

import (
	"context"
	"testing"
	"time"
)

// MaxStatements is how many a connection keeps.
const MaxStatements = maxStatements

// SetLockWait shortens how long Tx waits for another process.
func (db *DB) SetLockWait(d time.Duration) { db.lockWait = d }

// SetGroupTime changes how long a transaction takes up others.
func (db *DB) SetGroupTime(d time.Duration) { db.groupTime = d }

// Waiting is how many goroutines wait for their turn.
func (db *DB) Waiting() int {
	db.mu.Lock()
	defer db.mu.Unlock()
	return len(db.waiting)
}

// Kept is how many statements the writing connection keeps.
func (db *DB) Kept(t *testing.T) (n int) {
	t.Helper()
	c, err := db.Write.Conn(context.Background())
	if err == nil {
		err = c.Raw(func(raw any) error { n = len(raw.(*conn).idle); return nil })
	}
	if err == nil {
		err = c.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}
