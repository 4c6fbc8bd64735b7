package sqlitequeue

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed-56345083/reprise/internal/sqlitedb"
	"github.com/seed-56345083/reprise/queue"
)

var _ queue.Queue = (*Queue)(nil)

// opTimeout bounds one operation on the file. It outlasts the 30 seconds that sqlitedb waits for a lock, whose error
// says more.
const opTimeout = 45 * time.Second

// Options of a queue.
type Options struct {
	Path        string           // of the file, for Open; New ignores it
	Name        string           // of the queue; it exists as soon as it is named
	DeadLetter  string           // name of its dead-letter queue in the same file; "": none, messages come back for ever
	MaxReceives int              // receives until a message is dead: 1 to 1000, 0 means 10
	Now         func() time.Time // the queue's clock, nil means time.Now
}

func (o Options) withDefaults() Options {
	if o.MaxReceives == 0 {
		o.MaxReceives = 10
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Name == "":
		return errors.New("a queue needs a name")
	case o.DeadLetter == o.Name:
		return fmt.Errorf("queue %s is its own dead-letter queue", o.Name)
	case o.MaxReceives < 1 || o.MaxReceives > 1000:
		return fmt.Errorf("queue %s: %d receives until a message is dead, 1 to 1000 are possible", o.Name, o.MaxReceives)
	}
	return nil
}

// Queue is one queue of a file. It is safe for use by any number of goroutines; several Queues of one name, in one
// process or in many, are the same queue.
type Queue struct {
	o     Options
	db    *sqlitedb.DB
	owned bool // db was opened for this queue alone
	bell  *bell
	full  atomic.Bool // the last receive got as many messages as it asked for
	shut  atomic.Bool // Close was called
}

// Open opens the file at o.Path, creating it where it is missing, and a queue of it. Close closes both.
func Open(ctx context.Context, o Options) (*Queue, error) {
	if err := o.withDefaults().validate(); err != nil {
		return nil, err
	}
	db, err := sqlitedb.Open(ctx, o.Path, Migrations())
	if err != nil {
		return nil, err
	}
	q, err := New(db, o)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	q.owned = true
	return q, nil
}

// New opens a queue of a file that was opened with [Migrations]. The caller closes db, after the queues that use it.
func New(db *sqlitedb.DB, o Options) (*Queue, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Queue{o: o, db: db, bell: newBell()}, nil
}

// Close frees what the queue holds in this process; the messages stay. Calls that run, long polls included, end with an
// error.
func (q *Queue) Close() error {
	q.shut.Store(true)
	q.bell.ring()
	if q.owned {
		return q.db.Close()
	}
	return nil
}

// begin bounds one operation on the file. The caller calls cancel.
func (q *Queue) begin(ctx context.Context, doing string) (op context.Context, cancel context.CancelFunc, err error) {
	if q.shut.Load() {
		return nil, nil, fmt.Errorf("queue %s: %s: the queue is closed", q.o.Name, doing)
	}
	op, cancel = context.WithTimeout(ctx, opTimeout)
	return op, cancel, nil
}

// Send implements [queue.Queue]. The batch is one transaction: after an error none of it is there.
func (q *Queue) Send(ctx context.Context, messages []queue.Outgoing) error {
	if err := queue.CheckSend(messages); err != nil {
		return err
	}
	visible := false
	err := q.write(ctx, "sending", func(ctx context.Context, tx *sqlitedb.Tx) error {
		now := q.o.Now().UnixNano()
		for _, m := range messages {
			visible = visible || m.Delay == 0
			if _, err := tx.ExecContext(ctx, sendText, q.o.Name, m.Body, now, now+int64(m.Delay), m.Trace); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && visible {
		q.bell.ring()
	}
	return err
}

// Counts implements [queue.Queue]; they are exact.
func (q *Queue) Counts(ctx context.Context) (queue.Counts, error) {
	ctx, cancel, err := q.begin(ctx, "counting")
	if err != nil {
		return queue.Counts{}, err
	}
	defer cancel()
	var c queue.Counts
	now := q.o.Now().UnixNano()
	if err := q.db.Row(ctx, countsText, q.o.Name, now).Scan(&c.Visible, &c.InFlight, &c.Delayed); err != nil {
		return queue.Counts{}, q.explain("counting", err)
	}
	return c, nil
}

// write runs one write transaction with the driver's own deadline.
func (q *Queue) write(ctx context.Context, doing string, f func(context.Context, *sqlitedb.Tx) error) error {
	op, cancel, err := q.begin(ctx, doing)
	if err != nil {
		return err
	}
	defer cancel()
	return q.explain(doing, q.db.Tx(op, func(tx *sqlitedb.Tx) error { return f(op, tx) }))
}

// explain names the queue in an error, and maps a file that stays locked to what it is for the caller.
func (q *Queue) explain(doing string, err error) error {
	switch err = q.db.Explain(err); {
	case err == nil:
		return nil
	case sqlitedb.IsBusy(err):
		return fmt.Errorf("queue %s: %s: %w: %w", q.o.Name, doing, queue.ErrThrottled, err)
	default:
		return fmt.Errorf("queue %s: %s: %w", q.o.Name, doing, err)
	}
}
