package replay_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/worker"
)

// defined starts a replay of dns by other statistics, and lists it.
func (s *system) defined(statistics ...stats.Statistic) ledger.Replay {
	s.t.Helper()
	ctx := context.Background()
	p := params("dns")
	p.Protocols[0].Definition.Stats = statistics
	d := s.driver("starter", nil)
	r, err := d.Start(ctx, p)
	if err == nil {
		err = d.Continue(ctx, r.ID, nil)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// through lets workers and a watcher take a replay to its end.
func (s *system) through(r ledger.Replay) {
	s.t.Helper()
	stop := s.pool(func(*worker.Options) {})
	defer stop()
	s.done(r.ID)
	s.watch(s.operator(nil), r.ID, ledger.Finished)
}

func by(name string, dims []string, measures ...stats.Measure) stats.Statistic {
	return stats.Statistic{Name: name, By: dims, Measures: measures}
}

var lines = stats.Measure{Name: "n", Func: "count"}

// line is a log line with fields in JSON.
func line(fields string) string { return `{"ts":"2026-01-02T03:04:05Z"` + fields + "}\n" }

// summary of a diff for comparing: rows, only here, only there, differ, and the samples.
func told(d replay.Diff) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%d rows %d:%d only %d:%d differ %d", d.A, d.B, d.RowsA, d.RowsB, d.OnlyA, d.OnlyB, d.Differ)
	for _, s := range d.Samples {
		fmt.Fprintf(&b, "; %s %q %q", s.Key, s.A, s.B)
	}
	return b.String()
}

func (s *system) diff(d *replay.Driver, statistics []string, generation int64) []replay.Diff {
	s.t.Helper()
	diffs, err := d.Diff(context.Background(), "dns", statistics, generation)
	if err != nil {
		s.t.Fatal(err)
	}
	return diffs
}

func (s *system) wantDiff(d *replay.Driver, generation int64, want string) {
	s.t.Helper()
	diffs := s.diff(d, []string{"queries"}, generation)
	if got := told(diffs[0]); got != want || len(diffs) != 1 || diffs[0].Note != "" ||
		diffs[0].Same() != strings.Contains(want, "only 0:0 differ 0") || !slices.Equal(diffs[0].Columns, []string{"q", "n"}) {
		s.t.Errorf("diff with %d of %q (%s):\n%s\nwant\n%s", generation, diffs[0].Columns, diffs[0].Note, got, want)
	}
}

// TestDiff compares rows that are only here, only there, in both, and in both with other values; null and the empty text
// are two rows.
func TestDiff(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	d := s.operator(nil)
	_, err := d.Diff(ctx, "dns", nil, 0)
	wantError(t, err, replay.ErrUnknown, "dns", "never been replayed")

	count := by("queries", []string{"q"}, lines)
	s.putBytes("logs/dns/1", []byte(line(``)+line(`,"q":""`)+line(`,"q":"a"`)+line(`,"q":"b"`)+line(`,"q":"b"`)))
	s.through(s.defined(count))
	_, err = d.Diff(ctx, "dns", nil, 0)
	wantError(t, err, replay.ErrUnknown, "one generation only")
	s.wantDiff(d, 1, "1:1 rows 4:4 only 0:0 differ 0")

	// null goes, the empty text stays; a goes, c comes; b has another count.
	s.putBytes("logs/dns/1", []byte(line(`,"q":""`)+line(`,"q":"b"`)+line(`,"q":"c"`)))
	r := s.defined(count)
	s.wantDiff(d, 0, `1:2 rows 4:0 only 4:0 differ 0; [null] ["1"] []; [""] ["1"] []; ["a"] ["1"] []; ["b"] ["2"] []`)
	s.through(r)
	const back = `2:1 rows 3:4 only 1:2 differ 1; [null] [] ["1"]; ["a"] [] ["1"]; ["b"] ["1"] ["2"]; ["c"] ["1"] []`
	s.wantDiff(d, 0, back)
	s.wantDiff(d, 1, back)
	for _, row := range s.diff(d, nil, 0)[0].Samples {
		if (row.A == nil) != (row.Key == `[null]` || row.Key == `["a"]`) || (row.B == nil) != (row.Key == `["c"]`) {
			t.Errorf("%+v: a row that is missing is null", row)
		}
	}
	if _, err := d.Rollback(ctx, []string{"dns"}); err != nil {
		t.Error(err)
	}
	s.wantDiff(d, 0, `1:2 rows 4:3 only 2:1 differ 1; [null] ["1"] []; ["a"] ["1"] []; ["b"] ["2"] ["1"]; ["c"] [] ["1"]`)

	for words, call := range map[string]func() error{
		`"answers"`:         func() error { _, err := d.Diff(ctx, "dns", []string{"answers"}, 0); return err },
		"no generation 7":   func() error { _, err := d.Diff(ctx, "dns", nil, 7); return err },
		"no generation -1":  func() error { _, err := d.Diff(ctx, "dns", nil, -1); return err },
		"nobody":            func() error { _, err := d.Diff(ctx, "nobody", nil, 0); return err },
		"never been replay": func() error { _, err := d.Diff(ctx, "nobody", nil, 2); return err },
	} {
		wantError(t, call(), replay.ErrUnknown, words)
	}
	if _, err := d.Purge(ctx, []string{"dns"}); err != nil {
		t.Error(err)
	}
	_, err = d.Diff(ctx, "dns", nil, 2)
	wantError(t, err, replay.ErrUnknown, "removed")
}

// TestDiffDefinitions compares generations of two definitions: what only one of them has, and what cannot be compared,
// is told in words.
func TestDiffDefinitions(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	d := s.operator(nil)
	s.putBytes("logs/dns/1", []byte(line(`,"q":"a","z":"x","v":5`)+line(`,"q":"a","z":"y","v":7`)))
	sum := stats.Measure{Name: "n", Func: "sum(v)"}
	other := stats.Measure{Name: "m", Func: "count"}
	s.through(s.defined(by("same", []string{"q"}, lines), by("gone", []string{"q"}, lines), by("dims", []string{"q"}, lines),
		by("renamed", []string{"q"}, lines), by("more", []string{"q"}, lines), by("func", []string{"q"}, lines)))
	s.through(s.defined(by("same", []string{"q"}, lines), by("new", []string{"q"}, lines), by("dims", []string{"z"}, lines),
		by("renamed", []string{"q"}, other), by("more", []string{"q"}, lines, other), by("func", []string{"q"}, sum)))
	const cannot = "the dimensions or measures are not the same, so the rows cannot be compared"
	want := map[string]string{
		"same": "", "gone": "generation 2 has no such statistic", "new": "generation 1 has no such statistic",
		"dims": cannot, "renamed": cannot, "more": cannot, "func": "",
	}
	diffs := s.diff(d, nil, 0)
	var names []string
	for _, diff := range diffs {
		names = append(names, diff.Statistic)
		if diff.Note != want[diff.Statistic] || diff.Same() != (diff.Statistic == "same") || diff.Samples == nil {
			t.Errorf("%s: %+v", diff.Statistic, diff)
		}
		if diff.Statistic == "func" && told(diff) != `2:1 rows 1:1 only 0:0 differ 1; ["a"] ["12"] ["2"]` {
			t.Errorf("func: %s", told(diff))
		}
	}
	if !slices.IsSorted(names) || len(names) != len(want) {
		t.Errorf("compared are %q", names)
	}
	if diffs = s.diff(d, []string{"new", "same"}, 0); len(diffs) != 2 || diffs[0].Statistic != "new" || diffs[1].Statistic != "same" {
		t.Errorf("%+v", diffs)
	}
}

// TestDiffSamples: all rows are counted, some are shown.
func TestDiffSamples(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	d := s.operator(nil)
	for generation := range 2 {
		var b strings.Builder
		for i := range 30 {
			b.WriteString(line(fmt.Sprintf(`,"q":"%d-%02d"`, generation, i)))
		}
		s.putBytes("logs/dns/1", []byte(b.String()))
		s.through(s.defined(by("queries", []string{"q"}, lines)))
	}
	diff := s.diff(d, nil, 0)[0]
	if diff.OnlyA != 30 || diff.OnlyB != 30 || diff.Differ != 0 || len(diff.Samples) != 20 || diff.Samples[19].Key != `["0-19"]` {
		t.Errorf("%+v", diff)
	}
}
