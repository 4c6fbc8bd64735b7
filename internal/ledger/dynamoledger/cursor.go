package dynamoledger

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/cespare/xxhash/v2"

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
		"frame": record(c.frame, c.frame == ledger.Frame{}),
		"read":  count(a.Read), "counted": count(a.Counted), "after_cutoff": count(a.AfterCutoff), "rejected": count(a.Rejected),
		"blank": count(a.Blank), "consumed": count(a.Consumed), "bytes": count(a.Bytes), "rows": count(c.rows),
		"rejects":  record(c.rejects, len(c.rejects) == 0),
		"segments": record(c.segments, len(c.segments) == 0),
		"receipt":  record(c.receipt, c.receipt == ledger.Receipt{}),
		partial:    blob(c.partial),
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
	i[state], i[line], i[epoch], i[noProgress] = text(string(c.State)), number(c.Line), number(c.Epoch), number(int64(c.NoProgress))
	i[owner], i[ownedUntil], i[stateChange] = optional(c.Owner), moment(c.OwnedUntil), moment(c.StateChange)
	i[protocol], i[etag], i[objectSize] = optional(c.Protocol), optional(c.ETag), count(c.Size)
	i[reason], i[note] = optional(c.Error), optional(c.Note)
	return without(i), nil
}

// cursorOf is the reverse of cursorItem. Attributes that a projection has left out are zero.
func cursorOf(i item) (ledger.Cursor, error) {
	r := reader{item: i}
	replay, shard := splitPartition(r.key(partitionKey))
	c := ledger.Cursor{
		CursorID: ledger.CursorID{Replay: replay, Fold: shard == foldShard, Key: r.key(sortKey)},
		Protocol: r.text(protocol), State: ledger.State(r.text(state)), Line: r.number(line), Epoch: r.number(epoch),
		Owner: r.text(owner), OwnedUntil: r.instant(ownedUntil), NoProgress: int(r.number(noProgress)),
		ETag: r.text(etag), Size: r.number(objectSize), StateChange: r.instant(stateChange),
		Accounts: ledger.Accounts{
			Read: r.number("read"), Counted: r.number("counted"), AfterCutoff: r.number("after_cutoff"), Rejected: r.number("rejected"),
			Blank: r.number("blank"), Consumed: r.number("consumed"), Bytes: r.number("bytes"),
		},
		Error: r.text(reason), Note: r.text(note), Partial: r.bytes(partial), Rows: r.number("rows"),
	}
	r.record("frame", &c.Frame)
	r.record("rejects", &c.Rejects)
	r.record("segments", &c.Segments)
	r.record("receipt", &c.Receipt)
	return c, r.err
}

// Projections: all but the content that is large, and what a summary adds up.
var (
	withoutContent = projection(partitionKey, sortKey, protocol, state, line, epoch, owner, ownedUntil, noProgress, etag, objectSize,
		stateChange, "read", "counted", "after_cutoff", "rejected", "blank", "consumed", "bytes", reason, note, "rows", "frame", "receipt")
	forSummary = projection(partitionKey, sortKey, protocol, state, line, objectSize, stateChange,
		"read", "counted", "after_cutoff", "rejected", "blank", "consumed", "bytes", note, "rows")
)

func projection(names ...string) string { return "#" + strings.Join(names, ", #") }

// oldItem is the item that did not fulfil a condition, as it stood then, and whether err says that at all. An empty item:
// there was none.
func oldItem(err error) (i item, refused bool) {
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return nil, false
	}
	return failed.Item, true
}
