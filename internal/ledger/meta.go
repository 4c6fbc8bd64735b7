package ledger

import "time"

// Protocol is the Meta record of one protocol. Its JSON names are those of the record.
type Protocol struct {
	Name     string    `json:"name"`
	Epoch    int64     `json:"epoch"`              // raised by each start, never used twice
	Gens     []int64   `json:"gens,omitempty"`     // the generations that are counted live
	Complete int64     `json:"complete,omitempty"` // the newest generation that is whole; 0: none
	Building int64     `json:"building,omitempty"` // the one that a replay fills; 0: none
	Serving  int64     `json:"serving,omitempty"`  // the one that readers read; 0: none
	Previous int64     `json:"previous,omitempty"` // the one that served before; 0: none
	Since    time.Time `json:"since,omitzero"`     // when Previous stopped serving
	Purging  []int64   `json:"purging,omitempty"`  // those whose rows may be deleted
	Cutoff   time.Time `json:"CUTOFF_TS,omitzero"` // of the last start
	Replay   string    `json:"replay,omitempty"`   // the replay that has the protocol now; "": none
	Version  int64     `json:"version"`            // of the record, for Write
}

// Generation is one complete copy of a protocol's statistics.
type Generation struct {
	Protocol   string `json:"protocol"`
	Number     int64  `json:"number"` // the epoch that opened it
	Definition []byte `json:"definition"`
	Hash       string `json:"hash"`           // of the definition
	Replay     string `json:"replay"`         // that fills or filled it; "": the live side opened it
	Side       bool   `json:"side,omitempty"` // of a narrowed replay: never promoted, not counted live
	Base       int64  `json:"base"`           // the number of the fold that readers read; 0: none yet
	// Cutoff bounds what is counted live in it: a line whose timestamp is at or before it is the replay's, from an archive
	// that others write. Zero: every entry counts live, because the archive's objects bear their epoch, or there is none.
	Cutoff  time.Time `json:"cutoff,omitzero"`
	Created time.Time `json:"created"`
	Version int64     `json:"version"`
}

// State is of a replay or of a cursor.
type State string

// The states of a replay; internal/replay/DESIGN.md has the steps between them.
const (
	Starting  State = "STARTING"  // opened; the archive is being listed
	Running   State = "RUNNING"   // everything is listed and enqueued, but for what a second listing may find
	Paused    State = "PAUSED"    // workers wait
	Folding   State = "FOLDING"   // every object is done; partials become rows
	Finished  State = "FINISHED"  // also of a cursor
	Cancelled State = "CANCELLED" // given up
)

// The states of a cursor, and of the REPLAY tag.
const (
	Pending    State = "PENDING"
	Processing State = "PROCESSING"
	Failed     State = "FAILED"
)

// Ended reports whether a replay is over.
func (s State) Ended() bool { return s == Finished || s == Cancelled }

// Replay is one run.
type Replay struct {
	ID        string           `json:"id"` // ULID
	State     State            `json:"state"`
	Protocols []ReplayProtocol `json:"protocols"`       // by name
	Cutoff    time.Time        `json:"cutoff"`          // the last instant that counts
	Prefix    string           `json:"prefix"`          // of the archive's keys
	Layout    string           `json:"layout"`          // how a key names its protocol
	Tags      string           `json:"tags"`            // all, final or off
	Narrow    Narrow           `json:"narrow,omitzero"` // the part of the archive that is replayed; zero: all
	Live      bool             `json:"live,omitempty"`  // started beside a live side, which counts what the listing leaves to it
	Side      bool             `json:"side,omitempty"`  // it fills side generations
	Created   time.Time        `json:"created"`
	Changed   time.Time        `json:"changed"` // of the state
	Listing   Listing          `json:"listing"`
	Fold      Fold             `json:"fold,omitzero"`        // the fold under way, or the last one
	Immediate bool             `json:"immediate,omitempty"`  // readers read the new generations from the start
	FoldEvery time.Duration    `json:"fold_every,omitempty"` // between folds of what is finished so far; 0: none but the last
	Gates     []string         `json:"gates,omitempty"`      // what must hold before the new generations serve (rows -1%)
	Reuse     string           `json:"reuse,omitempty"`      // id of the earlier replay whose partials are taken over where nothing has changed; "": none
	Passed    *Acceptance      `json:"passed,omitzero"`      // finish --pass-gate
	Accepted  *Acceptance      `json:"accepted,omitzero"`    // finish --accept-failed
	Promoted  bool             `json:"promoted,omitempty"`   // readers read the new generations
	Resumes   State            `json:"resumes,omitempty"`    // of a PAUSED replay: the state that resume gives back
	Cleaned   bool             `json:"cleaned,omitempty"`    // of a replay that is over: its tags are off, its protocols free
	Waits     string           `json:"waits,omitempty"`      // what a finish waits for, in words
	Final     *Summary         `json:"final,omitempty"`      // of the cursors when it was promoted or, cancelled, cleaned; Parts of the last fold alone
	Version   int64            `json:"version"`
}

