package sqliteentries

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

const (
	shard     = "entries" // the only one
	feedBytes = 1 << 20   // of lines: a read ends with the one that goes beyond, as DynamoDB's does
)

// Shards returns the only shard, which never closes.
func (e *Entries) Shards(context.Context) ([]entries.Shard, error) {
	return []entries.Shard{{ID: shard}}, nil
}

// Feed reads entries in the order in which they were put. A position is the number of the last one: since writes follow one
// another, none with a lower number can still appear.
func (e *Entries) Feed(ctx context.Context, id, position string, limit int) (entries.Records, error) {
	if id != shard {
		return entries.Records{}, fmt.Errorf("reading the feed: there is no shard %q", id)
	}
	if err := entries.CheckLimit(int64(limit)); err != nil {
		return entries.Records{}, fmt.Errorf("reading the feed: %w", err)
	}
	after := int64(0)
	if position != "" {
		var err error
		if after, err = strconv.ParseInt(position, 10, 64); err != nil {
			return entries.Records{}, fmt.Errorf("reading the feed: %q is no position: %w", position, err)
		}
	}
	r := entries.Records{Next: position}
	err := e.feed(ctx, after, limit, &r)
	if err != nil {
		return entries.Records{}, e.ledger.Explain(err, "reading the feed after %q", position)
	}
	return r, nil
}

// feed fills r with up to limit entries and about feedBytes.
func (e *Entries) feed(ctx context.Context, after int64, limit int, r *entries.Records) error {
	rows, err := e.db.Read.QueryContext(ctx, `SELECT seq, put_at, id, protocol, ts, line FROM entries WHERE seq > ? ORDER BY seq`, after)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	size := 0
	for rows.Next() {
		if len(r.Entries) == limit || size >= feedBytes {
			r.More = true
			break
		}
		var n entries.Entry
		var seq, putAt, ts int64
		if err := rows.Scan(&seq, &putAt, &n.ID, &n.Protocol, &ts, &n.Line); err != nil {
			return err
		}
		n.TS = sqlitedb.Instant(ts)
		r.Entries = append(r.Entries, n)
		r.Next, r.Newest = strconv.FormatInt(seq, 10), sqlitedb.Instant(putAt)
		size += len(n.Line)
	}
	return rows.Err()
}

// Checkpoints returns how far each shard was read.
func (e *Entries) Checkpoints(ctx context.Context) ([]entries.Checkpoint, error) {
	all, err := sqlitedb.Collect(ctx, e.db.Read, func(rows *sql.Rows) (entries.Checkpoint, error) {
		var c entries.Checkpoint
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return c, err
		}
		return c, json.Unmarshal(text, &c)
	}, `SELECT record FROM checkpoints ORDER BY shard`)
	return all, e.ledger.Explain(err, "reading the checkpoints")
}

// SaveCheckpoint stores how far a shard was read.
func (e *Entries) SaveCheckpoint(ctx context.Context, c entries.Checkpoint) error {
	text, err := json.Marshal(c)
	if err != nil {
		return e.ledger.Explain(err, "saving the checkpoint of %s", c.Shard)
	}
	err = e.db.Tx(ctx, func(tx *sqlitedb.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO checkpoints (shard, record) VALUES (?, ?)
			ON CONFLICT DO UPDATE SET record = excluded.record`, c.Shard, string(text))
		return err
	})
	return e.ledger.Explain(err, "saving the checkpoint of %s", c.Shard)
}
