package sqlitequeue

import (
	"context"
	"database/sql"
	"errors"

	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// Migrations returns what sqlitedb.Open needs to make a file that New can use. Times are nanoseconds since 1970, and
// come from the queue's clock, never from SQLite's. AUTOINCREMENT, because an id that came back after a delete would
// make an old receipt name another message. The index answers "which message is next" and the counts by itself.
func Migrations() []string {
	return []string{`
CREATE TABLE messages (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	queue      TEXT    NOT NULL,
	body       BLOB    NOT NULL,
	sent       INTEGER NOT NULL,
	visible_at INTEGER NOT NULL,           -- nobody receives it before
	receives   INTEGER NOT NULL DEFAULT 0,
	received   INTEGER NOT NULL DEFAULT 0, -- when it was received last
	nonce      INTEGER NOT NULL DEFAULT 0  -- of the last receive, a part of its receipt; 0: never received
) STRICT;
CREATE INDEX messages_next ON messages (queue, visible_at, id, nonce);`}
}

// statements are prepared once, because SQLite takes longer to read one than to run it.
type statements struct {
	send, claim, bury, remove, exists, change, held *sql.Stmt // on the writing connection
	next, counts                                    *sql.Stmt // on the reading pool
}

func (s *statements) prepare(ctx context.Context, db *sqlitedb.DB) error {
	for _, p := range []struct {
		pool  *sql.DB
		to    **sql.Stmt
		query string
	}{
		{db.Write, &s.send, `INSERT INTO messages (queue, body, sent, visible_at) VALUES (?, ?, ?, ?)`},
		// The next messages are in flight until ?1. The nonce is random and never 0.
		{db.Write, &s.claim, `UPDATE messages SET visible_at = ?1, received = ?2, receives = receives + 1,
			nonce = (random() & 0x7ffffffffffffffe) + 1
			WHERE id IN (SELECT id FROM messages WHERE queue = ?3 AND visible_at <= ?2 ORDER BY visible_at, id LIMIT ?4)
			RETURNING id, body, sent, receives, nonce`},
		// In the dead-letter queue a message keeps its id and when it was sent, and begins anew otherwise.
		{db.Write, &s.bury, `UPDATE messages SET queue = ?, visible_at = ?, receives = 0, received = 0, nonce = 0 WHERE id = ?`},
		{db.Write, &s.remove, `DELETE FROM messages WHERE id = ? AND queue = ? AND nonce = ?`},
		{db.Write, &s.exists, `SELECT count(*) FROM messages WHERE id = ? AND queue = ?`},
		{db.Write, &s.held, `SELECT received FROM messages WHERE id = ? AND queue = ? AND nonce = ? AND visible_at > ?`},
		{db.Write, &s.change, `UPDATE messages SET visible_at = ? WHERE id = ?`},
		{db.Read, &s.next, `SELECT visible_at FROM messages WHERE queue = ? ORDER BY visible_at LIMIT 1`},
		{db.Read, &s.counts, `SELECT
			(SELECT count(*) FROM messages WHERE queue = ?1 AND visible_at <= ?2),
			(SELECT count(*) FROM messages WHERE queue = ?1 AND visible_at > ?2 AND nonce <> 0),
			(SELECT count(*) FROM messages WHERE queue = ?1 AND visible_at > ?2 AND nonce = 0)`},
	} {
		st, err := p.pool.PrepareContext(ctx, p.query)
		if err != nil {
			return errors.Join(err, s.close())
		}
		*p.to = st
	}
	return nil
}

func (s *statements) close() error {
	var errs []error
	for _, st := range []*sql.Stmt{s.send, s.claim, s.bury, s.remove, s.exists, s.held, s.change, s.next, s.counts} {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	return errors.Join(errs...)
}
