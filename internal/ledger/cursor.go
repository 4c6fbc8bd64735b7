package ledger

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// CursorID names a cursor. An archive object may be called like a part of a fold, so Fold is part of the name.
type CursorID struct {
	Replay string
	Fold   bool
	Key    string // the object's key, or fold#<n>#<part>
}

// FoldKey is the key of a part of a fold.
func FoldKey(number int64, part int) string { return fmt.Sprintf("fold#%d#%d", number, part) }

// ParseFoldKey is the reverse of FoldKey.
func ParseFoldKey(key string) (number int64, part int, err error) {
	fields := strings.Split(key, "#")
	if len(fields) == 3 && fields[0] == "fold" {
		number, err = strconv.ParseInt(fields[1], 10, 64)
		if err == nil {
			part, err = strconv.Atoi(fields[2])
		}
		// Compared with what FoldKey makes: fold#01#0 must not be a second name of a part.
		if err == nil && number > 0 && part >= 0 && FoldKey(number, part) == key {
			return number, part, nil
		}
	}
	return 0, 0, fmt.Errorf("%q is not the key of a fold's part", key)
}

// Cursor is one piece of work: an archive object, or a part of a fold.
type Cursor struct {
	CursorID
	Protocol    string
	State       State
	Line        int64 // the next line to read
	Frame       Frame // where reading can begin
	Epoch       int64 // the fencing number: raised by each claim, each FAILED, each redrive
	Owner       string
	OwnedUntil  time.Time // the owner's time is over when this is <= now; like all times to the nanosecond, in UTC
	NoProgress  int       // claims since the last line that was committed
	ETag        string
	Size        int64     // stored bytes of the object
	StateChange time.Time // Now of the last Claim, Commit, Settle or Reopen, also where the state stayed the same
	Accounts
	Rejects  []Reject  // samples, up to MaxRejects
	Error    string    // why it is FAILED, or what went wrong last; no later success takes it back
	Note     string    // about the mirror of the state (tags); changed by Cursors.Note alone
	Segments []Segment // sealed partials, in order of their lines
	Partial  []byte    // the blob of the lines since the last segment; nil: none
	Rows     int64     // rows in all its partials
	Receipt  Receipt   // of a part of a fold that is FINISHED
}

// Reused reports whether what an object counts to was taken over from an earlier replay: it was FINISHED from the
// start, and nobody has ever claimed it.
func (c *Cursor) Reused() bool { return !c.Fold && c.State == Finished && c.Epoch == 0 }

// MaxRejects is how many samples of bad lines a cursor keeps.
const MaxRejects = 20

// MaxInline is how many bytes of a partial a cursor holds; a larger one is sealed into a segment.
const MaxInline = 64 << 10

// Frame is the last place where reading can begin without what is before it (archive.Frame).
type Frame struct {
	Offset int64  `json:"offset"`
	Line   int64  `json:"line"`
	Codec  string `json:"codec,omitempty"`
}

// Accounts are what promise P2 adds up: Read = Counted + AfterCutoff + Rejected and Line = Read + Blank always, and
// Consumed = Size when the object is FINISHED.
type Accounts struct {
	Read        int64 `json:"read"`
	Counted     int64 `json:"counted"`
	AfterCutoff int64 `json:"after_cutoff"`
	Rejected    int64 `json:"rejected"`
	Blank       int64 `json:"blank"`    // lines that are no records
	Consumed    int64 `json:"consumed"` // stored bytes of the object
	Bytes       int64 `json:"bytes"`    // uncompressed bytes of the lines
}

// Add adds o to a.
func (a *Accounts) Add(o Accounts) {
	a.Read += o.Read
	a.Counted += o.Counted
	a.AfterCutoff += o.AfterCutoff
	a.Rejected += o.Rejected
	a.Blank += o.Blank
	a.Consumed += o.Consumed
	a.Bytes += o.Bytes
}

// RejectedShare is the share of bad lines among those read, from 0 to 1.
func (a Accounts) RejectedShare() float64 { return float64(a.Rejected) / float64(max(a.Read, 1)) }

// Reject is a sample of a bad line.
type Reject struct {
	Line   int64  `json:"line"`
	Reason string `json:"reason"`
}

// Segment is a sealed partial of the lines [From, To), written under the fencing epoch of its writer.
type Segment struct {
	Epoch int64 `json:"epoch"`
	From  int64 `json:"from"`
	To    int64 `json:"to"`
	Bytes int64 `json:"bytes"`
}

// Receipt is what a part of a fold has seen: every part of one protocol must have seen the same.
type Receipt struct {
	Objects int64 `json:"objects"` // FINISHED cursors merged
	Lines   int64 `json:"lines"`   // the sum of their Counted
	Held    int64 `json:"held"`    // lines that their partials hold: as many, unless one was lost, doubled or another's
	Rows    int64 `json:"rows"`    // rows that this part put
	// Unlike is the key of one of them whose partials hold another number of lines than its Counted; "": none does.
	Unlike string `json:"unlike,omitempty"`
}

// Holds reports whether the partials that were merged hold the lines that their cursors have counted, object by object.
func (r Receipt) Holds() bool { return r.Held == r.Lines && r.Unlike == "" }

// Claim takes a cursor for one worker.
type Claim struct {
	ID    CursorID
	Owner string
	Now   time.Time
	Until time.Time // longer than the longest chunk
}

// Commit replaces a claimed cursor's content.
type Commit struct {
	ID       CursorID
	Epoch    int64 // of the claim
	From     int64 // the cursor's line before
	To       int64 // and after
	State    State // Processing, Pending or Finished
	Frame    Frame
	Accounts Accounts
	Rejects  []Reject
	Segments []Segment
	Partial  []byte
	Rows     int64
	Receipt  Receipt
	Now      time.Time
	Until    time.Time // with Processing: the owner's new time; zero leaves it
}

// Settle gives a cursor up.
type Settle struct {
	ID       CursorID
	Epoch    int64
	State    State  // Pending or Failed
	TakeBack bool   // with Pending: the claim is not held against the object (once, however often it is repeated)
	Error    string // why; kept in the cursor where it is not ""
	Now      time.Time
}

// Reopen makes a FAILED cursor begin again.
type Reopen struct {
	ID    CursorID
	Epoch int64
	ETag  string
	Size  int64
	Now   time.Time
}

// Summary counts the cursors of one replay.
type Summary struct {
	Objects  map[State]Tally           `json:"objects"` // archive objects
	Protocol map[string]Tally          `json:"protocol"`
	Parts    map[int64]map[State]int64 `json:"parts,omitempty"` // fold parts, by the fold's number
	Oldest   time.Time                 `json:"oldest,omitzero"` // the earliest StateChange of an open object; zero: none is open
	Notes    int64                     `json:"notes,omitempty"` // objects with a Note
}

// Tally adds cursors up.
type Tally struct {
	Objects int64 `json:"objects"`
	Size    int64 `json:"size"`
	Rows    int64 `json:"rows"`
	Lines   int64 `json:"lines"` // cursor positions
	Accounts
}

// Add adds o to t.
func (t *Tally) Add(o Tally) {
	t.Objects += o.Objects
	t.Size += o.Size
	t.Rows += o.Rows
	t.Lines += o.Lines
	t.Accounts.Add(o.Accounts)
}

// Total adds all states up.
func (s Summary) Total() Tally {
	var t Tally
	for _, o := range s.Objects {
		t.Add(o)
	}
	return t
}

// Open is how many objects are neither FINISHED nor FAILED.
func (s Summary) Open() int64 {
	return s.Objects[Pending].Objects + s.Objects[Processing].Objects
}
