package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
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
	lockWait   = 30 * time.Second // until Tx gives up, counted from its call
)

// Tx runs f in one write transaction, which holds the write lock of the file from its beginning, and commits it when f
// returns nil. While another process holds the lock it waits, and then tries again, until ctx ends or 30 seconds have
// passed; the goroutines of this process take turns in the order of their calls. f may therefore run more than once:
// it sets the variables it fills anew each time and has no other effects. f uses tx alone (a query through db.Read
// inside f would not see what tx wrote, a Tx inside f never returns) and is done with it when it returns.
//
// f's own error rolls back and is returned as it is, an error of SQLite with the file and a hint. When f panics, the
// transaction is rolled back and the panic goes on.
func (db *DB) Tx(ctx context.Context, f func(*sql.Tx) error) error {
	return db.retry(ctx, func() error { return db.once(ctx, f) })
}

// once is one try of a transaction.
func (db *DB) once(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := db.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit this does nothing
	err = f(tx)
	if err == nil {
		err = tx.Commit()
	}
	// database/sql rolls back by itself when ctx ends; whoever uses tx after that hears only that it is over.
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// retry calls try, one goroutine at a time, until it returns something other than SQLite's busy error.
func (db *DB) retry(ctx context.Context, try func() error) error {
	begin := time.Now()
	select {
	case db.slot <- struct{}{}:
		defer func() { <-db.slot }()
	case <-ctx.Done():
		return fmt.Errorf("waiting to write to database %s: %w", db.path, ctx.Err())
	}
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
