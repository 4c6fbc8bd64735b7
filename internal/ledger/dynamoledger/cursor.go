package dynamoledger

import (
	"fmt"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// shards is over how many partitions the objects of a replay are spread. One takes 1,000 write units a second before
// DynamoDB splits it; it can never be changed for a replay that has begun.
const shards = 32

// foldShard is the name of the partition of a replay's fold parts. They have one of their own: an object may be called
// like one, and a key of 1,024 bytes leaves no room for a prefix.
const foldShard = "fold"

func cursorPartition(replay, shard string) string { return replay + "#" + shard }

// splitPartition is the reverse of cursorPartition.
func splitPartition(partition string) (replay, shard string) {
	at := strings.LastIndexByte(partition, '#')
	return partition[:max(at, 0)], partition[at+1:]
}

// cursorKey is where a cursor is.
func cursorKey(id ledger.CursorID) (item, error) {
	shard := foldShard
	if !id.Fold {
		shard = shardName(int(xxhash.Sum64String(id.Key) % shards))
	}
	key, err := keyOf(cursorPartition(id.Replay, shard), id.Key)
	if err != nil {
		return nil, fmt.Errorf("a cursor of replay %s: %w", id.Replay, err)
	}
	return key, nil
}

func shardName(n int) string { return fmt.Sprintf("%02d", n) }

// The attributes of a cursor. Those that a claim, a commit and their conditions use stand in every item.
const (
	state       = "state"
	line        = "line"
	epoch       = "epoch"
	noProgress  = "no_progress"
	owner       = "owner"
	ownedUntil  = "owned_until"
	stateChange = "state_change"
	write       = "write" // the token of the last call that changed it
	note        = "note"
	protocol    = "protocol"
	etag        = "etag"
	objectSize  = "size"
	reason      = "error"
	partial     = "partial"
)

// content is what a commit replaces and a redrive removes.
type content struct {
	frame    ledger.Frame
	accounts ledger.Accounts
	rejects  []ledger.Reject
	segments []ledger.Segment
	partial  []byte
	rows     int64
	receipt  ledger.Receipt
}

// attributes of the content, nil where there is nothing.
func (c content) attributes() item {
	a := c.accounts
	return item{
		"frame": dynamo.Record(c.frame, c.frame == ledger.Frame{}),
		"read":  dynamo.Count(a.Read), "counted": dynamo.Count(a.Counted), "after_cutoff": dynamo.Count(a.AfterCutoff), "rejected": dynamo.Count(a.Rejected),
		"blank": dynamo.Count(a.Blank), "consumed": dynamo.Count(a.Consumed), "bytes": dynamo.Count(a.Bytes), "rows": dynamo.Count(c.rows),
		"rejects":  dynamo.Record(c.rejects, len(c.rejects) == 0),
		"segments": dynamo.Record(c.segments, len(c.segments) == 0),
		"receipt":  dynamo.Record(c.receipt, c.receipt == ledger.Receipt{}),
		partial:    dynamo.Blob(c.partial),
	}
}

// cursorItem is the item of a cursor.
func cursorItem(c *ledger.Cursor) (item, error) {
	i, err := cursorKey(c.CursorID)
	if err != nil {
		return nil, err
	}
	for name, v := range (content{c.Frame, c.Accounts, c.Rejects, c.Segments, c.Partial, c.Rows, c.Receipt}).attributes() {
		i[name] = v
	}
	i[state], i[line], i[epoch], i[noProgress] = dynamo.Text(string(c.State)), dynamo.Number(c.Line), dynamo.Number(c.Epoch), dynamo.Number(int64(c.NoProgress))
	i[owner], i[ownedUntil], i[stateChange] = dynamo.Optional(c.Owner), dynamo.Moment(c.OwnedUntil), dynamo.Moment(c.StateChange)
	i[protocol], i[etag], i[objectSize] = dynamo.Optional(c.Protocol), dynamo.Optional(c.ETag), dynamo.Count(c.Size)
	i[reason], i[note] = dynamo.Optional(c.Error), dynamo.Optional(c.Note)
	return dynamo.Without(i), nil
}

// cursorOf is the reverse of cursorItem. Attributes that a projection has left out are zero.
func cursorOf(i item) (ledger.Cursor, error) {
	r := dynamo.Reader{Item: i}
	replay, shard := splitPartition(r.Key(partitionKey))
	c := ledger.Cursor{
		CursorID: ledger.CursorID{Replay: replay, Fold: shard == foldShard, Key: r.Key(sortKey)},
		Protocol: r.Text(protocol), State: ledger.State(r.Text(state)), Line: r.Number(line), Epoch: r.Number(epoch),
		Owner: r.Text(owner), OwnedUntil: r.Instant(ownedUntil), NoProgress: int(r.Number(noProgress)),
		ETag: r.Text(etag), Size: r.Number(objectSize), StateChange: r.Instant(stateChange),
		Accounts: ledger.Accounts{
			Read: r.Number("read"), Counted: r.Number("counted"), AfterCutoff: r.Number("after_cutoff"), Rejected: r.Number("rejected"),
			Blank: r.Number("blank"), Consumed: r.Number("consumed"), Bytes: r.Number("bytes"),
		},
		Error: r.Text(reason), Note: r.Text(note), Partial: r.Bytes(partial), Rows: r.Number("rows"),
	}
	r.Record("frame", &c.Frame)
	r.Record("rejects", &c.Rejects)
	r.Record("segments", &c.Segments)
	r.Record("receipt", &c.Receipt)
	return c, r.Err
}

// Projections: all but the content that is large, and what a summary adds up.
var (
	withoutContent = projection(partitionKey, sortKey, protocol, state, line, epoch, owner, ownedUntil, noProgress, etag, objectSize,
		stateChange, "read", "counted", "after_cutoff", "rejected", "blank", "consumed", "bytes", reason, note, "rows", "frame", "receipt")
	forSummary = projection(partitionKey, sortKey, protocol, state, line, objectSize, stateChange,
		"read", "counted", "after_cutoff", "rejected", "blank", "consumed", "bytes", note, "rows")
)

func projection(names ...string) string { return "#" + strings.Join(names, ", #") }
