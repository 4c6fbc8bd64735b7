package sqlitequeue_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/sqlitedb"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	for name, o := range map[string]sqlitequeue.Options{
		"no name":                   {Path: path},
		"its own dead-letter queue": {Path: path, Name: "a", DeadLetter: "a"},
		"negative receives":         {Path: path, Name: "a", MaxReceives: -1},
		"too many receives":         {Path: path, Name: "a", MaxReceives: 1001},
		"no path":                   {Name: "a"},
	} {
		if q, err := sqlitequeue.Open(context.Background(), o); err == nil {
			t.Errorf("%s: no error", name)
			check(t, q.Close())
		}
	}
}

func TestNamesAreApart(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	work, dead := pair(t, nil)
	check(t, work.Send(ctx, []queue.Outgoing{{Body: []byte("x")}}))
	messages, err := work.Receive(ctx, queue.ReceiveParams{Max: 1, Visibility: time.Minute})
	check(t, err)
	// The receipt of one queue says nothing to the other.
	check(t, dead.Delete(ctx, []string{messages[0].Receipt}))
	if err := dead.ChangeVisibility(ctx, []queue.Change{{Receipt: messages[0].Receipt}}); !errors.Is(err, queue.ErrStaleReceipt) {
		t.Errorf("ChangeVisibility through another queue: %v, want ErrStaleReceipt", err)
	}
	check(t, work.ChangeVisibility(ctx, []queue.Change{{Receipt: messages[0].Receipt, Visibility: time.Minute}}))
}

// TestEmptyPollTakesNoLock polls while somebody else holds the write lock of the file.
func TestEmptyPollTakesNoLock(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q, err := sqlitequeue.Open(ctx, sqlitequeue.Options{Path: path, Name: "work"})
	check(t, err)
	t.Cleanup(func() { check(t, q.Close()) })
	other, err := sqlitedb.Open(ctx, path, sqlitequeue.Migrations())
	check(t, err)
	t.Cleanup(func() { check(t, other.Close()) })
	check(t, q.Send(ctx, []queue.Outgoing{{Body: []byte("later"), Delay: time.Minute}}))

	check(t, other.Tx(ctx, func(*sqlitedb.Tx) error {
		p := queue.ReceiveParams{Max: 1, Wait: 50 * time.Millisecond, Visibility: time.Minute}
		if messages, err := q.Receive(ctx, p); err != nil || len(messages) != 0 {
			t.Errorf("Receive = %v, %v, want none", messages, err)
		}
		if c, err := q.Counts(ctx); err != nil || c.Delayed != 1 {
			t.Errorf("Counts = %+v, %v", c, err)
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		err := q.Send(short, []queue.Outgoing{{Body: []byte("x")}})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), path) {
			t.Errorf("Send while the file is locked: %v, want the context's error with the file", err)
		}
		return nil
	}))
}

// TestManyDead has more dead messages in front than one receive moves.
func TestManyDead(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := newClock()
	db, err := sqlitedb.Open(ctx, filepath.Join(t.TempDir(), "queue.db"), sqlitequeue.Migrations())
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	q, err := sqlitequeue.New(db, sqlitequeue.Options{Name: "work", DeadLetter: "dead", MaxReceives: 1, Now: c.Now})
	check(t, err)
	t.Cleanup(func() { check(t, q.Close()) })
	const many = 520 // a receive moves 500
	fill(t, db, many, c.Now())
	_, err = db.Write.ExecContext(ctx, "UPDATE messages SET receives = 1")
	check(t, err)
	c.Advance(time.Second)
	check(t, q.Send(ctx, []queue.Outgoing{{Body: []byte("alive")}}))
	messages, err := q.Receive(ctx, queue.ReceiveParams{Max: 10, Wait: queue.MaxWait, Visibility: time.Minute})
	for tries := 0; err == nil && len(messages) == 0 && tries < 10; tries++ { // a busy machine needs more than the wait
		messages, err = q.Receive(ctx, queue.ReceiveParams{Max: 10, Wait: queue.MaxWait, Visibility: time.Minute})
	}
	if err != nil || len(messages) != 1 || string(messages[0].Body) != "alive" {
		t.Errorf("Receive = %v, %v, want the one that is not dead", messages, err)
	}
	var dead int
	check(t, db.Read.QueryRowContext(ctx, "SELECT count(*) FROM messages WHERE queue = 'dead'").Scan(&dead))
	if dead != many {
		t.Errorf("%d dead letters, want %d", dead, many)
	}
}

