package sqlitedb

import (
	"context"
	"database/sql"
	"time"
)

// Collect reads what a query finds into memory and ends it, so that no read stays open while the caller works.
func Collect[T any](ctx context.Context, db *sql.DB, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// Row reads one row that is found by an index, within microseconds. So it is not cut off in the middle when ctx ends: to
// watch it, database/sql and the driver would start two goroutines, which cost more than the query.
func (db *DB) Row(ctx context.Context, query string, args ...any) *sql.Row {
	if ctx.Err() == nil {
		ctx = context.Background()
	}
	return db.Read.QueryRowContext(ctx, query, args...)
}

// Changed reports whether a conditional write found its condition.
func Changed(res sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Nanos is how times are stored: nanoseconds since 1970. The zero time is 0, which sorts before all later ones. Years 1678 to
// 2262.
func Nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// Instant is the reverse of Nanos.
func Instant(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
