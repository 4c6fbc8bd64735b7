package replay

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// Status is how far a replay is, at one moment. Rates and the time left are estimates; everything else is the ledger's.
type Status struct {
	Replay         string           `json:"replay"`
	State          ledger.State     `json:"state"`
	Waits          string           `json:"waits_for"` // in words; "" when there is nothing to wait for
	Cutoff         time.Time        `json:"cutoff"`
	Created        time.Time        `json:"created"`
	Changed        time.Time        `json:"changed"` // of the state
	Objects        StatusObjects    `json:"objects"`
	Lines          ledger.Accounts  `json:"lines"`
	Bytes          StatusBytes      `json:"bytes"`
	Protocols      []StatusProtocol `json:"protocols"`
	Fold           StatusFold       `json:"fold"`
	Workers        int              `json:"workers"` // that reported in the last half minute
	LinesPerSecond float64          `json:"lines_per_second"`
	BytesPerSecond float64          `json:"bytes_per_second"` // uncompressed
	SecondsLeft    *float64         `json:"seconds_left"`     // null: not known
	Queue          queue.Counts     `json:"queue"`
	DeadLetters    int64            `json:"dead_letters"`
	Accepted       int64            `json:"accepted_failed"`
	Reuse          string           `json:"reuse,omitempty"` // the earlier replay that objects are taken over from
	Side           bool             `json:"side,omitempty"`  // fills side generations, which are never promoted
	Live           *StatusLive      `json:"live,omitempty"`  // nil without a live side
}

// StatusObjects sorts the objects by state.
type StatusObjects struct {
	Listed     int64 `json:"listed"`
	ListedAll  bool  `json:"listed_all"`
	Pending    int64 `json:"pending"`
	Processing int64 `json:"processing"`
	Finished   int64 `json:"finished"`
	Failed     int64 `json:"failed"`
	Reused     int64 `json:"reused,omitempty"` // of the finished: taken over from an earlier replay, and not read
	Unmatched  int64 `json:"unmatched"`
	Others     int64 `json:"others"`
	Live       int64 `json:"live,omitempty"`    // archived after the start, and counted live
	Changed    int64 `json:"changed,omitempty"` // found with another content by the second listing
}

// StatusBytes are stored bytes.
type StatusBytes struct {
	Listed int64 `json:"listed"`
	Read   int64 `json:"read"`
}

// StatusProtocol is one protocol's share.
type StatusProtocol struct {
	Protocol   string `json:"protocol"`
	Generation int64  `json:"generation"`
	Rule       string `json:"rule"`
	Objects    int64  `json:"objects"`
	Counted    int64  `json:"counted"`
}

// StatusFold is how far the fold is.
type StatusFold struct {
	Number   int64 `json:"number"`
	Parts    int   `json:"parts"`
	Finished int64 `json:"finished"`
}

// activeFor is how old a worker's report may be for it to count as being at work.
const activeFor = 30 * time.Second

// Status tells how far a replay is.
func (d *Driver) Status(ctx context.Context, id string) (Status, error) {
	r, err := d.o.Ledger.Replay(ctx, id)
	if err != nil {
		return Status{}, fmt.Errorf("reading replay %s: %w", id, err)
	}
	s, err := d.status(ctx, r)
	if err != nil {
		return s, err
	}
	s.Live, err = d.statusLive(ctx, r)
	return s, err
}

