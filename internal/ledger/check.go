package ledger

import (
	"errors"
	"fmt"
)

// The largest calls, which DynamoDB's transactions and the callers' pages set.
const (
	MaxWrite  = 100  // records of one Meta.Write
	MaxInsert = 1000 // cursors of one Cursors.Insert
)

// The checks below are about calls that no state of the ledger could make right: a mistake of the caller. Drivers make
// them before they write, so that a mistake shows on every backend alike and not only where the store has that limit.

// Check refuses more than MaxWrite records.
func (w Writes) Check() error {
	if n := len(w.Protocols) + len(w.Generations) + len(w.Replays); n > MaxWrite {
		return fmt.Errorf("%d records in one write, at most %d are possible", n, MaxWrite)
	}
	return nil
}

// Check refuses a name without its parts, and a part of a fold whose key is none.
func (id CursorID) Check() error {
	if id.Replay == "" || id.Key == "" {
		return fmt.Errorf("cursor %q of replay %q: a name is missing", id.Key, id.Replay)
	}
	if id.Fold {
		_, _, err := ParseFoldKey(id.Key)
		return err
	}
	return nil
}

// Check refuses content that a cursor cannot hold.
func (c *Cursor) Check() error {
	if err := c.CursorID.Check(); err != nil {
		return err
	}
	return checkContent(c.CursorID, c.Rejects, c.Partial)
}

// Check refuses a line that goes back, a state that a commit cannot lead to, and content that a cursor cannot hold.
func (c *Commit) Check() error {
	if c.From < 0 || c.To < c.From {
		return fmt.Errorf("committing %s: from line %d to line %d", c.ID.Key, c.From, c.To)
	}
	if c.State != Processing && c.State != Pending && c.State != Finished {
		return fmt.Errorf("committing %s: to state %q", c.ID.Key, c.State)
	}
	return checkContent(c.ID, c.Rejects, c.Partial)
}

// Check refuses states other than Pending and Failed.
func (s *Settle) Check() error {
	if s.State != Pending && s.State != Failed {
		return fmt.Errorf("settling %s: to state %q", s.ID.Key, s.State)
	}
	return nil
}

// Check refuses a scan over all replays.
func (p ScanParams) Check() error {
	if p.Replay == "" {
		return errors.New("scanning cursors: of no replay")
	}
	return nil
}

func checkContent(id CursorID, rejects []Reject, partial []byte) error {
	if len(partial) > MaxInline {
		return fmt.Errorf("cursor %s: a partial of %d bytes is to be sealed, at most %d fit in", id.Key, len(partial), MaxInline)
	}
	if len(rejects) > MaxRejects {
		return fmt.Errorf("cursor %s: %d samples of bad lines, at most %d fit in", id.Key, len(rejects), MaxRejects)
	}
	return nil
}
