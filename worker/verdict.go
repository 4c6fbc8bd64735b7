package worker

import (
	"errors"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/queue"
)

// Verdict is what becomes of a message and of the cursor that it names (DESIGN.md, "What goes wrong, and what then").
type Verdict uint8

// The verdicts.
const (
	Done     Verdict = iota // committed, or found committed: delete the message
	HandOn                  // the budget is used up and the position committed: send on, then delete
	Retry                   // visibility = back-off; cursor PENDING, the attempt counts
	Wait                    // visibility = a while; cursor PENDING if ours, the attempt taken back
	Poison                  // to the dead-letter queue, delete; cursor FAILED with the reason
	Lost                    // somebody else has it: touch nothing
	Released                // this worker stops: visibility 0; cursor PENDING, the attempt taken back
)

var verdictNames = [...]string{"done", "hand on", "retry", "wait", "poison", "lost", "released"}

// VerdictNames are the names of all verdicts.
func VerdictNames() []string { return verdictNames[:] }

// String gives the verdict's name, as logs and metrics have it.
func (v Verdict) String() string { return verdictNames[v] }

// What can come of a message beside the errors of the contracts.
var (
	errHandOn     = errors.New("budget used up")
	errStopped    = errors.New("worker stops")
	errPaused     = errors.New("replay is paused")
	errOver       = errors.New("replay is over")
	errFolding    = errors.New("replay is folding: a failed object cannot be redriven now")
	errFoldHere   = errors.New("this process is folding another part")
	errOpenCursor = errors.New("an object is still open")
	errOldFold    = errors.New("fold has been replaced by a later one")
	errNoProgress = errors.New("no progress")
	errBadLines   = errors.New("too many bad lines")
	errGone       = errors.New("the cursor went with its replay")
	errPanic      = errors.New("panic")
	errTooLong    = errors.New("longer than max_line")
	errOutage     = errors.New("nothing can be read")
	errForeign    = errors.New("message is of no replay that the ledger knows")
)

// verdicts maps errors to verdicts; the first that matches decides, and an error that none matches is a Retry:
// network, server errors, timeouts, and whatever nobody thought of.
var verdicts = []struct {
	err     error
	verdict Verdict
}{
	// Somebody else took over: this comes before everything that the loss itself may have caused.
	{queue.ErrStaleReceipt, Lost},
	{ledger.ErrFenced, Lost},
	{errStopped, Released},

	{errHandOn, HandOn},
	{errOver, Done},
	{errOldFold, Done},
	{ledger.ErrFinished, Done},
	{errGone, Done},

	{ledger.ErrOwned, Wait},
	{errPaused, Wait},
	{errFolding, Wait},
	{errFoldHere, Wait},
	{errOpenCursor, Wait},
	{errOutage, Wait},
	{stats.ErrVersion, Wait}, // another process can compile the definition
	{ledger.ErrThrottled, Wait},
	{archive.ErrThrottled, Wait},
	{queue.ErrThrottled, Wait},

	{queue.ErrPoison, Poison},
	{errForeign, Poison},
	{errNoProgress, Poison},
	{errBadLines, Poison},
	{stats.ErrBlob, Poison},
	{archive.ErrNotFound, Poison},
	{archive.ErrChanged, Poison},
	{archive.ErrCorrupt, Poison},
	{archive.ErrCold, Poison},
}

// decide says what an error does to its message. attempts is the number of claims of the cursor without progress,
// this one included, and 0 where the cursor was not claimed; a Retry at the limit is a Poison, because a message
// that is sent on counts its receives from zero and nothing else would end it.
func decide(err error, attempts, limit int) Verdict {
	if err == nil {
		return Done
	}
	for _, v := range verdicts {
		if errors.Is(err, v.err) {
			return v.verdict
		}
	}
	if attempts >= limit {
		return Poison
	}
	return Retry
}