// Narrow says which part of the archive a replay is of. A replay that is narrowed fills side generations: they are never
// promoted and not counted live, and are read by their number.
type Narrow struct {
	Prefix string    `json:"prefix,omitempty"` // of the keys; "": all
	Since  time.Time `json:"since,omitzero"`   // objects whose key names a time that ends after it; zero: all
	Until  time.Time `json:"until,omitzero"`   // objects whose key names a time that begins before it; zero: all
}

// Narrows reports whether it leaves anything out.
func (n Narrow) Narrows() bool { return n != Narrow{} }

// ReplayProtocol is one protocol's part in a replay.
type ReplayProtocol struct {
	Name       string  `json:"name"`
	Generation int64   `json:"generation"`
	Rule       string  `json:"rule"`             // RuleAll or RuleCutoff
	Rejects    float64 `json:"rejects"`          // the share of bad lines above which an object is FAILED, 0 to 1; 1: never
	Others     bool    `json:"others,omitempty"` // its archive is written by others, beside a live side
}

// The rules by which a line of the archive counts.
const (
	RuleAll    = "all"          // every line
	RuleCutoff = "ts <= cutoff" // lines at or before the replay's cutoff
)

// Protocol returns the part of the protocol of that name.
func (r *Replay) Protocol(name string) (ReplayProtocol, bool) {
	for _, p := range r.Protocols {
		if p.Name == name {
			return p, true
		}
	}
	return ReplayProtocol{}, false
}

// Listing is how far the archive is listed.
type Listing struct {
	After     string `json:"after,omitempty"` // the continuation: the last key that is enqueued
	Done      bool   `json:"done"`
	Objects   int64  `json:"objects"`           // seen and wanted so far; when done, the number of cursors
	Bytes     int64  `json:"bytes"`             // their stored size
	Unmatched int64  `json:"unmatched"`         // keys that fit no layout or no configured protocol
	Sample    string `json:"sample,omitempty"`  // one such key
	Outside   int64  `json:"outside,omitempty"` // objects that a narrowed replay leaves out
	Others    int64  `json:"others"`            // objects of protocols that are not replayed
	Live      int64  `json:"live,omitempty"`    // objects that our archiver began after the start: counted live
	// Again is when the archive is listed a second time, for what others have put there late; zero: it is not. Passes is
	// how many listings have come to their end, Changed how many objects the second one found with another content than
	// the one that was read.
	Again   time.Time `json:"again,omitzero"`
	Passes  int       `json:"passes,omitempty"`
	Changed int64     `json:"changed,omitempty"`
	// Reused is how many objects were taken over from the earlier replay without being read, ReusedBytes their stored size.
	// For people: what an object is in this replay stands in its cursor (Cursor.Reused).
	Reused      int64 `json:"reused,omitempty"`
	ReusedBytes int64 `json:"reused_bytes,omitempty"`
}

// Fold is one turning of partials into rows.
type Fold struct {
	Number  int64      `json:"number"` // from 1; never used twice in a replay
	Parts   []FoldPart `json:"parts"`  // of a replay that is FINISHED only the first of each protocol
	Started time.Time  `json:"started"`
	Objects int64      `json:"objects,omitempty"` // that were FINISHED when an interim fold began
	Interim bool       `json:"interim,omitempty"` // of what is finished so far, while the replay goes on
	Done    bool       `json:"done,omitempty"`    // of an interim fold: readers read it, or it was given up
	Listed  bool       `json:"listed"`            // all its cursors and messages are out
}

// PartsOf is how many parts the fold has of each protocol.
func (f Fold) PartsOf() map[string]int {
	parts := make(map[string]int)
	for _, p := range f.Parts {
		parts[p.Protocol] = p.Of
	}
	return parts
}

// FoldPart says which rows a part takes: those of the protocol whose hash modulo Of is Index.
type FoldPart struct {
	Protocol string `json:"protocol"`
	Index    int    `json:"index"`
	Of       int    `json:"of"`
}

// Acceptance is somebody's word that the FAILED objects may be left out.
type Acceptance struct {
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Objects int64     `json:"objects"` // how many were FAILED then
}

// Lease says who does a job that one process does at a time.
type Lease struct {
	Name  string    `json:"name"`
	Owner string    `json:"owner"`
	Until time.Time `json:"until"`
}

// Progress is one worker's own totals in one replay: for rates and estimates, never for decisions.
type Progress struct {
	Replay  string            `json:"replay"`
	Worker  string            `json:"worker"`
	At      time.Time         `json:"at"`
	Since   time.Time         `json:"since"`          // when the worker began on the replay
	Lines   int64             `json:"lines"`          // read and committed
	Bytes   int64             `json:"bytes"`          // uncompressed, of those lines
	Objects int64             `json:"objects"`        // finished
	Chunks  int64             `json:"chunks"`         // committed
	Keys    map[string][]byte `json:"keys,omitempty"` // by protocol: a HyperLogLog of the rows' hashes
}
