package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The corpus of the generator has no line that DuckDB or reprise would refuse, each repeat an hour after the one before,
// the same in both forms.
func TestCorpusOfTheDemo(t *testing.T) {
	t.Parallel()
	s := settings{repeats: 3, demo: 1 << 20, source: t.TempDir(), dir: t.TempDir()}
	if err := makeCorpus(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	c, err := readCorpus(s)
	if err != nil {
		t.Fatal(err)
	}
	if c.Made != s.made() || c.Objects != 1 || len(c.Protocols) != 1 {
		t.Errorf("made %+v", c)
	}
	plain, err := os.ReadFile(filepath.Join(c.dir, formPlain, "dns-000.json"))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := gunzip(filepath.Join(c.dir, formGzip, "dns-000.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(plain, unpacked) || int64(len(plain)) != c.Bytes {
		t.Errorf("%d bytes plain, %d unpacked, %d told", len(plain), len(unpacked), c.Bytes)
	}
	times := lineTimes(t, plain)
	if int64(len(times)) != c.Lines || c.Lines%3 != 0 || c.Lines < 900 {
		t.Fatalf("%d lines, told %d", len(times), c.Lines)
	}
	third := len(times) / 3
	for i := range third {
		for k := 1; k < 3; k++ {
			if moved := times[i+k*third].Sub(times[i]); moved != time.Duration(k)*time.Hour {
				t.Fatalf("line %d is %v later in repeat %d", i, moved, k)
			}
		}
		if i > 0 && times[i].Before(times[i-1]) {
			t.Fatalf("line %d is out of order", i)
		}
	}
	before := 0
	for _, at := range times {
		if at.Format(timeLayout) <= c.Cutoff {
			before++
		}
	}
	if before < third || before > 2*third {
		t.Errorf("%d of %d lines are up to the cutoff, %s", before, len(times), c.Cutoff)
	}
}

func lineTimes(t *testing.T, text []byte) []time.Time {
	t.Helper()
	var all []time.Time
	for l := range bytes.Lines(text) {
		var line struct {
			Path string `json:"_path"`
			TS   time.Time
			Port int `json:"id.resp_p"`
		}
		if err := json.Unmarshal(l, &line); err != nil || line.Path != "dns" || line.Port != 53 {
			t.Fatalf("%q: %v", l, err)
		}
		all = append(all, line.TS)
	}
	return all
}

// Made-up lines have the fields that scaling counts by, and as many values of each as its name says.
func TestScaleLines(t *testing.T) {
	t.Parallel()
	seen := map[string]map[string]bool{}
	for i := range 3000 {
		var line map[string]any
		if err := json.Unmarshal(appendLine(nil, i), &line); err != nil {
			t.Fatal(err)
		}
		for _, n := range cardinalities {
			name := keyName(n)
			if seen[name] == nil {
				seen[name] = map[string]bool{}
			}
			value, ok := line[name].(string)
			if !ok {
				t.Fatalf("line %d has no %s", i, name)
			}
			seen[name][value] = true
		}
	}
	for _, n := range cardinalities {
		if got := len(seen[keyName(n)]); got != min(n, 3000) {
			t.Errorf("%s has %d values", keyName(n), got)
		}
	}
}
