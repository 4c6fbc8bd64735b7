package sqliteledger

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// columns of a cursor, in the order of values and record.fields, behind replay, fold and key.
const columns = `protocol, state, line, epoch, owner, owned_until, no_progress, etag, size, state_change,
	read, counted, after_cutoff, rejected, blank, consumed, bytes, row_count, error, note, rest`

// rest is what no query asks for.
type rest struct {
	Frame   ledger.Frame   `json:"frame,omitzero"`
	Receipt ledger.Receipt `json:"receipt,omitzero"`
}

func (r rest) text() (string, error) {
	text, err := json.Marshal(r)
	return string(text), err
}

// foldOf is the number that the column fold has for a cursor: 0 for an archive object, -1 for what names no cursor.
func foldOf(id ledger.CursorID) int64 {
	if !id.Fold {
		return 0
	}
	number, _, err := ledger.ParseFoldKey(id.Key)
	if err != nil {
		return -1
	}
	return number
}

// values are a cursor's columns, the primary key first.
func values(c *ledger.Cursor) ([]any, error) {
	text, err := rest{Frame: c.Frame, Receipt: c.Receipt}.text()
	return []any{
		c.Replay, foldOf(c.CursorID), c.Key,
		c.Protocol, c.State, c.Line, c.Epoch, c.Owner, sqlitedb.Nanos(c.OwnedUntil), c.NoProgress, c.ETag, c.Size, sqlitedb.Nanos(c.StateChange),
		c.Read, c.Counted, c.AfterCutoff, c.Rejected, c.Blank, c.Consumed, c.Bytes, c.Rows, c.Error, c.Note, text,
	}, err
}

// content is the part of a cursor that the table contents keeps; nil: none.
type content struct {
	rejects, segments any // JSON text, or nil
	partial           []byte
}

func newContent(rejects []ledger.Reject, segments []ledger.Segment, partial []byte) (content, error) {
	c := content{partial: partial}
	if len(rejects) > 0 {
		text, err := json.Marshal(rejects)
		if err != nil {
			return c, err
		}
		c.rejects = string(text)
	}
	if len(segments) > 0 {
		text, err := json.Marshal(segments)
		if err != nil {
			return c, err
		}
		c.segments = string(text)
	}
	return c, nil
}

func (c content) empty() bool { return c.rejects == nil && c.segments == nil && c.partial == nil }

// record reads a cursor out of a row of: key, columns, and with contents rejects, segments, partial.
type record struct {
	cursor                  ledger.Cursor
	ownedUntil, stateChange int64
	rest, rejects, segments []byte
}

func (r *record) fields(withContent bool) []any {
	c := &r.cursor
	f := []any{
		&c.Key, &c.Protocol, &c.State, &c.Line, &c.Epoch, &c.Owner, &r.ownedUntil, &c.NoProgress, &c.ETag, &c.Size, &r.stateChange,
		&c.Read, &c.Counted, &c.AfterCutoff, &c.Rejected, &c.Blank, &c.Consumed, &c.Bytes, &c.Rows, &c.Error, &c.Note, &r.rest,
	}
	if withContent {
		f = append(f, &r.rejects, &r.segments, &c.Partial)
	}
	return f
}

// finish turns what was read into the cursor.
func (r *record) finish(replay string, fold bool) (ledger.Cursor, error) {
	c := r.cursor
	c.Replay, c.Fold = replay, fold
	c.OwnedUntil, c.StateChange = sqlitedb.Instant(r.ownedUntil), sqlitedb.Instant(r.stateChange)
	var rest rest
	err := json.Unmarshal(r.rest, &rest)
	c.Frame, c.Receipt = rest.Frame, rest.Receipt
	if r.rejects != nil {
		err = errors.Join(err, json.Unmarshal(r.rejects, &c.Rejects))
	}
	if r.segments != nil {
		err = errors.Join(err, json.Unmarshal(r.segments, &c.Segments))
	}
	if err != nil {
		return c, fmt.Errorf("decoding cursor %s: %w", c.Key, err)
	}
	return c, nil
}
