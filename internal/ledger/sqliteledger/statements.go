package sqliteledger

// The writes that every chunk makes. What they are conditional on is in their WHERE and nowhere else.
const (
	claimText = `
		UPDATE cursors SET state = 'PROCESSING', epoch = epoch + 1, no_progress = no_progress + 1,
			owner = ?, owned_until = ?, state_change = ?
		WHERE replay = ? AND fold = ? AND key = ?
			AND (state = 'PENDING' OR (state = 'PROCESSING' AND owned_until <= ?))`

	commitText = `
		UPDATE cursors SET state = ?, line = ?, state_change = ?,
			owner = iif(?, owner, ''), owned_until = iif(?, iif(? = 0, owned_until, ?), 0), no_progress = iif(?, 0, no_progress),
			read = ?, counted = ?, after_cutoff = ?, rejected = ?, blank = ?, consumed = ?, bytes = ?, row_count = ?, rest = ?
		WHERE replay = ? AND fold = ? AND key = ? AND epoch = ? AND line = ? AND state = 'PROCESSING'`

	settleText = `
		UPDATE cursors SET state = ?, state_change = ?, owner = '', owned_until = 0, epoch = epoch + ?,
			no_progress = iif(? AND state = 'PROCESSING', max(no_progress - 1, 0), no_progress),
			error = iif(? = '', error, ?)
		WHERE replay = ? AND fold = ? AND key = ? AND epoch = ? AND (state IN ('PENDING', 'PROCESSING') OR state = 'FAILED' AND ?)`

	readText = `SELECT key, ` + columns + withContents + ` WHERE replay = ? AND fold = ? AND key = ?`

	putContentText = `
		INSERT INTO contents (replay, fold, key, rejects, segments, partial) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET rejects = excluded.rejects, segments = excluded.segments, partial = excluded.partial`

	dropContentText = `DELETE FROM contents WHERE replay = ? AND fold = ? AND key = ?`
)
