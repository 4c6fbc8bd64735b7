package stats_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/stats"
)

// Blobs and states outlive releases: `go test -update` may add a golden file for a new version of the codec, but must
// not change one that a release has written.
var update = flag.Bool("update", false, "write the golden files")

// goldenLines reach every form that a state has.
func goldenLines() []string {
	lines := []string{
		line("a", "x", "n", 1, "flag", true), line("a", "x", "n", raw("18446744073709551615")), line("a", "x", "n", raw("18446744073709551615")),
		line("a", "y\x00z", "n", 0.1), line("a", "y\x00z", "n", 0.2), line("a", "y\x00z", "n", 1e300), line("a", nil, "b", "", "n", raw("-5")),
		line("n", raw("1e16")), line("n", raw("1e-300")), line("n", raw("1.0")), line("a", "only"),
	}
	for i := range 400 { // a sketch with few registers, and one with many
		lines = append(lines, line("a", "sparse", "n", i), line("a", "dense", "n", i))
	}
	for i := range 5_000 {
		lines = append(lines, line("a", "dense", "n", i))
	}
	return lines
}

func TestGoldenBlob(t *testing.T) {
	t.Parallel()
	p := compile(t, everything())
	part := tallyOf(t, p, goldenLines()...)
	blob := part.AppendBlob(nil)
	states := &strings.Builder{}
	for r := range part.Rows() {
		state := hex.EncodeToString(r.State())
		if len(state) > 1000 {
			state = fmt.Sprintf("%s... %d bytes", state[:1000], len(state)/2)
		}
		fmt.Fprintf(states, "%s %s %016x %s %s\n", r.Statistic, r.DimsJSON(), r.Hash(), r.MeasuresJSON(), state)
	}
	blobFile, stateFile := filepath.Join("testdata", "v2.blob"), filepath.Join("testdata", "v1.states")
	if *update {
		for name, b := range map[string][]byte{blobFile: blob, stateFile: []byte(states.String())} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	golden, err := os.ReadFile(blobFile)
	if err != nil {
		t.Fatal(err)
	}
	got := p.NewPartial()
	if err := got.MergeBlob(golden, nil); err != nil {
		t.Fatalf("a blob of an earlier release no longer decodes: %v", err)
	}
	if diff := cmp.Diff(rowsOf(part), rowsOf(got)); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(blob, golden) {
		t.Errorf("the encoding changed: %d bytes, golden %d; if only the compressor did, add a golden file beside this one", len(blob), len(golden))
	}
	want, err := os.ReadFile(stateFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), states.String()); diff != "" {
		t.Errorf("states or hashes changed: %s", diff)
	}
}