func (d *Driver) status(ctx context.Context, r ledger.Replay) (Status, error) {
	sum, err := d.count(ctx, r)
	if err != nil {
		return Status{}, err
	}
	total := sum.Total()
	var counting ledger.Tally // what a FAILED object had counted counts for nothing
	for state, t := range sum.Objects {
		if state != ledger.Failed {
			counting.Add(t)
		}
	}
	s := Status{
		Replay: r.ID, State: r.State, Waits: r.Waits, Cutoff: r.Cutoff, Created: r.Created, Changed: r.Changed,
		Objects: StatusObjects{
			Listed: r.Listing.Objects, ListedAll: r.Listing.Done,
			Pending: sum.Objects[ledger.Pending].Objects, Processing: sum.Objects[ledger.Processing].Objects,
			Finished: sum.Objects[ledger.Finished].Objects, Failed: sum.Objects[ledger.Failed].Objects,
			Unmatched: r.Listing.Unmatched, Others: r.Listing.Others,
			Live: r.Listing.Live, Changed: r.Listing.Changed, Reused: r.Listing.Reused,
		},
		Lines: counting.Accounts, Side: r.Side, Reuse: r.Reuse,
		Bytes: StatusBytes{Listed: total.Size, Read: total.Consumed},
		Fold:  StatusFold{Number: r.Fold.Number, Finished: sum.Parts[r.Fold.Number][ledger.Finished]},
	}
	for _, n := range r.Fold.PartsOf() {
		s.Fold.Parts += n
	}
	if r.Accepted != nil {
		s.Accepted = r.Accepted.Objects
	}
	for _, p := range r.Protocols {
		t := sum.Protocol[p.Name]
		s.Protocols = append(s.Protocols, StatusProtocol{
			Protocol: p.Name, Generation: p.Generation, Rule: p.Rule, Objects: t.Objects, Counted: t.Counted,
		})
	}
	if r.State == ledger.Running { // as it is now: the watcher may not have looked since
		s.Waits, _ = obstacle(r, sum)
	}
	if s.Waits == "" {
		s.Waits = waits(r)
	}
	if s.Queue, err = d.o.Queue.Counts(ctx); err != nil {
		return s, fmt.Errorf("counting the queue: %w", err)
	}
	dead, err := d.o.DeadLetters.Counts(ctx)
	if err != nil {
		return s, fmt.Errorf("counting the dead-letter queue: %w", err)
	}
	s.DeadLetters = dead.Visible + dead.InFlight + dead.Delayed
	return s, d.rates(ctx, r, sum, &s)
}

// count adds a replay's cursors up. It asks the ledger only where the record does not have the figures already.
func (d *Driver) count(ctx context.Context, r ledger.Replay) (ledger.Summary, error) {
	if r.Final != nil {
		return *r.Final, nil
	}
	sum, err := d.o.Ledger.Summarize(ctx, r.ID)
	if err != nil {
		return sum, fmt.Errorf("counting the objects of %s: %w", r.ID, err)
	}
	return sum, nil
}

// keepCount leaves in a record what its cursors came to, so that nobody need count them again.
func keepCount(r *ledger.Replay, sum ledger.Summary) {
	sum.Parts = map[int64]map[ledger.State]int64{r.Fold.Number: sum.Parts[r.Fold.Number]}
	r.Final = &sum
}

// waits says what a state waits for where the watcher has not said it yet.
func waits(r ledger.Replay) string {
	switch r.State {
	case ledger.Starting:
		return "the archive to be listed"
	case ledger.Running:
		return "the watcher to begin the fold"
	case ledger.Paused:
		return "somebody to resume it"
	case ledger.Folding:
		if r.Promoted {
			return "the tags to be taken off"
		}
		return "the fold"
	default:
		return ""
	}
}

// rates reckons speed and time left from the workers' reports.
func (d *Driver) rates(ctx context.Context, r ledger.Replay, sum ledger.Summary, s *Status) error {
	reports, err := d.o.Ledger.Progress(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("reading the workers' progress: %w", err)
	}
	reports = slices.DeleteFunc(reports, func(p ledger.Progress) bool { return p.Lines+p.Objects+p.Chunks == 0 }) // of what was taken over
	if len(reports) == 0 {
		return nil
	}
	first := slices.MinFunc(reports, func(a, b ledger.Progress) int { return a.Since.Compare(b.Since) }).Since
	last := slices.MaxFunc(reports, func(a, b ledger.Progress) int { return a.At.Compare(b.At) }).At
	var lines, bytes int64
	for _, p := range reports {
		lines += p.Lines
		bytes += p.Bytes
		if !r.State.Ended() && time.Since(p.At) < activeFor {
			s.Workers++
		}
	}
	seconds := last.Sub(first).Seconds()
	if seconds <= 0 {
		return nil
	}
	s.LinesPerSecond = float64(lines) / seconds
	s.BytesPerSecond = float64(bytes) / seconds
	open := sum.Objects[ledger.Pending]
	open.Add(sum.Objects[ledger.Processing])
	read := s.Bytes.Read - r.Listing.ReusedBytes // by workers
	if left := open.Size - open.Consumed; r.State == ledger.Running && read > 0 && open.Objects > 0 {
		estimate := float64(max(left, 0)) / (float64(read) / seconds)
		s.SecondsLeft = &estimate
	}
	return nil
}
