package sqliteledger

import (
	"context"
	"database/sql"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// group is what the cursors of one fold number, state and protocol come to.
type group struct {
	fold     int64
	state    ledger.State
	protocol string
	tally    ledger.Tally
	oldest   time.Time
	notes    int64
}

// Summarize counts a replay's cursors, in one statement and so at one moment.
func (l *Ledger) Summarize(ctx context.Context, replay string) (ledger.Summary, error) {
	groups, err := sqlitedb.Collect(ctx, l.db.Read, func(rows *sql.Rows) (group, error) {
		var g group
		var oldest int64
		t := &g.tally
		err := rows.Scan(&g.fold, &g.state, &g.protocol, &t.Objects, &t.Size, &t.Rows, &t.Lines, &t.Read, &t.Counted,
			&t.AfterCutoff, &t.Rejected, &t.Blank, &t.Consumed, &t.Bytes, &oldest, &g.notes)
		g.oldest = sqlitedb.Instant(oldest)
		return g, err
	}, `
		SELECT fold, state, protocol, count(*), sum(size), sum(row_count), sum(line), sum(read), sum(counted),
			sum(after_cutoff), sum(rejected), sum(blank), sum(consumed), sum(bytes), min(state_change), sum(note <> '')
		FROM cursors WHERE replay = ? GROUP BY fold, state, protocol`, replay)
	if err != nil {
		return ledger.Summary{}, l.Explain(err, "summarizing replay %s", replay)
	}
	s := ledger.Summary{
		Objects:  map[ledger.State]ledger.Tally{},
		Protocol: map[string]ledger.Tally{},
		Parts:    map[int64]map[ledger.State]int64{},
	}
	for _, g := range groups {
		if g.fold > 0 {
			if s.Parts[g.fold] == nil {
				s.Parts[g.fold] = map[ledger.State]int64{}
			}
			s.Parts[g.fold][g.state] += g.tally.Objects
			continue
		}
		byState, byProtocol := s.Objects[g.state], s.Protocol[g.protocol]
		byState.Add(g.tally)
		byProtocol.Add(g.tally)
		s.Objects[g.state], s.Protocol[g.protocol] = byState, byProtocol
		s.Notes += g.notes
		open := g.state == ledger.Pending || g.state == ledger.Processing
		if open && (s.Oldest.IsZero() || g.oldest.Before(s.Oldest)) {
			s.Oldest = g.oldest
		}
	}
	return s, nil
}
