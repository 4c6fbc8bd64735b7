package stats_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/seed-56345083/reprise/internal/stats"
)

// everything has each measure, each kind of dimension and a where.
func everything() stats.Definition {
	return definition("all",
		statistic("wide", "", []string{"a", "minute", "b"},
			"lines", "count", "present", "count(n)", "sum", "sum(n)", "min", "min(n)", "max", "max(n)",
			"hist", "histogram(n, -1, 0, 0.5, 1e3)", "values", "distinct(n)", "first", "min(ts)", "last", "max(ts)"),
		statistic("chosen", "n > 10 or b == 'x'", []string{"hour"}, "lines", "count", "sum", "sum(n)", "bytes", "sum(@bytes)"),
		statistic("days", "", []string{"day"}, "lines", "count", "flags", "sum(flag)"),
		statistic("one", "", nil, "sum", "sum(n)", "lines", "count"))
}

func oneOf(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }

// lineGen draws lines that are full of edges: missing, null and empty values, numbers in texts, sums that cancel.
func lineGen() *rapid.Generator[string] {
	stamps := oneOf("2018-03-24T17:15:20.865716Z", "2018-03-24T17:15:20Z", "2018-03-24T17:15:20.000Z", "2018-03-24T17:59:59.999999999Z",
		"2018-03-25T00:00:00Z", "1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z", "1930-06-01T12:34:56.1Z")
	dims := oneOf("", `null`, `""`, `"x"`, `"80"`, `80`, `"a\u0000b"`, `"a\u0000"`, `"a"`, `true`, `"\u00e9"`)
	numbers := rapid.OneOf(
		oneOf("", `null`, `""`, `"word"`, `true`, `false`, `0`, `-0`, `-0.0`, `1`, `"1"`, `1.0`, `"+7"`, `".5"`, `9223372036854775807`,
			`18446744073709551615`, `-9223372036854775808`, `9223372036854775808`, `99999999999999999999`, `1e308`, `-1e308`, `1.7976931348623157e308`,
			`1e999`, `5e-324`, `1e16`, `-1e16`, `9007199254740993`, `9007199254740992.0`, `0.1`, `"NaN"`, `"0x10"`, `[1]`, `1e292`),
		rapid.Map(rapid.Float64(), func(f float64) string { b, _ := json.Marshal(f); return string(b) }),
		rapid.Map(rapid.Float64Range(0, 1), func(f float64) string { b, _ := json.Marshal(f); return string(b) }),
		rapid.Map(rapid.Int64(), func(i int64) string { return fmt.Sprint(i) }),
	)
	return rapid.Custom(func(t *rapid.T) string {
		b := fmt.Appendf(nil, `{"ts":%q`, stamps.Draw(t, "ts"))
		for name, gen := range map[string]*rapid.Generator[string]{"a": dims, "b": dims, "n": numbers, "flag": oneOf("", "true", "false", "1")} {
			if v := gen.Draw(t, name); v != "" {
				b = fmt.Appendf(b, ",%q:%s", name, v)
			}
		}
		return string(append(b, '}'))
	})
}

func lineList(t *rapid.T) []string { return rapid.SliceOfN(lineGen(), 0, 60).Draw(t, "lines") }