// TestBlobErrors damages a blob in every byte and at every length.
func TestBlobErrors(t *testing.T) {
	t.Parallel()
	p := compile(t, dnsDefinition())
	var lines []string
	for i := range 50 {
		lines = append(lines, line("rtt", float64(i)/7, "query", fmt.Sprint("q", i), "rcode", i%2))
	}
	blob := tallyOf(t, p, lines...).AppendBlob(nil)
	refuses := func(b []byte, what string) {
		if err := p.NewPartial().MergeBlob(b, nil); !errors.Is(err, stats.ErrBlob) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range blob {
		b := bytes.Clone(blob)
		b[i] ^= 0x20
		refuses(b, fmt.Sprintf("byte %d damaged", i))
		refuses(blob[:i], fmt.Sprintf("cut to %d bytes", i))
		_ = p.NewPartial().MergeBlob(stats.Reseal(b), nil) // whatever it is, it does not panic
	}
	refuses(append(bytes.Clone(blob), 0), "a byte more")
	older := bytes.Clone(blob)
	older[2]--
	if err := p.NewPartial().MergeBlob(older, nil); !errors.Is(err, stats.ErrBlob) || !strings.Contains(err.Error(), "unknown version") {
		t.Errorf("a blob of the version before: %v", err)
	}
	refuses(stats.Reseal(append(bytes.Clone(blob), 0)), "a byte more, with a checksum")

	for name, change := range map[string]func(*stats.Definition){
		"bounds":  func(d *stats.Definition) { d.Stats[0].Measures[5].Func = "histogram(rtt, 0.001, 0.01, 0.1, 2)" },
		"measure": func(d *stats.Definition) { d.Stats[0].Measures[3].Func = "max(rtt)" },
		"by":      func(d *stats.Definition) { d.Stats[0].By[0] = "hour" },
		"where":   func(d *stats.Definition) { d.Stats[1].Where = "rcode == 0" },
		"order":   func(d *stats.Definition) { d.Stats[0], d.Stats[1] = d.Stats[1], d.Stats[0] },
		"fewer":   func(d *stats.Definition) { d.Stats = d.Stats[:1] },
	} {
		d := dnsDefinition()
		change(&d)
		other := compile(t, d).NewPartial()
		if err := other.MergeBlob(blob, nil); !errors.Is(err, stats.ErrBlob) || !strings.Contains(err.Error(), "other statistics") {
			t.Errorf("%s: %v", name, err)
		}
	}
	spelt := dnsDefinition()
	spelt.Stats[0].Measures[5].Func = " histogram( rtt,0.001 , 1e-2,0.10,1.0 )"
	if err := compile(t, spelt).NewPartial().MergeBlob(blob, nil); err != nil {
		t.Errorf("the same measure in another spelling: %v", err)
	}
}

func TestRowErrors(t *testing.T) {
	t.Parallel()
	p := compile(t, everything())
	for r := range tallyOf(t, p, line("n", 0.5, "a", "x")).Rows() {
		dims, state := r.DimsJSON(), r.State()
		for _, bad := range []string{"", "[", "[]]", `[1]`, `["x"`, `["x",]`, `["\ud800"]`, `["\u12"]`, `["x" "y"]`, `["x","2018-03-24T17:15:00Z","y","z"]`,
			`["2018-03-24T17:15:01Z",null,null]`, `[null,null,null]`, `["2018-03-24T17:15:00+00:00",null,null]`} {
			part := p.NewPartial()
			if err := part.MergeRow(r.Statistic, []byte(bad), state); !errors.Is(err, stats.ErrState) || part.Len() != 0 {
				t.Errorf("%s with dims %s: %v, %d rows", r.Statistic, bad, err, part.Len())
			}
		}
		for i := range state {
			part := p.NewPartial()
			if err := part.MergeRow(r.Statistic, dims, state[:i]); !errors.Is(err, stats.ErrState) || part.Len() != 0 {
				t.Errorf("%s with %d bytes of state: %v", r.Statistic, i, err)
			}
		}
		if err := p.NewPartial().MergeRow(r.Statistic, dims, append(state, 0)); !errors.Is(err, stats.ErrState) {
			t.Errorf("%s with a byte more: %v", r.Statistic, err)
		}
		for _, s := range p.Statistics() {
			if err := p.NewPartial().MergeRow(s, dims, state); s != r.Statistic && !errors.Is(err, stats.ErrState) {
				t.Errorf("a row of %s as one of %s: %v", r.Statistic, s, err)
			}
		}
	}
	if err := p.NewPartial().MergeRow("wid", []byte("[]"), nil); err == nil || !strings.Contains(err.Error(), "did you mean wide") {
		t.Errorf("unknown statistic: %v", err)
	}
}

// TestSharedProgram counts, encodes and merges in several goroutines with one program, for the race detector.
func TestSharedProgram(t *testing.T) {
	t.Parallel()
	d := everything()
	d.Stats[0].Where = "n * 1 != 7" // the virtual machine
	p := compile(t, d)
	lines := goldenLines()[:200]
	want := tallyOf(t, p, lines...).AppendBlob(nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				tally, err := p.NewTally(stats.Rule{All: true})
				if err != nil {
					t.Error(err)
					return
				}
				for i, l := range lines {
					_, _ = tally.Line(int64(i), []byte(l))
				}
				into := p.NewPartial()
				if err := into.MergeBlob(tally.Partial().AppendBlob(nil), nil); err != nil {
					t.Error(err)
				}
				if !bytes.Equal(into.AppendBlob(nil), want) {
					t.Error("another goroutine's rows")
				}
			}
		})
	}
	wg.Wait()
}

// TestLines counts lines that no statistic takes: they leave no row, and their number in the blob.
func TestLines(t *testing.T) {
	t.Parallel()
	p := compile(t, definition("dns", statistic("chosen", `a == "x"`, nil, "lines", "count")))
	sum := p.NewPartial()
	for _, lines := range [][]string{nil, {line("a", "y")}, {line("a", "x"), line("a", "z")}} {
		if err := sum.MergeBlob(tallyOf(t, p, lines...).AppendBlob(nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	if sum.Lines() != 3 || sum.Len() != 1 {
		t.Errorf("%d lines, %d rows, want 3 and 1", sum.Lines(), sum.Len())
	}
	before := sum.Lines()
	if err := sum.MergeBlob([]byte("RS"), nil); err == nil || sum.Lines() != before {
		t.Errorf("a blob that is none: %v, %d lines", err, sum.Lines())
	}
}

// TestLinesOverflow has blobs say more lines than there can be: the sum is never below what it was, and what was merged
// merges again.
func TestLinesOverflow(t *testing.T) {
	t.Parallel()
	p := compile(t, everything())
	blob := p.NewPartial().AppendBlob(nil)
	const at = 20 // magic, version, form, checksum, shape
	says := func(lines uint64) []byte {
		return stats.Reseal(append(binary.AppendUvarint(bytes.Clone(blob[:at]), lines), blob[at+1:]...))
	}
	if err := p.NewPartial().MergeBlob(says(math.MaxInt64+1), nil); !errors.Is(err, stats.ErrBlob) {
		t.Errorf("a number beyond int64: %v", err)
	}
	sum := p.NewPartial()
	for i, c := range []struct {
		lines uint64
		ok    bool
	}{{1, true}, {math.MaxInt64, false}, {math.MaxInt64 - 1, true}, {1, false}, {0, true}} {
		before := sum.Lines()
		if err := sum.MergeBlob(says(c.lines), nil); (err == nil) != c.ok || err != nil && !errors.Is(err, stats.ErrBlob) || sum.Lines() < before {
			t.Errorf("blob %d, of %d lines: %v, %d lines after %d", i, c.lines, err, sum.Lines(), before)
		}
	}
	if err := p.NewPartial().MergeBlob(sum.AppendBlob(nil), nil); err != nil {
		t.Errorf("what was merged does not merge again: %v", err)
	}
}
