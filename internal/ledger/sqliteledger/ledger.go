package sqliteledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// Ledger is the ledger in one file. All its methods may be called by any number of goroutines at once.
type Ledger struct {
	db *sqlitedb.DB
}

var _ ledger.Ledger = (*Ledger)(nil)

// Open opens the ledger in the file at path and makes the file, its directory and its tables where they are missing.
// Any number of processes may have it open; the file belongs to this package alone. The caller closes it.
func Open(ctx context.Context, path string) (*Ledger, error) {
	db, err := sqlitedb.Open(ctx, path, migrations)
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	return &Ledger{db: db}, nil
}

// Close waits for the calls that run and closes the file.
func (l *Ledger) Close() error { return l.db.Close() }

// DB is the open file, for sqliteentries, whose tables are in it as well: an entry counts in one transaction with its rows.
// It is closed with the ledger.
func (l *Ledger) DB() *sqlitedb.DB { return l.db }

// Explain turns an error of the store into one of the contract's, with what was being done. A lock that another
// process does not give back is throttling: the transaction did not begin.
func (l *Ledger) Explain(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	err = l.db.Explain(err)
	if sqlitedb.IsBusy(err) && !errors.Is(err, ledger.ErrThrottled) {
		err = fmt.Errorf("%w: %w", ledger.ErrThrottled, err)
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
