package archiver_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// tap is one process's way to its stores: it numbers its calls, and at each one, before it is made and after, a test may
// do something, and let the call fail. bodies are all objects that it wanted to create.
type tap struct {
	before, after func(n int, name string) error // may be nil

	mu     sync.Mutex
	calls  []string
	bodies map[string][][]byte
}

func (t *tap) call(name string, f func() error) error {
	t.mu.Lock()
	n := len(t.calls)
	t.calls = append(t.calls, name)
	t.mu.Unlock()
	if t.before != nil {
		if err := t.before(n, name); err != nil {
			return fmt.Errorf("before %s: %w", name, err)
		}
	}
	err := f()
	if t.after != nil {
		if e := t.after(n, name); e != nil {
			return fmt.Errorf("after %s: %w", name, e)
		}
	}
	return err
}

func asked[T any](t *tap, name string, f func() (T, error)) (T, error) {
	var v, none T
	var own error
	if err := t.call(name, func() error { v, own = f(); return nil }); err != nil {
		return none, err
	}
	return v, own
}

func told(t *tap, name string, f func() error) error {
	var own error
	if err := t.call(name, func() error { own = f(); return nil }); err != nil {
		return err
	}
	return own
}

func walked[T any](t *tap, name string, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err := t.call(name, func() error { return nil }); err != nil {
			var none T
			yield(none, err)
			return
		}
		seq(yield)
	}
}

type tappedEntries struct {
	entries.Entries
	tap *tap
}

func (e tappedEntries) Read(ctx context.Context, ids []string) ([]entries.Entry, error) {
	return asked(e.tap, "Read", func() ([]entries.Entry, error) { return e.Entries.Read(ctx, ids) })
}

func (e tappedEntries) Unfinished(ctx context.Context, protocol string) iter.Seq2[entries.Unfinished, error] {
	return walked(e.tap, "Unfinished", e.Entries.Unfinished(ctx, protocol))
}

func (e tappedEntries) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	return asked(e.tap, "Expire", func() (int, error) { return e.Entries.Expire(ctx, now, limit) })
}

func (e tappedEntries) Count(ctx context.Context, c entries.Count) error {
	return told(e.tap, "Count", func() error { return e.Entries.Count(ctx, c) })
}

func (e tappedEntries) OpenBatch(ctx context.Context, b entries.Batch) error {
	return told(e.tap, "OpenBatch", func() error { return e.Entries.OpenBatch(ctx, b) })
}

func (e tappedEntries) Join(ctx context.Context, j entries.Join) (entries.Batch, error) {
	return asked(e.tap, "Join", func() (entries.Batch, error) { return e.Entries.Join(ctx, j) })
}

func (e tappedEntries) ClaimBatch(ctx context.Context, id string) (entries.Batch, error) {
	return asked(e.tap, "ClaimBatch", func() (entries.Batch, error) { return e.Entries.ClaimBatch(ctx, id) })
}

func (e tappedEntries) Unwritten(ctx context.Context, protocol string) ([]entries.Batch, error) {
	return asked(e.tap, "Unwritten", func() ([]entries.Batch, error) { return e.Entries.Unwritten(ctx, protocol) })
}

func (e tappedEntries) Members(ctx context.Context, b entries.Batch) iter.Seq2[entries.Member, error] {
	return walked(e.tap, "Members", e.Entries.Members(ctx, b))
}

func (e tappedEntries) Archived(ctx context.Context, batch string, ids []string, expires time.Time) error {
	return told(e.tap, "Archived", func() error { return e.Entries.Archived(ctx, batch, ids, expires) })
}

func (e tappedEntries) DoneBatch(ctx context.Context, b entries.Batch, expires time.Time) error {
	return told(e.tap, "DoneBatch", func() error { return e.Entries.DoneBatch(ctx, b, expires) })
}

type tappedLedger struct {
	ledger.Ledger
	tap *tap
}

func (l tappedLedger) Protocol(ctx context.Context, name string) (ledger.Protocol, error) {
	return asked(l.tap, "Protocol", func() (ledger.Protocol, error) { return l.Ledger.Protocol(ctx, name) })
}

func (l tappedLedger) AcquireLease(ctx context.Context, lease ledger.Lease, now time.Time) (ledger.Lease, error) {
	return asked(l.tap, "AcquireLease", func() (ledger.Lease, error) { return l.Ledger.AcquireLease(ctx, lease, now) })
}

func (l tappedLedger) ReleaseLease(ctx context.Context, name, owner string) error {
	return told(l.tap, "ReleaseLease", func() error { return l.Ledger.ReleaseLease(ctx, name, owner) })
}

type tappedArchive struct {
	archive.Archive
	tap *tap
}

func (a tappedArchive) Create(ctx context.Context, key string, body []byte) error {
	a.tap.mu.Lock()
	if a.tap.bodies == nil {
		a.tap.bodies = map[string][][]byte{}
	}
	a.tap.bodies[key] = append(a.tap.bodies[key], bytes.Clone(body))
	a.tap.mu.Unlock()
	return told(a.tap, "Create", func() error { return a.Archive.Create(ctx, key, body) })
}

func (a tappedArchive) Stat(ctx context.Context, key string) (archive.Object, error) {
	return asked(a.tap, "Stat", func() (archive.Object, error) { return a.Archive.Stat(ctx, key) })
}
