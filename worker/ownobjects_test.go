package worker

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

// define replaces the definition of the bed's generation.
func (b *bed) define(d stats.Definition) {
	b.t.Helper()
	g, err := b.ledger.Generation(b.ctx, protocol, 1)
	if err != nil {
		b.t.Fatal(err)
	}
	g.Definition = d.Encode()
	b.write(ledger.Writes{Generations: []ledger.Generation{g}})
	if b.program, err = stats.Compile(d); err != nil {
		b.t.Fatal(err)
	}
}

// TestOwnObjects reads objects of the archiver: their first line is an entry like any other, and counts as it did live.
func TestOwnObjects(t *testing.T) {
	t.Parallel()
	csv := stats.Definition{
		Protocol: protocol, Format: logline.Format{Name: "csv", Columns: []string{"ts", "host"}, Header: true}, Timestamp: "ts",
		Stats: []stats.Statistic{{Name: "hosts", By: []string{"host"}, Measures: []stats.Measure{{Name: "lines", Func: "count"}}}},
	}
	good, err := json.Marshal(record{TS: began, Host: "a", Bytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		definition stats.Definition
		lines      []string
		differ     bool // from what an object of others gives
	}{
		"byte order mark": {definition(), []string{"\ufeff" + string(good), string(good)}, true},
		"like a header":   {csv, []string{"2024-05-01T10:00:00Z,a", "2024-05-01T10:00:00Z,b"}, true},
		"the header":      {csv, []string{"ts,host", "2024-05-01T10:00:00Z,b"}, true},
		"usual":           {definition(), []string{string(good), "", string(good)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, func(r *ledger.Replay) { r.Protocols[0].Rule = ledger.RuleAll })
			b.define(tt.definition)
			tally, err := b.program.NewTally(stats.Rule{All: true})
			if err != nil {
				t.Fatal(err)
			}
			var want ledger.Accounts
			for _, line := range tt.lines {
				switch outcome, _ := tally.Line(1, []byte(line)); outcome {
				case stats.Blank:
					want.Blank++
				case stats.Counted:
					want.Counted, want.Read = want.Counted+1, want.Read+1
				default:
					want.Rejected, want.Read = want.Rejected+1, want.Read+1
				}
			}
			own, foreign := "dns/"+archive.ObjectName(1, "01KE6V1Z8W3M5N7P9QRSTVWXYZ"), "dns/foreign.gz"
			for _, key := range []string{own, foreign} {
				b.add(key, gzipped(t, tt.lines, 0))
			}
			b.drain(b.worker())
			got := b.cursor(own)
			if got.State != ledger.Finished || got.Read != want.Read || got.Counted != want.Counted || got.Rejected != want.Rejected || got.Blank != want.Blank {
				t.Errorf("%s with %+v, want FINISHED with %+v", got.State, got.Accounts, want)
			}
			if diff := cmp.Diff(tableOf(tally.Partial()), b.rows(own)); diff != "" {
				t.Errorf("rows (-live +archive):\n%s", diff)
			}
			other := b.cursor(foreign).Accounts
			if differ := other.Counted != got.Counted || other.Rejected != got.Rejected || other.Blank != got.Blank; differ != tt.differ {
				t.Errorf("the same lines from others: %+v", other)
			}
		})
	}
}
