package entries

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"
	"unicode/utf8"
)

// Entry is one line in the incoming table.
type Entry struct {
	ID       string
	Protocol string
	TS       time.Time // when it was put there, by its producer's clock, 1970 to 2261: for order and for people, nothing hangs on it
	Line     []byte    // without its newline

	Processed bool    // counted live, or found to be no record
	Archived  bool    // in the archive: nothing is left to be done
	Gens      []int64 // the generations that it is counted in, ascending
	Batch     string  // that it has joined; "": none
	Error     string  // why the line counts nowhere in the last generation that said so; "": it counts
}

// Limits of an entry.
const (
	MaxID   = 1024      // bytes
	MaxLine = 384 << 10 // bytes: DynamoDB keeps 400 KiB in an item, with everything that is noted beside the line
)

// Shards is over how many values a protocol's todo is spread. Producers choose one of them by ShardOf, or at random.
const Shards = 16

// Todo is the value of an entry's todo attribute.
func Todo(protocol string, shard int) string { return fmt.Sprintf("%s#%02d", protocol, shard) }

// ShardOf is the shard of an entry's id.
func ShardOf(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return int(h.Sum32() % Shards)
}

// ErrBad says that something cannot be an entry.
var ErrBad = errors.New("cannot be an entry")

// Check says what is wrong with an entry that is to be put.
func (e Entry) Check() error {
	switch {
	case e.ID == "" || len(e.ID) > MaxID || !utf8.ValidString(e.ID):
		return fmt.Errorf("%w: its id has %d bytes; it needs 1 to %d, in UTF-8", ErrBad, len(e.ID), MaxID)
	case strings.HasPrefix(e.ID, "batch"): // batch#<id>, batch#<id>#<page> and batches#<protocol> are items of the same table
		return fmt.Errorf("%w: ids that begin with \"batch\" are Reprise's own", ErrBad)
	case e.Protocol == "":
		return fmt.Errorf("%w: it names no protocol", ErrBad)
	case !timeFits(e.TS):
		return fmt.Errorf("%w: its time is %s; it needs one from 1970 to 2261", ErrBad, e.TS)
	case len(e.Line) > MaxLine:
		return fmt.Errorf("%w: its line has %d bytes, more than %d", ErrBad, len(e.Line), MaxLine)
	case bytes.IndexByte(e.Line, '\n') >= 0:
		return fmt.Errorf("%w: its line holds a newline, and would be two lines of the archive", ErrBad)
	default:
		return nil
	}
}

// OneLine is an entry's line as it is counted and archived: without newlines at its end, and with spaces for those
// inside, which other producers may have put there. Both sides must count the same.
func OneLine(line []byte) []byte {
	line = bytes.TrimRight(line, "\n")
	if bytes.IndexByte(line, '\n') < 0 {
		return line
	}
	return bytes.ReplaceAll(line, []byte{'\n'}, []byte{' '})
}

// Unfinished is what the sparse index tells of an entry that is not archived. It may be out of date.
type Unfinished struct {
	ID        string
	TS        time.Time
	Processed bool
	Batch     string
}

// Backlog is how many entries wait, as the sparse index shows it.
type Backlog struct {
	Unprocessed int64     `json:"unprocessed"`
	Unarchived  int64     `json:"unarchived"` // all that are not archived, the unprocessed among them
	Oldest      time.Time `json:"oldest,omitzero"`
	AtLeast     bool      `json:"at_least,omitempty"` // counting was given up at a limit
}

// State is of a batch.
type State string

// The states of a batch.
const (
	Open    State = "OPEN"    // may be joined
	Claimed State = "CLAIMED" // frozen: its object is written, or being written
	Done    State = "DONE"    // its object is written and its entries are archived
)

// Batch is a set of entries that become one object of the archive.
type Batch struct {
	ID       string    `json:"id"` // ULID
	Protocol string    `json:"protocol"`
	Epoch    int64     `json:"epoch"` // of the protocol when it was opened, and at each join
	State    State     `json:"state"`
	Key      string    `json:"key"` // of the object; "": entries that others archive, which are only marked
	Pages    int       `json:"pages"`
	Entries  int64     `json:"entries"`
	Bytes    int64     `json:"bytes"` // of their lines with newlines
	Opened   time.Time `json:"opened"`
}

// Member is one entry of a batch, as a page keeps it: what the order of the object's lines needs.
type Member struct {
	ID string    `json:"id"`
	TS time.Time `json:"ts"`
}
