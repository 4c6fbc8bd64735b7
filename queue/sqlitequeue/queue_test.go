package sqlitequeue_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/sqlitedb"
	"github.com/seed-56345083/reprise/queue/queuetest"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
)

// clock is a queue's clock that tests move.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) Advance(d time.Duration) { c.ns.Add(int64(d)) }

// pair opens a queue and its dead-letter queue on one file.
func pair(t testing.TB, now func() time.Time) (work, dead *sqlitequeue.Queue) {
	t.Helper()
	ctx := context.Background()
	db, err := sqlitedb.Open(ctx, filepath.Join(t.TempDir(), "queue.db"), sqlitequeue.Migrations())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, db.Close()) })
	work, err = sqlitequeue.New(db, sqlitequeue.Options{
		Name: "work", DeadLetter: "dead", MaxReceives: queuetest.MaxReceives, Now: now,
	})
	check(t, err)
	t.Cleanup(func() { check(t, work.Close()) })
	dead, err = sqlitequeue.New(db, sqlitequeue.Options{Name: "dead", Now: now})
	check(t, err)
	t.Cleanup(func() { check(t, dead.Close()) })
	return work, dead
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("MovedClock", func(t *testing.T) {
		t.Parallel()
		queuetest.Run(t, queuetest.Harness{Driver: "sqlitequeue, clock moved by the test", DeleteTellsStale: true, ChangeTellsStale: true, LimitsHold: true, Open: func(t testing.TB) queuetest.Queues {
			c := newClock()
			work, dead := pair(t, c.Now)
			return queuetest.Queues{Work: work, Dead: dead, Advance: c.Advance}
		}})
	})
	t.Run("RealClock", func(t *testing.T) {
		t.Parallel()
		queuetest.Run(t, queuetest.Harness{Driver: "sqlitequeue, real clock", DeleteTellsStale: true, ChangeTellsStale: true, Unit: 2 * time.Second, Open: func(t testing.TB) queuetest.Queues {
			work, dead := pair(t, nil)
			return queuetest.Queues{Work: work, Dead: dead}
		}})
	})
}

func BenchmarkQueue(b *testing.B) {
	queuetest.Bench(b, queuetest.Harness{Open: func(t testing.TB) queuetest.Queues {
		work, dead := pair(t, nil)
		return queuetest.Queues{Work: work, Dead: dead}
	}})
}
