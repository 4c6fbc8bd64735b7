package dynamoentries

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/dynamoledger"
)

// LiveRows returns the rows of one part with these keys.
func (e *Entries) LiveRows(ctx context.Context, part ledger.Part, keys []entries.RowKey) ([]entries.LiveRow, error) {
	doing := fmt.Sprintf("reading rows of %s, generation %d, part %s", part.Protocol, part.Generation, part.Name)
	if err := entries.CheckRead(len(keys)); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var wanted []dynamo.Item
	rows := make(map[entries.RowKey]entries.LiveRow, len(keys))
	for _, k := range keys {
		if _, twice := rows[k]; twice {
			continue
		}
		key, err := dynamoledger.RowKey(part, k.Statistic, k.Day, k.Key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		wanted = append(wanted, key)
		rows[k] = entries.LiveRow{Row: ledger.Row{Statistic: k.Statistic, Day: k.Day, Key: k.Key}}
	}
	items, err := dynamo.BatchGet(ctx, e.db, e.tables.Stats, wanted)
	for _, i := range items {
		var row dynamoledger.VersionedRow
		if err == nil {
			row, err = dynamoledger.RowOf(i)
			found := entries.LiveRow{Row: row.Row, Version: row.Version}
			rows[found.RowKey()] = found
		}
	}
	if err != nil {
		return nil, e.explainAt(e.tables.Stats, err, "%s", doing)
	}
	list := make([]entries.LiveRow, len(keys))
	for n, k := range keys {
		list[n] = rows[k]
	}
	return list, nil
}

// Count is one transaction over entries and rows. The partitions of new rows are entered into the directory before.
func (e *Entries) Count(ctx context.Context, c entries.Count) error {
	doing := fmt.Sprintf("counting %d entries of %s in generation %d", len(c.Entries), c.Part.Protocol, c.Part.Generation)
	if err := c.Check(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	writes := make([]write, 0, len(c.Entries)+len(c.Rows))
	for _, counted := range c.Entries {
		writes = append(writes, e.mark(c.Part, counted))
	}
	writes, err := e.puts(writes, c.Part, c.Rows)
	if err == nil {
		err = e.enter(ctx, c.Part, c.Rows)
	}
	if err == nil {
		err = e.transact(ctx, writes)
	}
	return e.explain(err, "%s", doing)
}

// mark is what counting writes into an entry. todo is set in any case, so that the entry has its place in the index also
// where its producer left todo or ts out, or put something else there.
func (e *Entries) mark(part ledger.Part, counted entries.Counted) write {
	const uncounted = "attribute_exists(#id) AND attribute_not_exists(#batch) AND NOT contains(#gens, :gen)"
	var u dynamo.Update
	u.Set(processed, yes())
	u.Set(todo, dynamo.Text(entries.Todo(part.Protocol, entries.ShardOf(counted.ID))))
	u.SetTo(ts, "if_not_exists(#ts, :ts)", dynamo.Instant(time.Now()))
	u.Add(gens, numberSet(part.Generation))
	if counted.Error != "" {
		u.Set(reason, dynamo.Text(cut(counted.Error)))
	}
	u.Value("gen", dynamo.Number(part.Generation))
	return e.change(counted.ID, &u, uncounted, fmt.Errorf("entry %q: %w", counted.ID, entries.ErrStale))
}

// versionLength is of a version of a row: 65 random bits.
const versionLength = 13

// puts appends the writes of rows, each under a new version.
func (e *Entries) puts(writes []write, part ledger.Part, rows []entries.LiveRow) ([]write, error) {
	for n := range rows {
		row := &rows[n]
		put, err := e.ledger.PutRow(part, row.Row, row.Version, rand.Text()[:versionLength])
		if err != nil {
			return nil, err
		}
		writes = append(writes, write{put, fmt.Errorf("row %s of %s: %w", row.Key, row.Statistic, entries.ErrConflict)})
	}
	return writes, nil
}

// enter puts the partitions of new rows into the directory. Those of rows that are there stand in it: nothing but a purge,
// after which nobody reads them, takes them out.
func (e *Entries) enter(ctx context.Context, part ledger.Part, rows []entries.LiveRow) error {
	var fresh []ledger.Row
	for n := range rows {
		if rows[n].Version == "" {
			fresh = append(fresh, rows[n].Row)
		}
	}
	return e.ledger.Enter(ctx, part, fresh)
}

// LiveParts yields all rows of the live parts of one statistic.
func (e *Entries) LiveParts(ctx context.Context, name string, generation int64, statistic string) iter.Seq2[entries.PlacedRow, error] {
	return func(yield func(entries.PlacedRow, error) bool) {
		params := ledger.RowsParams{Protocol: name, Generation: generation, Statistic: statistic}
		for row, err := range e.ledger.VersionedRows(ctx, params) {
			if !yield(entries.PlacedRow{Part: row.Part, LiveRow: entries.LiveRow{Row: row.Row, Version: row.Version}}, err) {
				return
			}
		}
	}
}

// MergeLive is one transaction over rows. Partitions that become empty stay in the directory: a process that has entered one
// relies on it.
func (e *Entries) MergeLive(ctx context.Context, m entries.Merge) error {
	doing := fmt.Sprintf("merging rows of %s, generation %d, into %s", m.Into.Protocol, m.Into.Generation, m.Into.Name)
	if err := m.Check(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	rows := []entries.LiveRow{m.Row}
	writes, err := e.puts(nil, m.Into, rows)
	for _, old := range m.Remove {
		var remove types.TransactWriteItem
		if err == nil {
			part := m.Into
			part.Name = old.Part
			remove, err = e.ledger.RemoveRow(part, old.Key.Statistic, old.Key.Day, old.Key.Key, old.Version)
			writes = append(writes, write{remove, fmt.Errorf("row %s of %s: %w", old.Key.Key, old.Part, entries.ErrConflict)})
		}
	}
	if err == nil {
		err = e.enter(ctx, m.Into, rows)
	}
	if err == nil {
		err = e.transact(ctx, writes)
	}
	return e.explainAt(e.tables.Stats, err, "%s", doing)
}
