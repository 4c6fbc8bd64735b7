package sqliteledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// Ledger is the ledger in one file. All its methods may be called by any number of goroutines at once.
type Ledger struct {
	db  *sqlitedb.DB
	hot hot
}

var _ ledger.Ledger = (*Ledger)(nil)

// Open opens the ledger in the file at path and makes the file, its directory and its tables where they are missing.
// Any number of processes may have it open; the file belongs to this package alone. The caller closes it.
func Open(ctx context.Context, path string) (*Ledger, error) {
	db, err := sqlitedb.Open(ctx, path, migrations)
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	hot, err := prepare(ctx, db.Write)
	for try := 0; sqlitedb.IsBusy(err) && try < 10; try++ {
		// To parse is to read the tables' definitions, which waits where another process recovers or closes the file. A
		// transaction waits as long as is sensible.
		if err = db.Tx(ctx, func(*sql.Tx) error { return nil }); err == nil {
			hot, err = prepare(ctx, db.Write)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", errors.Join(db.Explain(err), db.Close()))
	}
	return &Ledger{db: db, hot: hot}, nil
}

// Close waits for the calls that run and closes the file.
func (l *Ledger) Close() error { return l.db.Close() }

// explain turns an error of the store into one of the contract's, with what was being done. A lock that another
// process does not give back is throttling: the transaction did not begin.
func (l *Ledger) explain(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	err = l.db.Explain(err)
	if sqlitedb.IsBusy(err) && !errors.Is(err, ledger.ErrThrottled) {
		err = fmt.Errorf("%w: %w", ledger.ErrThrottled, err)
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}

// changed reports whether a conditional write found its condition.
func changed(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// nanos is how times are stored; the zero time is 0, which sorts before all others. Years 1678 to 2262.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// instant is the reverse of nanos.
func instant(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
