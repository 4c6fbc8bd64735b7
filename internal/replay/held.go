package replay

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// hopelessFolds is how many folds may fail before somebody must look: one more would fail as well.
const hopelessFolds = 3

const foldFollows = "failed, a new fold follows"

// HeldReplay tells whether a replay that is not over waits for somebody's hand, and for what.
type HeldReplay struct {
	Replay string
	Held   bool
	Why    string // what it waits for, in words
}

// Held tells it of every replay that is not over.
func (d *Driver) Held(ctx context.Context) ([]HeldReplay, error) {
	replays, err := d.o.Ledger.Replays(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the replays: %w", err)
	}
	var states []HeldReplay
	for _, r := range replays {
		if r.State.Ended() {
			continue
		}
		h := HeldReplay{Replay: r.ID, Why: r.Waits}
		switch r.State {
		case ledger.Starting: // a listing that does not get on has said why
			h.Held = r.Waits != "" && !strings.HasPrefix(r.Waits, batchesToWrite) && time.Since(r.Changed) >= d.foldPatience
		case ledger.Paused:
			h.Held, h.Why = true, "somebody to resume it"
		case ledger.Running:
			if strings.HasSuffix(r.Waits, toBeRead) { // the last look has counted; the next one will say if that has changed
				break
			}
			var why string
			if why, h.Held, err = d.obstacleNow(ctx, r); err != nil {
				return nil, err
			}
			if h.Held {
				h.Why = why
			}
		case ledger.Folding:
			// Tags that stay on are a matter of time, until they have had some.
			tags := (r.Promoted && r.Waits != "" || strings.HasPrefix(r.Waits, entriesToCount)) && time.Since(r.Changed) >= d.foldPatience
			h.Held = h.Why == openAccounts(r.ID) || tags || strings.HasPrefix(h.Why, "the gate ") || r.Fold.Number >= hopelessFolds && strings.Contains(h.Why, foldFollows)
		}
		if h.Why == "" {
			h.Why = waits(r)
		}
		states = append(states, h)
	}
	return states, nil
}

// listedAgain begins what a replay waits for whose archive is to be listed a second time.
const listedAgain = "the archive to be listed again"

// toBeRead ends what a replay waits for that has open objects.
const toBeRead = " to be read"

// obstacle says what keeps a RUNNING replay from folding, "" for nothing, and whether only somebody's hand helps.
func obstacle(r ledger.Replay, s ledger.Summary) (why string, hand bool) {
	failed := s.Objects[ledger.Failed].Objects
	switch total := s.Total().Objects; {
	case s.Open() > 0:
		return count(s.Open(), "object") + toBeRead, false
	case !r.Listing.Done && !r.Listing.Again.IsZero() && strings.HasPrefix(r.Waits, listedAgain+": "): // it has not got on
		return r.Waits, time.Since(r.Listing.Again) >= foldPatience
	case !r.Listing.Done && !r.Listing.Again.IsZero():
		return listedAgain + " after " + r.Listing.Again.UTC().Format(time.RFC3339) + ", for what others put there late", false
	case total < r.Listing.Objects:
		return fmt.Sprintf("%d objects were listed, the ledger has %d", r.Listing.Objects, total), true
	case held(r, failed):
		return failedObjects(failed), true
	}
	for _, p := range r.Protocols {
		if s.Protocol[p.Name].Objects == 0 { // they went between start and the listing
			return fmt.Sprintf("no object of %s was listed, and nothing must not take the place of its statistics", p.Name), true
		}
	}
	return "", false
}

// held reports whether FAILED objects keep a replay from folding.
func held(r ledger.Replay, failed int64) bool {
	return failed > 0 && (r.Accepted == nil || failed > r.Accepted.Objects)
}

func failedObjects(n int64) string {
	return count(n, "object") + " FAILED: redrive after a fix, or leave out with reprise finish --accept-failed"
}

// count writes a number of things for people.
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func openAccounts(id string) string { return "the accounts do not close: see reprise certify " + id }