// TestChunksAndOrder cuts lines into chunks, merges them in any order and grouping, and wants the same bytes.
func TestChunksAndOrder(t *testing.T) {
	t.Parallel()
	p := compile(t, everything())
	rapid.Check(t, func(rt *rapid.T) {
		lines := lineList(rt)
		want := tallyOf(t, p, lines...).AppendBlob(nil)
		var blobs [][]byte
		for rest := rapid.Permutation(lines).Draw(rt, "order"); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "chunk")
			blobs = append(blobs, tallyOf(t, p, rest[:n]...).AppendBlob(nil))
			rest = rest[n:]
		}
		blobs = append(blobs, p.NewPartial().AppendBlob(nil)) // nothing changes nothing
		blobs = rapid.Permutation(blobs).Draw(rt, "blobs")
		for len(blobs) > 1 {
			i := rapid.IntRange(0, len(blobs)-2).Draw(rt, "pair")
			both := p.NewPartial()
			for _, b := range blobs[i : i+2] {
				if err := both.MergeBlob(b, nil); err != nil {
					rt.Fatal(err)
				}
			}
			blobs = slices.Replace(blobs, i, i+2, both.AppendBlob(nil))
		}
		if !bytes.Equal(blobs[0], want) {
			got := p.NewPartial()
			_ = got.MergeBlob(blobs[0], nil)
			whole := p.NewPartial()
			_ = whole.MergeBlob(want, nil)
			rt.Fatalf("other bytes; rows:\n%s", cmp.Diff(rowsOf(whole), rowsOf(got)))
		}
	})
}

// TestRowsThroughATable writes rows one by one, as a table does, in two parts, and reads them back.
func TestRowsThroughATable(t *testing.T) {
	t.Parallel()
	p := compile(t, everything())
	rapid.Check(t, func(rt *rapid.T) {
		lines := lineList(rt)
		half := len(lines) / 2
		got := p.NewPartial()
		for _, part := range [][]string{lines[half:], lines[:half]} {
			for r := range tallyOf(t, p, part...).Rows() {
				if err := got.MergeRow(r.Statistic, r.DimsJSON(), r.State()); err != nil {
					rt.Fatal(err)
				}
			}
		}
		want := tallyOf(t, p, lines...)
		if diff := cmp.Diff(rowsOf(want), rowsOf(got)); diff != "" {
			rt.Fatal(diff)
		}
		if got.Encoded() != want.Encoded() {
			rt.Fatal("same rows, other bytes")
		}
	})
}

// TestKeep splits a blob by hash, as the parts of a fold do, and puts the parts together.
func TestKeep(t *testing.T) {
	t.Parallel()
	p := compile(t, everything())
	rapid.Check(t, func(rt *rapid.T) {
		whole := tallyOf(t, p, lineList(rt)...)
		blob := whole.AppendBlob(nil)
		of := rapid.Uint64Range(1, 5).Draw(rt, "of")
		sum, rows := p.NewPartial(), 0
		for part := range of {
			in := p.NewPartial()
			if err := in.MergeBlob(blob, func(h uint64) bool { return h%of == part }); err != nil {
				rt.Fatal(err)
			}
			for h := range in.Hashes() {
				if h%of != part {
					rt.Fatalf("a row of part %d in part %d", h%of, part)
				}
			}
			if in.Lines() != whole.Lines() {
				rt.Fatalf("part %d has read %d lines of %d", part, in.Lines(), whole.Lines())
			}
			rows += in.Len()
			if err := sum.MergeBlob(in.AppendBlob(nil), nil); err != nil {
				rt.Fatal(err)
			}
		}
		if rows != whole.Len() || sum.Encoded() != whole.Encoded() {
			rt.Fatalf("%d rows in parts, %d in all", rows, whole.Len())
		}
	})
}

// TestResetLeavesNothing counts after a Reset as if the partial were new.
func TestResetLeavesNothing(t *testing.T) {
	t.Parallel()
	p := compile(t, everything())
	rapid.Check(t, func(rt *rapid.T) {
		tally := newTally(t, p, stats.Rule{All: true})
		for _, l := range lineList(rt) {
			_, _ = tally.Line(1, []byte(l))
		}
		tally.Partial().Reset()
		if tally.Partial().Len() != 0 {
			rt.Fatalf("%d rows after a Reset", tally.Partial().Len())
		}
		lines := lineList(rt)
		for _, l := range lines {
			_, _ = tally.Line(1, []byte(l))
		}
		if !bytes.Equal(tally.Partial().AppendBlob(nil), tallyOf(t, p, lines...).AppendBlob(nil)) {
			rt.Fatal("a Reset partial counts otherwise")
		}
	})
}
