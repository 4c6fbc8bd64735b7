package entries

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

var (
	// ErrNotFound says that there is no such batch.
	ErrNotFound = errors.New("no such batch")
	// ErrStale says that an entry is not as the write needs it: gone, counted in that generation already, in a batch, not
	// yet counted in all generations. Nothing was written: read the entries again and decide again.
	ErrStale = errors.New("an entry is not as expected")
	// ErrConflict says that a row, a batch or the store's own transactions got in the way. Nothing was written: read the
	// rows again, or take another part.
	ErrConflict = errors.New("somebody else wrote at the same time")
	// ErrEpoch says that the protocol's epoch is another one: a replay has been started. Nothing was written.
	ErrEpoch = errors.New("the protocol's epoch has moved on")
	// ErrClosed says that the batch is not OPEN any more, or has other pages than the writer thinks.
	ErrClosed = errors.New("the batch takes no more entries")
	// ErrTrimmed says that the stream does not remember that position any more: go on from the beginning, and let a sweep
	// find what was trimmed.
	ErrTrimmed = errors.New("the stream has trimmed that position")
)

// Limits of one transaction, which are DynamoDB's.
const (
	MaxItems = 100     // of Count: entries and rows together; of MergeLive: rows
	MaxJoin  = 97      // entries of Join: the batch, the page and the epoch are items too
	MaxBytes = 3 << 20 // of Count: of rows
	// MaxText is how many bytes the lines of the entries of one Count or Join should have together, where there is more than one
	// entry: DynamoDB takes 4 MB of items, and does not say whether what an update leaves alone is part of that.
	MaxText = 768 << 10
	MaxRead = 100  // ids of Read, keys of LiveRows
	MaxPut  = 1000 // entries of Put
)

// Entries is the whole of it. All methods may be called by any number of goroutines and processes at once; each remote
// call has a deadline inside the driver. Sentinels are those above and ledger.ErrThrottled; where several of them apply, any of
// those comes. Any other error leaves open whether a write happened: read, and decide again; except for a call that can
// never be right (the Check methods), which is refused before anything is written. Limits are at least 1.
type Entries interface {
	Intake
	Counting
	Batches
	Feed
}

// Intake is how entries come in and are found.
type Intake interface {
	// Put puts new entries, of which ID, Protocol, TS and Line are taken, and returns how many of the ids were there
	// before: those are left alone. Not a transaction: a repetition completes it. ErrBad (Entry.Check), before anything is written.
	// Up to MaxPut.
	Put(ctx context.Context, list []Entry) (there int, err error)
	// Read returns the entries of these ids, consistently, in no certain order; those that are gone are left out. Up to MaxRead.
	Read(ctx context.Context, ids []string) ([]Entry, error)
	// Unfinished yields the entries of a protocol that are not archived, as an index shows them that may lag by seconds and
	// shows what is done already, the oldest first within each of the index's shards. The loop's body may write. It ends
	// with the first error.
	Unfinished(ctx context.Context, protocol string) iter.Seq2[Unfinished, error]
	// Backlog counts what Unfinished yields, up to about limit entries, and AtLeast where there are more.
	Backlog(ctx context.Context, protocol string, limit int64) (Backlog, error)
	// Expire removes up to limit archived entries, done batches and their pages whose time is over (see Archived, Done), and tells
	// how many they were; 0 also where the store does so by itself.
	Expire(ctx context.Context, now time.Time, limit int) (int, error)
}

// RowKey names a row within a live part.
type RowKey struct {
	Statistic string
	Day       string
	Key       string
}

// LiveRow is a row of a live part with the version that it was read at. A version is random, and so never comes back:
// a row that was removed and made anew is another one.
type LiveRow struct {
	ledger.Row
	Version string // "": there is no such row yet
}

// RowKey is the row's place within its part.
func (r *LiveRow) RowKey() RowKey { return RowKey{Statistic: r.Statistic, Day: r.Day, Key: r.Key} }

// Count adds entries to one generation.
type Count struct {
	Part    ledger.Part // LivePart(slot) of the generation
	Entries []Counted
	Rows    []LiveRow // as they are to be, each under the version that it was read at
}

// Counted is an entry that counts in a generation, and why its line does not if it does not.
type Counted struct {
	ID    string
	Error string // kept in the entry where it is not ""
}

// Merge moves rows of live parts together (compaction).
type Merge struct {
	Into   ledger.Part
	Row    LiveRow // as it is to be, under the version that it was read at
	Remove []Placed
}

// Placed is a row that is to be removed, under the version that it was read at.
type Placed struct {
	Part    string
	Key     RowKey
	Version string
}

