package replay

import (
	"context"
	"fmt"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// HeldReplay tells whether a replay that is not over waits for somebody's hand, and for what.
type HeldReplay struct {
	Replay string
	Held   bool
	Why    string
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
		case ledger.Paused:
			h.Held, h.Why = true, "it is paused"
		case ledger.Running:
			s, err := d.o.Ledger.Summarize(ctx, r.ID)
			if err != nil {
				return nil, fmt.Errorf("counting the objects of %s: %w", r.ID, err)
			}
			failed := s.Objects[ledger.Failed].Objects
			h.Held = s.Open() == 0 && s.Total().Objects == r.Listing.Objects && held(r, failed)
			if h.Held {
				h.Why = failedObjects(failed)
			}
		case ledger.Folding:
			h.Held = h.Why == openAccounts(r.ID)
		}
		states = append(states, h)
	}
	return states, nil
}

// held reports whether FAILED objects keep a replay from folding.
func held(r ledger.Replay, failed int64) bool {
	return failed > 0 && (r.Accepted == nil || failed > r.Accepted.Objects)
}

func failedObjects(n int64) string {
	return fmt.Sprintf("%d objects are FAILED: redrive them after a fix, or leave them out with reprise finish --accept-failed", n)
}

func openAccounts(id string) string { return "the accounts do not close: see reprise certify " + id }
