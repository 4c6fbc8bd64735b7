package stats_test

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/stats"
)

const corpusDir = "../../../shared/corpus"

// TestCorpus replays real logs and compares with the rows that another program computed from them.
func TestCorpus(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(corpusDir); err != nil {
		t.Skipf("the reference logs are not at hand: %v", err)
	}
	cutoff := time.Date(2018, 3, 24, 17, 25, 0, 0, time.UTC).UnixNano()
	definitions := []stats.Definition{
		dnsDefinition(),
		definition("ssl", statistic("handshakes", "", []string{"minute", "version", "id.resp_p"},
			"handshakes", "count", "established", "sum(established)", "first", "min(ts)", "last", "max(ts)")),
		definition("weird", statistic("names", "", []string{"hour", "name"}, "events", "count")),
	}
	for _, d := range definitions {
		for suffix, rule := range map[string]stats.Rule{"": {All: true}, ".cutoff": {Cutoff: cutoff}} {
			t.Run(d.Protocol+suffix, func(t *testing.T) {
				t.Parallel()
				p := compile(t, d)
				whole := p.NewPartial()
				lines := replay(t, p, rule, whole)
				t.Logf("%d lines, %d rows, %d bytes of memory, %d bytes of blob", lines, whole.Len(), whole.Size(), len(whole.AppendBlob(nil)))
				for _, s := range p.Statistics() {
					compare(t, whole, s, filepath.Join(corpusDir, "expected", d.Protocol+"."+s+suffix+".csv"))
				}
			})
		}
	}
}

// replay counts a protocol's file in chunks that are merged as blobs.
func replay(t *testing.T, p *stats.Program, rule stats.Rule, into *stats.Partial) int64 {
	t.Helper()
	f, err := os.Open(filepath.Join(corpusDir, "zeek", p.Name()+".json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	tally := newTally(t, p, rule)
	in := bufio.NewScanner(z)
	in.Buffer(nil, 1<<20)
	n := int64(0)
	for ; in.Scan(); n++ {
		if o, err := tally.Line(n, in.Bytes()); err != nil || o != stats.Counted && (rule.All || o != stats.AfterCutoff) {
			t.Fatalf("line %d: %s, %v", n, o, err)
		}
		if n%10_000 == 9_999 {
			if err := into.MergeBlob(tally.Partial().AppendBlob(nil), nil); err != nil {
				t.Fatal(err)
			}
			tally.Partial().Reset()
		}
	}
	if in.Err() != nil {
		t.Fatal(in.Err())
	}
	if err := into.MergeBlob(tally.Partial().AppendBlob(nil), nil); err != nil {
		t.Fatal(err)
	}
	return n
}

func compare(t *testing.T, p *stats.Partial, statistic, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := stats.WriteCSV(&b, p, statistic); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", statistic, len(got), len(want))
	}
	at := make(map[string]int)
	for i, name := range got[0] {
		at[name] = i
	}
	for i := 1; i < len(want); i++ {
		for j, name := range want[0] {
			ours := strings.TrimSuffix(name, "_exact")
			if g, w := got[i][at[ours]], want[i][j]; !same(g, w) {
				t.Errorf("%s row %d %s: %s = %q, want %q", statistic, i, want[i], ours, g, w)
			}
		}
	}
}

// same allows the reference its own order of adding floats up.
func same(got, want string) bool {
	if got == want {
		return true
	}
	g, err1 := strconv.ParseFloat(got, 64)
	w, err2 := strconv.ParseFloat(want, 64)
	return err1 == nil && err2 == nil && strings.ContainsAny(want, ".e") && math.Abs(g-w) <= 1e-9*math.Abs(w)
}