// fill puts n messages into the queue "work".
func fill(t testing.TB, db *sqlitedb.DB, n int, now time.Time) {
	t.Helper()
	_, err := db.Write.ExecContext(context.Background(), `
		WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?)
		INSERT INTO messages (queue, body, sent, visible_at) SELECT 'work', CAST('{"n":' || n || '}' AS BLOB), ?2, ?2 FROM i`, n, now.UnixNano())
	check(t, err)
}

// BenchmarkReceive measures a receive and a delete of ten in queues of several depths: the depth must not matter.
func BenchmarkReceive(b *testing.B) {
	for _, depth := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("Depth%d", depth), func(b *testing.B) {
			ctx := context.Background()
			db, err := sqlitedb.Open(ctx, filepath.Join(b.TempDir(), "queue.db"), sqlitequeue.Migrations())
			check(b, err)
			b.Cleanup(func() { check(b, db.Close()) })
			q, err := sqlitequeue.New(db, sqlitequeue.Options{Name: "work", DeadLetter: "dead"})
			check(b, err)
			b.Cleanup(func() { check(b, q.Close()) })
			fill(b, db, depth, time.Now())
			for b.Loop() {
				messages, err := q.Receive(ctx, queue.ReceiveParams{Max: 10, Visibility: time.Hour})
				check(b, err)
				receipts, again := make([]string, len(messages)), make([]queue.Outgoing, len(messages))
				for i, m := range messages {
					receipts[i], again[i] = m.Receipt, queue.Outgoing{Body: m.Body}
				}
				check(b, q.Send(ctx, again)) // the depth stays as it is
				check(b, q.Delete(ctx, receipts))
			}
			b.ReportMetric(10*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkIdle measures what a look at an empty queue costs.
func BenchmarkIdle(b *testing.B) {
	work, _ := pair(b, nil)
	for b.Loop() {
		_, err := work.Receive(context.Background(), queue.ReceiveParams{Max: 10, Visibility: time.Minute})
		check(b, err)
	}
}

func BenchmarkCounts100000(b *testing.B) {
	ctx := context.Background()
	db, err := sqlitedb.Open(ctx, filepath.Join(b.TempDir(), "queue.db"), sqlitequeue.Migrations())
	check(b, err)
	b.Cleanup(func() { check(b, db.Close()) })
	q, err := sqlitequeue.New(db, sqlitequeue.Options{Name: "work"})
	check(b, err)
	b.Cleanup(func() { check(b, q.Close()) })
	fill(b, db, 100_000, time.Now())
	for b.Loop() {
		_, err := q.Counts(ctx)
		check(b, err)
	}
}

// TestOldFile opens a file of the first layout, with a message in it.
func TestOldFile(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "queue.db")
	old, err := sqlitedb.Open(ctx, path, sqlitequeue.Migrations()[:1])
	check(t, err)
	_, err = old.Write.ExecContext(ctx, `INSERT INTO messages (queue, body, sent, visible_at) VALUES ('work', X'6F6C64', 1, 1)`)
	check(t, err)
	check(t, old.Close())
	q, err := sqlitequeue.Open(ctx, sqlitequeue.Options{Path: path, Name: "work"})
	check(t, err)
	t.Cleanup(func() { check(t, q.Close()) })
	messages, err := q.Receive(ctx, queue.ReceiveParams{Max: 1, Visibility: time.Minute})
	check(t, err)
	if len(messages) != 1 || string(messages[0].Body) != "old" || messages[0].Trace != "" {
		t.Errorf("received %+v", messages)
	}
}
