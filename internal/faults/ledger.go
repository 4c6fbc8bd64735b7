package faults

import (
	"context"
	"iter"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

type faultyLedger struct {
	ledger.Ledger
	plan *Plan
}

// Ledger wraps a ledger.
func Ledger(l ledger.Ledger, p *Plan) ledger.Ledger { return &faultyLedger{l, p} }

func (l *faultyLedger) Protocol(ctx context.Context, name string) (ledger.Protocol, error) {
	return get(l.plan, "ledger.Protocol", func() (ledger.Protocol, error) { return l.Ledger.Protocol(ctx, name) })
}

func (l *faultyLedger) Protocols(ctx context.Context) ([]ledger.Protocol, error) {
	return get(l.plan, "ledger.Protocols", func() ([]ledger.Protocol, error) { return l.Ledger.Protocols(ctx) })
}

func (l *faultyLedger) Generation(ctx context.Context, protocol string, number int64) (ledger.Generation, error) {
	return get(l.plan, "ledger.Generation", func() (ledger.Generation, error) {
		return l.Ledger.Generation(ctx, protocol, number)
	})
}

func (l *faultyLedger) Replay(ctx context.Context, id string) (ledger.Replay, error) {
	return get(l.plan, "ledger.Replay", func() (ledger.Replay, error) { return l.Ledger.Replay(ctx, id) })
}

func (l *faultyLedger) Replays(ctx context.Context) ([]ledger.Replay, error) {
	return get(l.plan, "ledger.Replays", func() ([]ledger.Replay, error) { return l.Ledger.Replays(ctx) })
}

func (l *faultyLedger) Write(ctx context.Context, w ledger.Writes) error {
	return l.plan.do("ledger.Write", func() error { return l.Ledger.Write(ctx, w) })
}

func (l *faultyLedger) Insert(ctx context.Context, cursors []ledger.Cursor) error {
	return l.plan.do("ledger.Insert", func() error { return l.Ledger.Insert(ctx, cursors) })
}

func (l *faultyLedger) Cursor(ctx context.Context, id ledger.CursorID) (ledger.Cursor, error) {
	return get(l.plan, "ledger.Cursor", func() (ledger.Cursor, error) { return l.Ledger.Cursor(ctx, id) })
}

func (l *faultyLedger) Scan(ctx context.Context, p ledger.ScanParams) iter.Seq2[ledger.Cursor, error] {
	return each(l.plan, "ledger.Scan", l.Ledger.Scan(ctx, p))
}

func (l *faultyLedger) Summarize(ctx context.Context, replay string) (ledger.Summary, error) {
	return get(l.plan, "ledger.Summarize", func() (ledger.Summary, error) { return l.Ledger.Summarize(ctx, replay) })
}

func (l *faultyLedger) Note(ctx context.Context, id ledger.CursorID, note string) error {
	return l.plan.do("ledger.Note", func() error { return l.Ledger.Note(ctx, id, note) })
}

func (l *faultyLedger) Claim(ctx context.Context, c ledger.Claim) (ledger.Cursor, error) {
	return get(l.plan, "ledger.Claim", func() (ledger.Cursor, error) { return l.Ledger.Claim(ctx, c) })
}

func (l *faultyLedger) Commit(ctx context.Context, c ledger.Commit) error {
	return l.plan.do("ledger.Commit", func() error { return l.Ledger.Commit(ctx, c) })
}

func (l *faultyLedger) Settle(ctx context.Context, s ledger.Settle) error {
	return l.plan.do("ledger.Settle", func() error { return l.Ledger.Settle(ctx, s) })
}

func (l *faultyLedger) Reopen(ctx context.Context, r ledger.Reopen) error {
	return l.plan.do("ledger.Reopen", func() error { return l.Ledger.Reopen(ctx, r) })
}

func (l *faultyLedger) PutSegment(ctx context.Context, id ledger.CursorID, s ledger.Segment, blob []byte) error {
	return l.plan.do("ledger.PutSegment", func() error { return l.Ledger.PutSegment(ctx, id, s, blob) })
}

func (l *faultyLedger) Segment(ctx context.Context, id ledger.CursorID, s ledger.Segment) ([]byte, error) {
	return get(l.plan, "ledger.Segment", func() ([]byte, error) { return l.Ledger.Segment(ctx, id, s) })
}

func (l *faultyLedger) DeleteSegments(ctx context.Context, replay string, limit int) (int, error) {
	return get(l.plan, "ledger.DeleteSegments", func() (int, error) { return l.Ledger.DeleteSegments(ctx, replay, limit) })
}

func (l *faultyLedger) PutRows(ctx context.Context, part ledger.Part, rows []ledger.Row) error {
	return l.plan.do("ledger.PutRows", func() error { return l.Ledger.PutRows(ctx, part, rows) })
}

func (l *faultyLedger) Rows(ctx context.Context, p ledger.RowsParams) iter.Seq2[ledger.Row, error] {
	return each(l.plan, "ledger.Rows", l.Ledger.Rows(ctx, p))
}

func (l *faultyLedger) Purge(ctx context.Context, p ledger.PurgeParams, limit int) (int, error) {
	return get(l.plan, "ledger.Purge", func() (int, error) { return l.Ledger.Purge(ctx, p, limit) })
}

func (l *faultyLedger) AcquireLease(ctx context.Context, lease ledger.Lease, now time.Time) (ledger.Lease, error) {
	return get(l.plan, "ledger.AcquireLease", func() (ledger.Lease, error) { return l.Ledger.AcquireLease(ctx, lease, now) })
}

func (l *faultyLedger) ReleaseLease(ctx context.Context, name, owner string) error {
	return l.plan.do("ledger.ReleaseLease", func() error { return l.Ledger.ReleaseLease(ctx, name, owner) })
}

func (l *faultyLedger) PutProgress(ctx context.Context, p ledger.Progress) error {
	return l.plan.do("ledger.PutProgress", func() error { return l.Ledger.PutProgress(ctx, p) })
}

func (l *faultyLedger) Progress(ctx context.Context, replay string) ([]ledger.Progress, error) {
	return get(l.plan, "ledger.Progress", func() ([]ledger.Progress, error) { return l.Ledger.Progress(ctx, replay) })
}
