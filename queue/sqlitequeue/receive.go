package sqlitequeue

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/seed-56345083/reprise/internal/sqlitedb"
	"github.com/seed-56345083/reprise/queue"
)

// Receive implements [queue.Queue]. A long poll ends within a quarter of a second of a message that another process
// sent, and at once for those that this Queue sent.
func (q *Queue) Receive(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	return poll(ctx, p.Wait, q.bell, func() ([]queue.Message, time.Duration, error) {
		if !q.full.Load() { // otherwise there probably are more
			until, err := q.untilNext(ctx)
			if err != nil || until > 0 {
				return nil, until, err
			}
		}
		messages, err := q.claim(ctx, p)
		q.full.Store(len(messages) == p.Max)
		return messages, 0, err
	})
}

// never is how long it takes until a message becomes visible in a queue without any.
const never = time.Duration(1<<63 - 1)

// untilNext returns how long it is until the next message becomes visible, 0 when one is. It takes no lock.
func (q *Queue) untilNext(ctx context.Context) (time.Duration, error) {
	ctx, cancel, err := q.begin(ctx, "looking for messages")
	if err != nil {
		return 0, err
	}
	defer cancel()
	var at int64
	switch err := q.db.Row(ctx, nextText, q.o.Name).Scan(&at); {
	case errors.Is(err, sql.ErrNoRows):
		return never, nil
	case err != nil:
		return 0, q.explain("looking for messages", err)
	}
	return max(0, time.Duration(at-q.o.Now().UnixNano())), nil
}

// maxRounds bounds the transaction of one receive where the front of the queue is nothing but dead messages.
const maxRounds = 50

// claim receives the messages that are visible, up to p.Max, and moves those of them to the dead-letter queue that were
// received too often. It is one transaction.
func (q *Queue) claim(ctx context.Context, p queue.ReceiveParams) (messages []queue.Message, err error) {
	err = q.write(ctx, "receiving", func(ctx context.Context, tx *sqlitedb.Tx) error {
		messages = nil
		now := q.o.Now()
		for round := 0; len(messages) < p.Max && round < maxRounds; round++ {
			got, dead, err := q.claimOnce(ctx, tx, now, p.Visibility, p.Max-len(messages))
			if err != nil {
				return err
			}
			messages = append(messages, got...)
			for _, id := range dead {
				if _, err := tx.ExecContext(ctx, buryText, q.o.DeadLetter, now.UnixNano(), id); err != nil {
					return err
				}
			}
			if len(dead) == 0 { // otherwise there may be more messages behind the dead ones
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(messages, func(a, b queue.Message) int { // RETURNING has no order
		return cmp.Or(a.Sent.Compare(b.Sent), cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return messages, nil
}

// claimOnce receives up to limit messages; dead are the ids of those that had been received too often before.
func (q *Queue) claimOnce(ctx context.Context, tx *sqlitedb.Tx, now time.Time, visibility time.Duration, limit int) (got []queue.Message, dead []int64, err error) {
	rows, err := tx.QueryContext(ctx, claimText, now.Add(visibility).UnixNano(), now.UnixNano(), q.o.Name, limit)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var (
			r    receipt
			m    queue.Message
			sent int64
		)
		if err := rows.Scan(&r.id, &m.Body, &sent, &m.Receives, &r.nonce, &m.Trace); err != nil {
			return nil, nil, err
		}
		if q.o.DeadLetter != "" && m.Receives > q.o.MaxReceives {
			dead = append(dead, r.id)
			continue
		}
		m.ID, m.Receipt, m.Sent = strconv.FormatInt(r.id, 10), r.String(), time.Unix(0, sent)
		got = append(got, m)
	}
	return got, dead, rows.Err()
}
