package ledger

import (
	"context"
	"errors"
	"iter"
	"time"
)

var (
	// ErrNotFound says that there is no such record.
	ErrNotFound = errors.New("no such record")
	// ErrConflict says that a record is no longer at the version that the write was made for. Read again and decide
	// again.
	ErrConflict = errors.New("record has changed meanwhile")
	// ErrOwned says that another worker has the cursor, and until when stands in the cursor returned with it.
	ErrOwned = errors.New("cursor is owned by another worker")
	// ErrFinished says that the cursor is FINISHED already.
	ErrFinished = errors.New("cursor is finished")
	// ErrFailed says that the cursor is FAILED.
	ErrFailed = errors.New("cursor is failed")
	// ErrFenced says that the cursor's epoch or line is not what the writer holds: somebody else took over. Whoever
	// gets it touches nothing any more.
	ErrFenced = errors.New("fenced off: another worker has taken the cursor over")
	// ErrHeld says that another owner holds the lease.
	ErrHeld = errors.New("lease is held by another process")
	// ErrThrottled says that the store refuses for a while; nothing was written.
	ErrThrottled = errors.New("throttled")
)

// Ledger is the whole of it. All methods may be called by any number of goroutines and processes at once; every read
// is consistent (promise P10); each remote call has a deadline inside the driver. An error that is none of the
// sentinels leaves open whether a write happened: read, and decide again.
type Ledger interface {
	Meta
	Cursors
	Claims
	Segments
	Rows
	Leases
}

// Meta keeps what there is one of: protocols, their generations, replays.
type Meta interface {
	// Protocol returns a protocol's record; of one never seen, a record of Version 0 with its name.
	Protocol(ctx context.Context, name string) (Protocol, error)
	// Protocols returns all protocols by name.
	Protocols(ctx context.Context) ([]Protocol, error)
	// Generation returns one generation; ErrNotFound.
	Generation(ctx context.Context, protocol string, number int64) (Generation, error)
	// Replay returns one replay; ErrNotFound.
	Replay(ctx context.Context, id string) (Replay, error)
	// Replays returns all replays, the newest first (by id, which begins with the time).
	Replays(ctx context.Context) ([]Replay, error)
	// Write puts all the records or none of them: one transaction, in which each record must still have the Version
	// it bears (0: it must not exist). Each is stored with Version+1. ErrConflict when any has not; after an unknown
	// outcome read again. At most MaxWrite records, each once.
	Write(ctx context.Context, w Writes) error
}

// Writes are the records of one transaction.
type Writes struct {
	Protocols   []Protocol
	Generations []Generation
	Replays     []Replay
}

// Cursors keeps the pieces of work of a replay.
type Cursors interface {
	// Insert puts cursors that are not there yet, and leaves those alone that are: a repeated page changes nothing.
	// Not a transaction. Up to MaxInsert.
	Insert(ctx context.Context, cursors []Cursor) error
	// Cursor reads one, with its partial; ErrNotFound.
	Cursor(ctx context.Context, id CursorID) (Cursor, error)
	// Scan yields the cursors that p names, in no certain order, in bounded memory. Each is read consistently, but
	// the scan as a whole is no snapshot: none comes twice, and those that fit all the time come; what is inserted or
	// changed meanwhile may or may not. The loop's body may write to the ledger. It ends with the first error.
	Scan(ctx context.Context, p ScanParams) iter.Seq2[Cursor, error]
	// Summarize counts a replay's cursors, objects and fold parts apart.
	Summarize(ctx context.Context, replay string) (Summary, error)
	// Note keeps a remark about the mirror of the state (tags that gave way) in a cursor, whoever owns it; "" takes
	// it back. ErrNotFound.
	Note(ctx context.Context, id CursorID, note string) error
}

// ScanParams narrow a Scan. Zero values do not narrow, but there is no scan over all replays.
type ScanParams struct {
	Replay   string // required
	Fold     int64  // 0: archive objects; n: the parts of fold n
	Protocol string
	States   []State
	Partials bool // with Partial, Rejects and Segments; without, they are left empty
}

