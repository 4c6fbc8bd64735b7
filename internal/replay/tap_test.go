package replay_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// errCut is what a call returns that a test has cut off.
var errCut = errors.New("cut off")

// call is one call of a driver to a contract, before or after it is made.
type call struct {
	n     int // from 0
	name  string
	after bool
}

// tap counts the calls of one driver to all contracts and lets a test act at each. An error of hook before the call
// keeps it from being made; one after it takes the place of the reply.
type tap struct {
	mu   sync.Mutex
	n    int
	hook func(call) error
}

func (t *tap) do(name string, f func() error) error {
	t.mu.Lock()
	n := t.n
	t.n++
	t.mu.Unlock()
	if err := t.hook(call{n: n, name: name}); err != nil {
		return err
	}
	err := f()
	if e := t.hook(call{n: n, name: name, after: true}); e != nil {
		return e
	}
	return err
}

// cut is one way to be cut off at call number at.
type cut struct {
	at    int
	after bool // the call is made, its reply lost
	dead  bool // nothing comes after it: the process has died
}

// tap makes the tap of a cut; reached tells whether the driver got there.
func (c cut) tap() (t *tap, reached func() bool) {
	var mu sync.Mutex
	hit := false
	t = &tap{hook: func(now call) error {
		mu.Lock()
		defer mu.Unlock()
		if hit && c.dead {
			return errCut
		}
		if now.n == c.at && now.after == c.after {
			hit = true
			return errCut
		}
		return nil
	}}
	return t, func() bool { mu.Lock(); defer mu.Unlock(); return hit }
}

// cuts are the four ways to be cut off at one call.
var cuts = map[string]cut{
	"fails before": {},
	"fails after":  {after: true},
	"crash before": {dead: true},
	"crash after":  {dead: true, after: true},
}

func get[T any](t *tap, name string, f func() (T, error)) (T, error) {
	var v T
	err := t.do(name, func() (err error) { v, err = f(); return err })
	return v, err
}

