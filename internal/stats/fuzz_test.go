package stats_test

import (
	"testing"

	"github.com/seed-56345083/reprise/internal/stats"
)

// FuzzBlob merges arbitrary bytes: an error or rows, never a panic; and what merges encodes and merges again.
func FuzzBlob(f *testing.F) {
	p := compile(f, everything())
	for _, lines := range [][]string{nil, {line("n", 1)}, {line("n", 0.1, "a", "x"), line("n", 1e300, "b", nil), line("n", "w", "flag", true)}} {
		blob := tallyOf(f, p, lines...).AppendBlob(nil)
		f.Add(blob)
		f.Add(stats.Reseal(blob[:len(blob)-1]))
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		for _, b := range [][]byte{blob, stats.Reseal(blob)} {
			part := p.NewPartial()
			if part.MergeBlob(b, nil) != nil {
				continue
			}
			again := part.AppendBlob(nil)
			if err := p.NewPartial().MergeBlob(again, nil); err != nil {
				t.Fatalf("what was merged does not merge again: %v", err)
			}
			for range part.Rows() {
			}
		}
	})
}

// FuzzRow merges arbitrary rows.
func FuzzRow(f *testing.F) {
	p := compile(f, everything())
	for r := range tallyOf(f, p, line("n", 1, "a", "\xff"), line("n", 0.5, "b", "x"), line("n", 1e300)).Rows() {
		f.Add(r.Statistic, r.DimsJSON(), r.State())
	}
	f.Fuzz(func(t *testing.T, statistic string, dims, state []byte) {
		part := p.NewPartial()
		if part.MergeRow(statistic, dims, state) != nil {
			if part.Len() != 0 {
				t.Fatal("a refused row left something behind")
			}
			return
		}
		for r := range part.Rows() {
			_, _, _ = r.Key(), r.Values(), r.MeasuresJSON()
			if err := p.NewPartial().MergeRow(r.Statistic, r.DimsJSON(), r.State()); err != nil {
				t.Fatalf("what was merged does not merge again: %v", err)
			}
		}
	})
}

// FuzzDefinition compiles arbitrary expressions and functions, and counts a line with what compiles.
func FuzzDefinition(f *testing.F) {
	f.Add("rcode != 0", "sum(rtt)", "minute")
	f.Add(`id.orig_h startsWith "10." and (a ?? 1) > 2 or not b`, `histogram("a,b", 1, 2)`, "x")
	f.Add(`@bytes > 10 and $env["x y"] in ["a"]`, "distinct(@bytes)", "@bytes")
	f.Fuzz(func(t *testing.T, where, fn, by string) {
		p, err := stats.Compile(definition("p", statistic("s", where, []string{by}, "m", fn)))
		if err != nil {
			return
		}
		tally := newTally(t, p, stats.Rule{All: true})
		_, _ = tally.Line(0, []byte(line("rcode", 1, "rtt", 0.5, "x", "y", "a", "10")))
		_ = tally.Partial().AppendBlob(nil)
	})
}

// FuzzLine counts arbitrary bytes: every line has an outcome, a reason exactly when it is rejected, and no trace when
// it does not count.
func FuzzLine(f *testing.F) {
	p := compile(f, everything())
	for _, l := range []string{"", "{", line("n", 1, "a", "x"), line("n", "1e5", "b", nil) + "\r", `{"ts":"x"}`, "{\"ts\":\"2018-03-24T17:15:20Z\",\"a\":\"\xff\"}"} {
		f.Add([]byte(l))
	}
	f.Fuzz(func(t *testing.T, l []byte) {
		tally := newTally(t, p, stats.Rule{All: true})
		outcome, err := tally.Line(7, l)
		if (err != nil) != (outcome == stats.Rejected) {
			t.Fatalf("%s with error %v", outcome, err)
		}
		if lines := tally.Partial().Lines(); (outcome == stats.Counted) != (lines == 1) || outcome != stats.Counted && tally.Partial().Len()+int(lines) != 0 {
			t.Fatalf("%s left %d rows of %d lines", outcome, tally.Partial().Len(), lines)
		}
		got := p.NewPartial()
		for r := range tally.Partial().Rows() {
			if err := got.MergeRow(r.Statistic, r.DimsJSON(), r.State()); err != nil {
				t.Fatal(err)
			}
		}
		if got.Encoded() != tally.Partial().Encoded() {
			t.Fatal("rows through a table are other rows")
		}
	})
}