// Claims is what happens to one cursor. Each method is one conditional write of one item.
type Claims interface {
	// Claim takes a cursor that is PENDING, or PROCESSING with an owner whose time is over (OwnedUntil <= Now), be it
	// the same owner: PROCESSING, Epoch+1, NoProgress+1, Owner and OwnedUntil as given; it returns the cursor as it is
	// now, with its partial. Otherwise the error says why and the cursor returned with it is as it stands: ErrOwned,
	// ErrFinished, ErrFailed, ErrNotFound.
	Claim(ctx context.Context, c Claim) (Cursor, error)
	// Commit is the one write by which lines are counted: if Epoch is the cursor's, and Line is
	// From, and it is PROCESSING, then everything in c replaces what the cursor had, NoProgress is 0 where To > From
	// or the cursor is FINISHED, and the owner goes unless State is PROCESSING. Otherwise ErrFenced, and nothing has
	// changed; so also when a commit that succeeded is repeated and moved the line or let the cursor go. Everything is
	// set, nothing added up, so that a repeated write is harmless. The owner's time is not asked for.
	Commit(ctx context.Context, c Commit) error
	// Settle gives a cursor up: to PENDING (owner gone; with TakeBack, the claim's NoProgress taken back if it is
	// PROCESSING, never below 0), or to FAILED with the reason (owner gone, Epoch+1, so that a late owner is fenced).
	// What is committed stays. If Epoch is the cursor's and it is PENDING or PROCESSING, or FAILED and fails again (which
	// raises the epoch once more, so that a late redrive is fenced); otherwise ErrFenced.
	Settle(ctx context.Context, s Settle) error
	// Reopen is the redrive of a FAILED cursor: PENDING at line 0 with the ETag and size given, no partial, segments,
	// rejects or receipt, no accounts, Epoch+1, NoProgress 0; Error and Note stay. If it is FAILED and Epoch is the
	// cursor's; otherwise ErrFenced.
	Reopen(ctx context.Context, r Reopen) error
}

// Segments keeps sealed partials that do not fit into a cursor. They are written before a cursor names them, under a
// name that holds the fencing epoch, so that a late writer writes into nothing.
type Segments interface {
	// PutSegment stores a blob under a segment's name, once: writing it again changes nothing and is no error.
	PutSegment(ctx context.Context, id CursorID, s Segment, blob []byte) error
	// Segment reads a blob; ErrNotFound.
	Segment(ctx context.Context, id CursorID, s Segment) ([]byte, error)
	// DeleteSegments removes up to limit (at least 1) segments of a replay and tells how many they were (0: none is left).
	DeleteSegments(ctx context.Context, replay string, limit int) (int, error)
}

// Rows is the statistics table.
type Rows interface {
	// PutRows puts rows of one part, replacing those of the same statistic and key. Not a transaction: a repetition
	// completes it. Any number of rows.
	PutRows(ctx context.Context, part Part, rows []Row) error
	// Rows yields the rows of one statistic that fold number base wrote, and all live parts' rows of it, in no
	// certain order and unmerged.
	Rows(ctx context.Context, p RowsParams) iter.Seq2[Row, error]
	// Purge removes up to limit (at least 1) rows of a generation and tells how many they were (0: none is left).
	Purge(ctx context.Context, p PurgeParams, limit int) (int, error)
}

// Leases and progress: who does what there is one of, and how far the workers are.
type Leases interface {
	// AcquireLease takes a lease that is free, over (until <= now) or the owner's own already; ErrHeld otherwise,
	// with the lease that stands. Leases decide waste only: everything done under one is safe to be done twice.
	AcquireLease(ctx context.Context, l Lease, now time.Time) (Lease, error)
	// ReleaseLease frees the lease if the owner still has it.
	ReleaseLease(ctx context.Context, name, owner string) error
	// PutProgress stores a worker's own totals, replacing its last.
	PutProgress(ctx context.Context, p Progress) error
	// Progress returns what the workers of a replay stored.
	Progress(ctx context.Context, replay string) ([]Progress, error)
}
