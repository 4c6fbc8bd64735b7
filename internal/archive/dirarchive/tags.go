package dirarchive

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// migrations make the tags file. The ETag says which version of an object the tags belong to: a new version has none,
// as in S3, and so has a new object under the key of a deleted one.
var migrations = []string{`
	CREATE TABLE tags (
		key  TEXT PRIMARY KEY,
		etag TEXT NOT NULL,
		tags TEXT NOT NULL -- JSON object of strings
	) STRICT, WITHOUT ROWID;
`}

// Tags implements [archive.Archive].
func (a *Archive) Tags(ctx context.Context, key string) (map[string]string, error) {
	o, err := a.stat(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("reading the tags of %s: %w", key, err)
	}
	tags, err := a.readTags(ctx, a.tags.Read, o)
	if err != nil {
		return nil, fmt.Errorf("reading the tags of %s: %w", key, a.tags.Explain(err))
	}
	return tags, nil
}

// MergeTags implements [archive.Archive]. Reading, merging and writing are one transaction, so that writers at the
// same moment lose nothing.
func (a *Archive) MergeTags(ctx context.Context, key string, set map[string]string, remove []string) error {
	err := a.tags.Tx(ctx, func(tx *sqlitedb.Tx) error {
		// Inside the transaction: tags of a version that is gone must not replace those of its successor.
		o, err := a.stat(ctx, key)
		if err != nil {
			return err
		}
		have, err := a.readTags(ctx, tx, o)
		if err != nil {
			return err
		}
		tags, changed, err := archive.MergedTags(have, set, remove)
		if err != nil || !changed {
			return err
		}
		return writeTags(ctx, tx, o, tags)
	})
	if err != nil {
		return fmt.Errorf("tagging %s: %w", key, err)
	}
	return nil
}

// querier is a pool or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (a *Archive) readTags(ctx context.Context, q querier, o archive.Object) (map[string]string, error) {
	tags := map[string]string{}
	var text string
	err := q.QueryRowContext(ctx, `SELECT tags FROM tags WHERE key = ? AND etag = ?`, o.Key, o.ETag).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return tags, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(text), &tags); err != nil {
		return nil, fmt.Errorf("the row of %s: %w", o.Key, err)
	}
	return tags, nil
}

func writeTags(ctx context.Context, tx *sqlitedb.Tx, o archive.Object, tags map[string]string) error {
	if len(tags) == 0 {
		_, err := tx.ExecContext(ctx, `DELETE FROM tags WHERE key = ?`, o.Key)
		return err
	}
	text, err := json.Marshal(tags)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO tags (key, etag, tags) VALUES (?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET etag = excluded.etag, tags = excluded.tags`, o.Key, o.ETag, string(text))
	return err
}
