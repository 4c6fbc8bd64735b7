package sqlitequeue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-56345083/reprise/internal/sqlitedb"
	"github.com/seed-56345083/reprise/queue"
)

// receipt is one receive of one message. Every receive has another nonce, so that a stale one is always found out.
type receipt struct {
	id    int64
	nonce int64 // above 0
}

// String writes the receipt handle.
func (r receipt) String() string {
	return strconv.FormatInt(r.id, 10) + "." + strconv.FormatInt(r.nonce, 36)
}

// parseReceipt reads a receipt handle; one that no queue wrote holds no message, so it is stale.
func parseReceipt(s string) (receipt, error) {
	id, nonce, _ := strings.Cut(s, ".")
	i, err1 := strconv.ParseInt(id, 10, 64)
	n, err2 := strconv.ParseInt(nonce, 36, 64)
	if err1 != nil || err2 != nil || i < 1 || n < 1 {
		return receipt{}, fmt.Errorf("%w: %q was never given out", queue.ErrStaleReceipt, s)
	}
	return receipt{id: i, nonce: n}, nil
}

// Delete implements [queue.Queue]. It tells a stale receipt; one whose timeout ran out still deletes its message as long
// as nobody else received it.
func (q *Queue) Delete(ctx context.Context, receipts []string) error {
	if err := queue.CheckDelete(receipts); err != nil {
		return err
	}
	return q.each(ctx, "deleting", len(receipts), func(ctx context.Context, tx *sqlitedb.Tx, i int) error {
		r, err := parseReceipt(receipts[i])
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, removeText, r.id, q.o.Name, r.nonce)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			return err
		}
		var n int
		if err := tx.QueryRowContext(ctx, existsText, r.id, q.o.Name).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%w: message %d was received again", queue.ErrStaleReceipt, r.id)
		}
		return nil // gone already
	})
}

// ChangeVisibility implements [queue.Queue]. A receipt whose timeout ran out is stale even when nobody else has the
// message yet. A change that would hold the message for more than queue.MaxVisibility since it was received
// is queue.ErrInvalid.
func (q *Queue) ChangeVisibility(ctx context.Context, changes []queue.Change) error {
	if err := queue.CheckChanges(changes); err != nil {
		return err
	}
	back := false
	err := q.each(ctx, "changing visibility", len(changes), func(ctx context.Context, tx *sqlitedb.Tx, i int) error {
		r, err := parseReceipt(changes[i].Receipt)
		if err != nil {
			return err
		}
		now := q.o.Now()
		var received int64
		err = tx.QueryRowContext(ctx, heldText, r.id, q.o.Name, r.nonce, now.UnixNano()).Scan(&received)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("%w: it does not hold message %d any more", queue.ErrStaleReceipt, r.id)
		case err != nil:
			return err
		}
		until := now.Add(changes[i].Visibility)
		if held := until.Sub(time.Unix(0, received)); held > queue.MaxVisibility {
			return fmt.Errorf("%w: message %d would be held for %s since it was received, %s are possible",
				queue.ErrInvalid, r.id, held.Round(time.Second), queue.MaxVisibility)
		}
		back = back || changes[i].Visibility == 0
		_, err = tx.ExecContext(ctx, changeText, until.UnixNano(), r.id)
		return err
	})
	if back {
		q.bell.ring()
	}
	return err
}

// each runs do for the n entries of a batch in one transaction. An entry that is refused does not hold up the others,
// any other error undoes all of them.
func (q *Queue) each(ctx context.Context, doing string, n int, do func(ctx context.Context, tx *sqlitedb.Tx, i int) error) error {
	var refused map[int]error
	err := q.write(ctx, doing, func(ctx context.Context, tx *sqlitedb.Tx) error {
		refused = map[int]error{}
		for i := range n {
			err := do(ctx, tx, i)
			if errors.Is(err, queue.ErrStaleReceipt) || errors.Is(err, queue.ErrInvalid) {
				refused[i] = fmt.Errorf("queue %s: %s: %w", q.o.Name, doing, err)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && len(refused) > 0 {
		return &queue.BatchError{Errs: refused}
	}
	return err
}