// Counting is how entries become rows. The rows are those that ledger.Rows yields as the live parts of a generation.
type Counting interface {
	// LiveRows returns the rows of one live part with these keys, consistently and in their order; one that is not there
	// has no State and Version "". Up to MaxRead keys.
	LiveRows(ctx context.Context, part ledger.Part, keys []RowKey) ([]LiveRow, error)
	// Count is one transaction: each entry gets Gens + the part's generation and Processed, if it exists, lacks that
	// generation and is in no batch (ErrStale); each row is written under a new version, if it still has the one given
	// (ErrConflict). An entry that has lost its place in the index (a producer left todo out) gets it back. Entries and
	// rows together up to MaxItems; at least one entry.
	Count(ctx context.Context, c Count) error
	// LiveParts yields all rows of the live parts of one statistic, with their parts, in no certain order.
	LiveParts(ctx context.Context, protocol string, generation int64, statistic string) iter.Seq2[PlacedRow, error]
	// MergeLive is one transaction: the row is written and the others are removed, if all still have their versions
	// (ErrConflict).
	MergeLive(ctx context.Context, m Merge) error
}

// PlacedRow is a row of a live part, and which part that is.
type PlacedRow struct {
	Part string
	LiveRow
}

// Join adds a page of entries to a batch.
type Join struct {
	Batch   Batch   // as it was read: ID, Protocol, Epoch, Pages, Entries, Bytes
	Gens    []int64 // that the protocol counts live, as read together with the batch's epoch: under an older view an entry is lost
	Members []Member
	Bytes   int64 // of the members' lines with newlines
}

// Batches is how entries leave for the archive.
type Batches interface {
	// OpenBatch stores a new batch, OPEN and empty whatever b says, if the protocol's epoch is the batch's: ErrEpoch
	// otherwise. Opening it again changes nothing while it is there. One that was done and removed would be open again, so
	// nobody takes an id twice, not even after an unclear answer.
	OpenBatch(ctx context.Context, b Batch) error
	// Join is one transaction: the protocol still has the batch's epoch (ErrEpoch), the batch is OPEN and has as many pages as
	// the one given (ErrClosed), and each member is Processed, in no batch, and counted in all of Gens (ErrStale); then all
	// members are in the batch. It returns the batch as it is then. Up to MaxJoin members.
	Join(ctx context.Context, j Join) (Batch, error)
	// ClaimBatch freezes a batch: OPEN becomes CLAIMED, whatever the epoch; one that is CLAIMED or DONE stays so. It returns the
	// batch as it is then. ErrNotFound.
	ClaimBatch(ctx context.Context, id string) (Batch, error)
	// Unwritten returns the batches of a protocol that are OPEN or CLAIMED, consistently, in order of their ids.
	Unwritten(ctx context.Context, protocol string) ([]Batch, error)
	// Members yields a batch's members page by page, as many pages as b has, consistently, in the order in which they joined.
	// ErrNotFound where a page is gone.
	Members(ctx context.Context, b Batch) iter.Seq2[Member, error]
	// Archived marks members of a batch as archived and takes them out of the index; from expires on they may be removed.
	// Those that are gone, or in another batch, are passed over. Up to MaxRead ids. Not a transaction: a repetition completes it.
	Archived(ctx context.Context, batch string, ids []string, expires time.Time) error
	// DoneBatch makes a CLAIMED batch DONE; from expires on it may be removed. One that is DONE, or gone, stays so; one
	// that is OPEN is an error, and stays OPEN.
	DoneBatch(ctx context.Context, b Batch, expires time.Time) error
}

// Feed hands out new entries once each at least, in the order of their shard. A store without a stream has one shard.
type Feed interface {
	// Shards returns the shards of the stream, each after its parent.
	Shards(ctx context.Context) ([]Shard, error)
	// Feed reads up to limit records after a position of a shard, fewer where they are large; position "" is before the oldest
	// that the stream remembers. ErrTrimmed. It does not wait for new ones.
	Feed(ctx context.Context, shard, position string, limit int) (Records, error)
	// Checkpoints returns how far each shard was read.
	Checkpoints(ctx context.Context) ([]Checkpoint, error)
	// SaveCheckpoint stores how far a shard was read, replacing its last. Whoever saves one has counted everything before
	// it, so the last of several writers wins without harm.
	SaveCheckpoint(ctx context.Context, c Checkpoint) error
}

// Shard is a piece of the stream. Its parent is to be read to its end first.
type Shard struct {
	ID     string
	Parent string // "": none
}

// Records are what one read of the feed found.
type Records struct {
	Entries []Entry   // as they were put, in order; updates and removals are left out
	Bad     []string  // records that are no entry: what and why
	Next    string    // the position after the last record; as it was where there was none
	Closed  bool      // the shard ends here
	Newest  time.Time // when the last record was written, as the stream knows it; zero: there was none
	More    bool      // there may be more right now
}

// Checkpoint says how far a shard was read.
type Checkpoint struct {
	Shard    string    `json:"shard"`
	Position string    `json:"position"`
	Closed   bool      `json:"closed,omitempty"` // read to its end
	At       time.Time `json:"at"`
	Behind   time.Time `json:"behind,omitzero"` // when the last record read was written, where more wait; zero: nothing waited
}

// livePrefix begins the name of every live part.
const livePrefix = "live."

// LivePart is the name of a live part.
func LivePart(slot int) string { return livePrefix + strconv.Itoa(slot) }
