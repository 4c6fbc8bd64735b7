package sqlitedb

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"
)

// Waiting for the lock that another process holds: the pause before try n is random between 0 and
// min(maxPause, firstPause*2^n). SQLite's own schedule has every process wait the same growing time, up to 100 ms, which
// lets the one that just wrote win again and again: with four writing processes the longest wait was 1.3 s, with this
// one 0.2 s, at the same number of transactions a second.
const (
	firstPause = 500 * time.Microsecond
	maxPause   = 10 * time.Millisecond
	lockWait   = 30 * time.Second // until Tx gives up, counted from its turn
)

// Tx is a write transaction. It is done with when the function that got it returns.
type Tx struct {
	conn *sql.Conn
}

// ExecContext runs a statement. Its text is read by SQLite once in the life of the connection.
func (t *Tx) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return t.conn.ExecContext(ctx, text, args...)
}

// QueryContext runs a query. The caller closes the rows before its next statement.
func (t *Tx) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return t.conn.QueryContext(context.Background(), text, args...)
}

// QueryRowContext runs a query of one row.
func (t *Tx) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	if ctx.Err() == nil {
		ctx = context.Background() // database/sql would start a goroutine that watches it
	}
	return t.conn.QueryRowContext(ctx, text, args...)
}

// PrepareContext is for many rows with one statement. The caller closes it before it returns.
func (t *Tx) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	return t.conn.PrepareContext(ctx, text)
}

// Tx runs f in a write transaction, which holds the write lock of the file from its beginning, and commits it when f
// returns nil. While another process holds the lock it waits, and then tries again, until ctx ends or 30 seconds have
// passed; the goroutines of this process take turns in the order of their calls, and those who have waited for one another
// share a transaction (see group): each f as if it were alone, all committed at once. f may therefore run more than once:
// it sets the variables it fills anew each time and has no other effects. f uses tx alone (a query through db.Read
// inside f would not see what tx wrote, a Tx inside f never returns) and is done with it when it returns.
//
// f's own error takes back what f wrote and is returned as it is, an error of SQLite with the file and a hint. When f panics,
// what it wrote is taken back and the panic goes on.
func (db *DB) Tx(ctx context.Context, f func(*Tx) error) error {
	for {
		g, err := db.turn(ctx)
		if err != nil {
			return fmt.Errorf("waiting to write to database %s: %w", db.path, err)
		}
		if g == nil {
			if g, err = db.begin(ctx); err != nil {
				db.next(nil)
				return err
			}
		}
		if again, err := db.take(ctx, g, f); !again {
			return db.Explain(err)
		}
	}
}

// begin takes the write lock, however long another process holds it.
func (db *DB) begin(ctx context.Context) (*group, error) {
	var g *group
	err := db.retry(ctx, func() error {
		conn, err := db.Write.Conn(ctx)
		if err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			_ = conn.Close()
			return err
		}
		g = &group{tx: Tx{conn}, began: time.Now(), done: make(chan struct{})}
		return nil
	})
	return g, err
}

// retry calls try until it returns something other than SQLite's busy error.
func (db *DB) retry(ctx context.Context, try func() error) error {
	begin := time.Now()
	pause, doing := firstPause, "writing to database "+db.path
	for {
		err := try()
		switch {
		case err != nil && err == ctx.Err(): //nolint:errorlint // the driver's own answer, without a word of where
			return fmt.Errorf("%s: %w", doing, err)
		case err == nil || !IsBusy(err):
			return db.Explain(err)
		}
		doing = "waiting for the lock of database " + db.path + ", which another process holds"
		if waited := time.Since(begin); waited > db.lockWait {
			return fmt.Errorf("database %s: another process has held its lock for %s; see which one has the file open "+
				"(fuser, lsof) and whether it hangs: %w", db.path, waited.Round(time.Second), err)
		}
		timer := time.NewTimer(rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%s: %w", doing, ctx.Err())
		}
		pause = min(2*pause, maxPause)
	}
}
