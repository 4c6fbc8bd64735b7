package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// StatusLive is how far the live side is with the protocols of a replay.
type StatusLive struct {
	// LagSeconds is for how long the oldest record of the stream has waited that a consumer has come to and not read past;
	// 0 where nothing waits, null where no consumer has read anything yet.
	LagSeconds *float64             `json:"lag_seconds"`
	Read       time.Time            `json:"read,omitzero"` // when a consumer noted last how far it is
	Protocols  []StatusLiveProtocol `json:"protocols"`
}

// StatusLiveProtocol is what waits of one protocol, as an index shows it that may lag by seconds.
type StatusLiveProtocol struct {
	Protocol string `json:"protocol"`
	entries.Backlog
	OlderBatches int `json:"older_batches"` // begun before the start, and not archived yet
}

// forgotten is when nothing is left of a shard that nobody reads, while others are read: a shard takes records for some four hours, and a
// stream remembers each for 24.
const forgotten = 30 * time.Hour

// backlogLimit bounds what one status counts of a protocol's backlog.
const backlogLimit = 100_000

// statusLive asks the live side; nil where the replay, or this process, has none.
func (d *Driver) statusLive(ctx context.Context, r ledger.Replay) (*StatusLive, error) {
	if !r.Live {
		return nil, nil //nolint:nilnil // no live side is an answer
	}
	return d.StatusLive(ctx, r.Protocols)
}

// StatusLive tells how far the live side is with some protocols, of which the names are taken, and the generations where
// older batches are to be told; nil where this process has none.
func (d *Driver) StatusLive(ctx context.Context, protocols []ledger.ReplayProtocol) (*StatusLive, error) {
	if d.o.Live == nil {
		return nil, nil //nolint:nilnil // as above
	}
	var s StatusLive
	checkpoints, err := d.o.Live.Entries.Checkpoints(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading how far the stream is read: %w", err)
	}
	now := time.Now()
	for _, c := range checkpoints {
		if c.At.After(s.Read) {
			s.Read = c.At
		}
	}
	for _, c := range checkpoints {
		if s.Read.Sub(c.At) > forgotten {
			continue // nothing of it waits any more: what was not read, sweeps have found
		}
		lag := 0.0
		if !c.Closed && !c.Behind.IsZero() {
			lag = max(now.Sub(c.Behind).Seconds(), 0)
		}
		if s.LagSeconds == nil || lag > *s.LagSeconds {
			s.LagSeconds = &lag
		}
	}
	for _, part := range protocols {
		p := StatusLiveProtocol{Protocol: part.Name}
		if p.Backlog, err = d.o.Live.Entries.Backlog(ctx, part.Name, backlogLimit); err != nil {
			return nil, fmt.Errorf("counting the entries of %s that are not archived: %w", part.Name, err)
		}
		older, err := d.o.Live.olderBatches(ctx, part)
		if err != nil {
			return nil, err
		}
		p.OlderBatches = len(older)
		s.Protocols = append(s.Protocols, p)
	}
	return &s, nil
}

// Lag says in words how far the consumers of the stream are.
func (s *StatusLive) Lag() string {
	switch {
	case s.LagSeconds == nil:
		return "no consumer has read the stream yet"
	case *s.LagSeconds == 0:
		return "nothing waits in the stream; last read " + s.Read.UTC().Format(time.RFC3339)
	default:
		lag := time.Duration(*s.LagSeconds * float64(time.Second)).Round(time.Second)
		return fmt.Sprintf("%v behind the stream; last read %s", lag, s.Read.UTC().Format(time.RFC3339))
	}
}

// String says in words what waits.
func (p StatusLiveProtocol) String() string {
	atLeast := ""
	if p.AtLeast {
		atLeast = "at least "
	}
	text := fmt.Sprintf("%s%d entries to be counted, %s%d to be archived", atLeast, p.Unprocessed, atLeast, p.Unarchived)
	if !p.Oldest.IsZero() {
		text += ", the oldest put " + p.Oldest.UTC().Format(time.RFC3339)
	}
	if p.OlderBatches > 0 {
		text += fmt.Sprintf(", %d batches begun before the start", p.OlderBatches)
	}
	return text
}
