package sqlitedb_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// add is a function of a transaction that adds to the one value of the file.
func add(n int) func(*sqlitedb.Tx) error {
	return func(tx *sqlitedb.Tx) error {
		_, err := tx.ExecContext(context.Background(), "UPDATE t SET v = v + ?", n)
		return err
	}
}

// together runs functions in one transaction, in their order: the first one waits inside until the others wait for it. Each
// is called with its number of runs in runs.
func together(t *testing.T, db *sqlitedb.DB, functions ...func(*sqlitedb.Tx) error) (errs []error, runs []int) {
	t.Helper()
	db.SetGroupTime(time.Hour) // however slow the machine is
	errs, runs = make([]error, len(functions)), make([]int, len(functions))
	var group sync.WaitGroup
	inside, goOn := make(chan struct{}), make(chan struct{})
	for i, f := range functions {
		group.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					errs[i] = r.(error)
				}
			}()
			errs[i] = db.Tx(context.Background(), func(tx *sqlitedb.Tx) error {
				runs[i]++
				if i == 0 && runs[0] == 1 {
					close(inside)
					<-goOn
				}
				return f(tx)
			})
		})
		if i == 0 {
			<-inside
		}
		for db.Waiting() < i {
			runtime.Gosched()
		}
	}
	close(goOn)
	group.Wait()
	return errs, runs
}

// TestShared: of those who share a transaction each has its own outcome, whatever becomes of the others.
func TestShared(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema)
	own, oh := errors.New("no"), errors.New("oh")
	var seen, committed string
	errs, runs := together(t, db,
		add(1),
		func(tx *sqlitedb.Tx) error { return errors.Join(add(10)(tx), own) },
		add(100),
		func(tx *sqlitedb.Tx) error { _ = add(1000)(tx); panic(oh) },
		func(tx *sqlitedb.Tx) error {
			committed = value(t, db, "SELECT v FROM t")
			return tx.QueryRowContext(context.Background(), "SELECT v FROM t").Scan(&seen)
		},
		add(10000),
	)
	for i, want := range []error{nil, own, nil, oh, nil, nil} {
		if !errors.Is(errs[i], want) || runs[i] != 1 {
			t.Errorf("function %d: %v in %d runs, want %v in one", i, errs[i], runs[i], want)
		}
	}
	if seen != "101" || committed != "0" {
		t.Errorf("inside, v = %s, and committed by then was %s, want 101 and 0", seen, committed)
	}
	if got := value(t, db, "SELECT v FROM t"); got != "10101" {
		t.Errorf("v = %s, want 10101", got)
	}
}

// TestSharedFirstFails: those behind the first one, who begins, do not depend on it.
func TestSharedFirstFails(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema)
	own := errors.New("no")
	errs, _ := together(t, db, func(tx *sqlitedb.Tx) error { return errors.Join(add(1)(tx), own) }, add(10), add(100))
	if !errors.Is(errs[0], own) || errs[1] != nil || errs[2] != nil {
		t.Errorf("outcomes %v", errs)
	}
	if got := value(t, db, "SELECT v FROM t"); got != "110" {
		t.Errorf("v = %s, want 110", got)
	}
}

// TestSharedBroken: where SQLite has rolled all of a transaction back, as it does with a full disk, the one who met that
// is told, and the others are run again.
func TestSharedBroken(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema)
	own := errors.New("no")
	errs, runs := together(t, db, add(1), func(tx *sqlitedb.Tx) error {
		_, err := tx.ExecContext(context.Background(), "ROLLBACK")
		return errors.Join(err, own)
	}, add(100))
	if errs[0] != nil || !errors.Is(errs[1], own) || errs[2] != nil || runs[0] != 2 || runs[1] != 1 {
		t.Errorf("outcomes %v, runs %v", errs, runs)
	}
	if got := value(t, db, "SELECT v FROM t"); got != "101" {
		t.Errorf("v = %s, want 101", got)
	}
}

// TestSharedCommitFails: then nothing is written, and everybody is told, those too who were refused inside: what refused
// them was not written either.
func TestSharedCommitFails(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), append(schema, `CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT;
		CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED) STRICT;`))
	own := errors.New("no")
	errs, _ := together(t, db, add(1), func(tx *sqlitedb.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO children VALUES (7)")
		return err
	}, func(*sqlitedb.Tx) error { return own })
	for i, err := range errs {
		if err == nil || errors.Is(err, own) {
			t.Errorf("function %d: %v, want the error of the commit", i, err)
		}
	}
	if err := db.Tx(ctx, add(10)); err != nil {
		t.Error(err)
	}
	if got := value(t, db, "SELECT v FROM t"); got != "10" {
		t.Errorf("v = %s, want 10", got)
	}
}

// TestSharedLeave: who stops waiting for its turn, or ends its goroutine inside, holds nobody up.
func TestSharedLeave(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), schema)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	if err := db.Tx(context.Background(), func(tx *sqlitedb.Tx) error {
		left := make(chan error)
		go func() { left <- db.Tx(ctx, add(1)) }()
		for db.Waiting() < 1 {
			runtime.Gosched()
		}
		group.Go(func() {
			_ = db.Tx(context.Background(), func(tx *sqlitedb.Tx) error {
				_ = add(10)(tx)
				runtime.Goexit()
				return nil
			})
		})
		for db.Waiting() < 2 {
			runtime.Gosched()
		}
		group.Go(func() {
			if err := db.Tx(context.Background(), add(100)); err != nil {
				t.Error(err)
			}
		})
		for db.Waiting() < 3 {
			runtime.Gosched()
		}
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left: %v", err)
		}
		return add(1000)(tx)
	}); err != nil {
		t.Error(err)
	}
	group.Wait()
	if got := value(t, db, "SELECT v FROM t"); got != "1100" {
		t.Errorf("v = %s, want 1100", got)
	}
}