func each[T any](t *tap, name string, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		for v, err := range seq {
			if e := t.do(name, func() error { return err }); e != nil {
				yield(zero, e)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if err := t.do(name+" end", func() error { return nil }); err != nil {
			yield(zero, err)
		}
	}
}

type tapLedger struct {
	ledger.Ledger
	t *tap
}

func (l tapLedger) Protocol(ctx context.Context, name string) (ledger.Protocol, error) {
	return get(l.t, "Protocol", func() (ledger.Protocol, error) { return l.Ledger.Protocol(ctx, name) })
}

func (l tapLedger) Protocols(ctx context.Context) ([]ledger.Protocol, error) {
	return get(l.t, "Protocols", func() ([]ledger.Protocol, error) { return l.Ledger.Protocols(ctx) })
}

func (l tapLedger) Generation(ctx context.Context, name string, n int64) (ledger.Generation, error) {
	return get(l.t, "Generation", func() (ledger.Generation, error) { return l.Ledger.Generation(ctx, name, n) })
}

func (l tapLedger) Replay(ctx context.Context, id string) (ledger.Replay, error) {
	return get(l.t, "Replay", func() (ledger.Replay, error) { return l.Ledger.Replay(ctx, id) })
}

func (l tapLedger) Replays(ctx context.Context) ([]ledger.Replay, error) {
	return get(l.t, "Replays", func() ([]ledger.Replay, error) { return l.Ledger.Replays(ctx) })
}

func (l tapLedger) Write(ctx context.Context, w ledger.Writes) error {
	return l.t.do("Write", func() error { return l.Ledger.Write(ctx, w) })
}

func (l tapLedger) Insert(ctx context.Context, c []ledger.Cursor) error {
	return l.t.do("Insert", func() error { return l.Ledger.Insert(ctx, c) })
}

func (l tapLedger) Cursor(ctx context.Context, id ledger.CursorID) (ledger.Cursor, error) {
	return get(l.t, "Cursor", func() (ledger.Cursor, error) { return l.Ledger.Cursor(ctx, id) })
}

func (l tapLedger) Scan(ctx context.Context, p ledger.ScanParams) iter.Seq2[ledger.Cursor, error] {
	return each(l.t, "Scan", l.Ledger.Scan(ctx, p))
}

func (l tapLedger) Summarize(ctx context.Context, id string) (ledger.Summary, error) {
	return get(l.t, "Summarize", func() (ledger.Summary, error) { return l.Ledger.Summarize(ctx, id) })
}

func (l tapLedger) Settle(ctx context.Context, s ledger.Settle) error {
	return l.t.do("Settle", func() error { return l.Ledger.Settle(ctx, s) })
}

func (l tapLedger) Rows(ctx context.Context, p ledger.RowsParams) iter.Seq2[ledger.Row, error] {
	return each(l.t, "Rows", l.Ledger.Rows(ctx, p))
}

func (l tapLedger) Purge(ctx context.Context, p ledger.PurgeParams, limit int) (int, error) {
	return get(l.t, "Purge", func() (int, error) { return l.Ledger.Purge(ctx, p, limit) })
}

func (l tapLedger) AcquireLease(ctx context.Context, lease ledger.Lease, now time.Time) (ledger.Lease, error) {
	return get(l.t, "AcquireLease", func() (ledger.Lease, error) { return l.Ledger.AcquireLease(ctx, lease, now) })
}

func (l tapLedger) ReleaseLease(ctx context.Context, name, owner string) error {
	return l.t.do("ReleaseLease", func() error { return l.Ledger.ReleaseLease(ctx, name, owner) })
}

func (l tapLedger) Progress(ctx context.Context, id string) ([]ledger.Progress, error) {
	return get(l.t, "Progress", func() ([]ledger.Progress, error) { return l.Ledger.Progress(ctx, id) })
}

func (l tapLedger) PutProgress(ctx context.Context, p ledger.Progress) error {
	return l.t.do("PutProgress", func() error { return l.Ledger.PutProgress(ctx, p) })
}

func (l tapLedger) PutSegment(ctx context.Context, id ledger.CursorID, s ledger.Segment, blob []byte) error {
	return l.t.do("PutSegment", func() error { return l.Ledger.PutSegment(ctx, id, s, blob) })
}

func (l tapLedger) Segment(ctx context.Context, id ledger.CursorID, s ledger.Segment) ([]byte, error) {
	return get(l.t, "Segment", func() ([]byte, error) { return l.Ledger.Segment(ctx, id, s) })
}

type tapQueue struct {
	queue.Queue
	t *tap
}

func (q tapQueue) Send(ctx context.Context, m []queue.Outgoing) error {
	return q.t.do("Send", func() error { return q.Queue.Send(ctx, m) })
}

func (q tapQueue) Receive(ctx context.Context, p queue.ReceiveParams) ([]queue.Message, error) {
	return get(q.t, "Receive", func() ([]queue.Message, error) { return q.Queue.Receive(ctx, p) })
}

func (q tapQueue) Delete(ctx context.Context, receipts []string) error {
	return q.t.do("Delete", func() error { return q.Queue.Delete(ctx, receipts) })
}

func (q tapQueue) ChangeVisibility(ctx context.Context, c []queue.Change) error {
	return q.t.do("ChangeVisibility", func() error { return q.Queue.ChangeVisibility(ctx, c) })
}

func (q tapQueue) Counts(ctx context.Context) (queue.Counts, error) {
	return get(q.t, "Counts", func() (queue.Counts, error) { return q.Queue.Counts(ctx) })
}

type tapArchive struct {
	archive.Archive
	t *tap
}

func (a tapArchive) List(ctx context.Context, prefix, after string) iter.Seq2[archive.Object, error] {
	return each(a.t, "List", a.Archive.List(ctx, prefix, after))
}

func (a tapArchive) MergeTags(ctx context.Context, key string, set map[string]string, remove []string) error {
	return a.t.do("MergeTags", func() error { return a.Archive.MergeTags(ctx, key, set, remove) })
}
