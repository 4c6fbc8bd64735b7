package faults

import (
	"context"
	"iter"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

type faultyEntries struct {
	entries.Entries
	plan *Plan
}

// Entries wraps the incoming table.
func Entries(e entries.Entries, p *Plan) entries.Entries { return &faultyEntries{e, p} }

func (e *faultyEntries) Put(ctx context.Context, list []entries.Entry) (int, error) {
	return get(e.plan, "entries.Put", func() (int, error) { return e.Entries.Put(ctx, list) })
}

func (e *faultyEntries) Read(ctx context.Context, ids []string) ([]entries.Entry, error) {
	return get(e.plan, "entries.Read", func() ([]entries.Entry, error) { return e.Entries.Read(ctx, ids) })
}

func (e *faultyEntries) Unfinished(ctx context.Context, protocol string) iter.Seq2[entries.Unfinished, error] {
	return each(e.plan, "entries.Unfinished", e.Entries.Unfinished(ctx, protocol))
}

func (e *faultyEntries) Backlog(ctx context.Context, protocol string, limit int64) (entries.Backlog, error) {
	return get(e.plan, "entries.Backlog", func() (entries.Backlog, error) { return e.Entries.Backlog(ctx, protocol, limit) })
}

func (e *faultyEntries) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	return get(e.plan, "entries.Expire", func() (int, error) { return e.Entries.Expire(ctx, now, limit) })
}

func (e *faultyEntries) LiveRows(ctx context.Context, part ledger.Part, keys []entries.RowKey) ([]entries.LiveRow, error) {
	return get(e.plan, "entries.LiveRows", func() ([]entries.LiveRow, error) { return e.Entries.LiveRows(ctx, part, keys) })
}

func (e *faultyEntries) Count(ctx context.Context, c entries.Count) error {
	return e.plan.do("entries.Count", func() error { return e.Entries.Count(ctx, c) })
}

func (e *faultyEntries) LiveParts(ctx context.Context, protocol string, generation int64, statistic string) iter.Seq2[entries.PlacedRow, error] {
	return each(e.plan, "entries.LiveParts", e.Entries.LiveParts(ctx, protocol, generation, statistic))
}

func (e *faultyEntries) MergeLive(ctx context.Context, m entries.Merge) error {
	return e.plan.do("entries.MergeLive", func() error { return e.Entries.MergeLive(ctx, m) })
}

func (e *faultyEntries) OpenBatch(ctx context.Context, b entries.Batch) error {
	return e.plan.do("entries.OpenBatch", func() error { return e.Entries.OpenBatch(ctx, b) })
}

func (e *faultyEntries) Join(ctx context.Context, j entries.Join) (entries.Batch, error) {
	return get(e.plan, "entries.Join", func() (entries.Batch, error) { return e.Entries.Join(ctx, j) })
}

func (e *faultyEntries) ClaimBatch(ctx context.Context, id string) (entries.Batch, error) {
	return get(e.plan, "entries.ClaimBatch", func() (entries.Batch, error) { return e.Entries.ClaimBatch(ctx, id) })
}

func (e *faultyEntries) Unwritten(ctx context.Context, protocol string) ([]entries.Batch, error) {
	return get(e.plan, "entries.Unwritten", func() ([]entries.Batch, error) { return e.Entries.Unwritten(ctx, protocol) })
}

func (e *faultyEntries) Members(ctx context.Context, b entries.Batch) iter.Seq2[entries.Member, error] {
	return each(e.plan, "entries.Members", e.Entries.Members(ctx, b))
}

func (e *faultyEntries) Archived(ctx context.Context, batch string, ids []string, expires time.Time) error {
	return e.plan.do("entries.Archived", func() error { return e.Entries.Archived(ctx, batch, ids, expires) })
}

func (e *faultyEntries) DoneBatch(ctx context.Context, b entries.Batch, expires time.Time) error {
	return e.plan.do("entries.DoneBatch", func() error { return e.Entries.DoneBatch(ctx, b, expires) })
}

func (e *faultyEntries) Shards(ctx context.Context) ([]entries.Shard, error) {
	return get(e.plan, "entries.Shards", func() ([]entries.Shard, error) { return e.Entries.Shards(ctx) })
}

func (e *faultyEntries) Feed(ctx context.Context, shard, position string, limit int) (entries.Records, error) {
	return get(e.plan, "entries.Feed", func() (entries.Records, error) { return e.Entries.Feed(ctx, shard, position, limit) })
}

func (e *faultyEntries) Checkpoints(ctx context.Context) ([]entries.Checkpoint, error) {
	return get(e.plan, "entries.Checkpoints", func() ([]entries.Checkpoint, error) { return e.Entries.Checkpoints(ctx) })
}

func (e *faultyEntries) SaveCheckpoint(ctx context.Context, c entries.Checkpoint) error {
	return e.plan.do("entries.SaveCheckpoint", func() error { return e.Entries.SaveCheckpoint(ctx, c) })
}
