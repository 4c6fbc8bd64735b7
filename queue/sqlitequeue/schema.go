package sqlitequeue

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
CREATE INDEX messages_next ON messages (queue, visible_at, id, nonce);`, `
ALTER TABLE messages ADD COLUMN trace TEXT NOT NULL DEFAULT '';`}
}

const (
	sendText = `INSERT INTO messages (queue, body, sent, visible_at, trace) VALUES (?, ?, ?, ?, ?)`

	// The next messages are in flight until ?1. The nonce is random and never 0.
	claimText = `UPDATE messages SET visible_at = ?1, received = ?2, receives = receives + 1,
		nonce = (random() & 0x7ffffffffffffffe) + 1
		WHERE id IN (SELECT id FROM messages WHERE queue = ?3 AND visible_at <= ?2 ORDER BY visible_at, id LIMIT ?4)
		RETURNING id, body, sent, receives, nonce, trace`

	// In the dead-letter queue a message keeps its id and when it was sent, and begins anew otherwise.
	buryText = `UPDATE messages SET queue = ?, visible_at = ?, receives = 0, received = 0, nonce = 0 WHERE id = ?`

	removeText = `DELETE FROM messages WHERE id = ? AND queue = ? AND nonce = ?`
	existsText = `SELECT count(*) FROM messages WHERE id = ? AND queue = ?`
	heldText   = `SELECT received FROM messages WHERE id = ? AND queue = ? AND nonce = ? AND visible_at > ?`
	changeText = `UPDATE messages SET visible_at = ? WHERE id = ?`
	nextText   = `SELECT visible_at FROM messages WHERE queue = ? ORDER BY visible_at LIMIT 1`
	countsText = `SELECT
		(SELECT count(*) FROM messages WHERE queue = ?1 AND visible_at <= ?2),
		(SELECT count(*) FROM messages WHERE queue = ?1 AND visible_at > ?2 AND nonce <> 0),
		(SELECT count(*) FROM messages WHERE queue = ?1 AND visible_at > ?2 AND nonce = 0)`
)
