package stats_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

// connections is a consumer of the lines of connTSV.
type connections string

func (c connections) Version() string             { return string(c) }
func (connections) Fields() []string              { return []string{"path", "ts", "resp_p", "duration"} }
func (connections) NewParser() logline.LineParser { return new(connection) }

type connection struct{ cells [][]byte }

var errCells = errors.New("not 13 cells")

func (c *connection) Parse(line []byte, r *logline.Record) error {
	c.cells = c.cells[:0]
	for cell := range bytes.SplitSeq(line, []byte("\t")) {
		c.cells = append(c.cells, cell)
	}
	if len(c.cells) != 13 {
		return errCells
	}
	seconds, fraction, _ := bytes.Cut(c.cells[1], []byte("."))
	r.Text("path", c.cells[0])
	r.Time("ts", time.Unix(number(seconds), 1000*number(fraction)))
	r.Int("resp_p", number(c.cells[6]))
	r.Text("duration", c.cells[9])
	return nil
}

func number(b []byte) (n int64) {
	for _, c := range b {
		n = n*10 + int64(c-'0')
	}
	return n
}

func init() { logline.Register("connections", connections("2"), connections("1")) }

func consumed(version string) stats.Definition {
	return stats.Definition{
		Protocol: "conn", Timestamp: "ts", Format: logline.Format{Name: "go", Consumer: "connections", Version: version},
		Stats: []stats.Statistic{
			statistic("paths", "", []string{"path", "hour", "resp_p"}, "lines", "count", "bytes", "sum(@bytes)", "first", "min(ts)", "last", "max(ts)"),
			statistic("long", "resp_p > 100 and duration > 1", []string{"path"}, "lines", "count", "duration", "sum(duration)", "ports", "distinct(resp_p)"),
		},
	}
}

// TestConsumer: a consumer gives the rows that a format gives over the same fields.
func TestConsumer(t *testing.T) {
	t.Parallel()
	d := consumed("2")
	tsv := d
	tsv.Layout = "unix"
	tsv.Format = logline.Format{Name: "tsv", Columns: []string{"path", "ts", "uid", "orig_h", "orig_p", "resp_h", "resp_p", "proto", "service", "duration", "orig_bytes", "resp_bytes", "state"}}
	rule := stats.Rule{Cutoff: (1521911720 + 3600) * 1e9}
	ours, theirs := newTally(t, compile(t, d), rule), newTally(t, compile(t, tsv), rule)
	for i, line := range append(connLines(2000, 3, wholeMicros), []byte("conn\t1"), nil, []byte(" ")) {
		got, gotErr := ours.Line(int64(i+1), line)
		want, wantErr := theirs.Line(int64(i+1), line)
		if got != want || (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%s: %s, %v; as tsv it is %s, %v", line, got, gotErr, want, wantErr)
		}
		if gotErr != nil && gotErr.Error() != "connections: not 13 cells" {
			t.Errorf("the reason is %v", gotErr)
		}
	}
	if diff := cmp.Diff(rowsOf(theirs.Partial()), rowsOf(ours.Partial())); diff != "" {
		t.Errorf("rows (-tsv +consumer):\n%s", diff)
	}
	if n := ours.Partial().Len(); n < 50 {
		t.Errorf("only %d rows", n)
	}
}

// wholeMicros is connTSV with a time that is written alike by both: six digits, the last of them not 0.
func wholeMicros(r *rand.Rand, micros, port int) []byte { return connTSV(r, micros/10*10+1, port) }

// TestConsumerVersions: each definition is counted by its own version, and one that this program does not have by none; its
// rows can be read all the same.
func TestConsumerVersions(t *testing.T) {
	t.Parallel()
	line := []byte("conn\t1521911720.5\tC\ta\t1\tb\t443\ttcp\t-\t2.5\t1\t2\tSF")
	old := newTally(t, compile(t, consumed("1")), stats.Rule{All: true})
	if o, err := old.Line(1, line); o != stats.Counted || err != nil {
		t.Fatal(o, err)
	}
	for _, version := range []string{"3", ""} {
		d := consumed(version)
		if _, err := stats.Compile(d); !errors.Is(err, stats.ErrVersion) {
			t.Errorf("version %q: compiling gave %v", version, err)
		}
		p, err := stats.CompileRows(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.NewTally(stats.Rule{All: true}); !errors.Is(err, stats.ErrVersion) {
			t.Errorf("version %q: counting gave %v", version, err)
		}
		sum := p.NewPartial()
		if err := sum.MergeBlob(old.Partial().AppendBlob(nil), nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rowsOf(old.Partial()), rowsOf(sum)); diff != "" {
			t.Errorf("version %q: rows\n%s", version, diff)
		}
	}
	if a, b := consumed("1").Hash(), consumed("2").Hash(); a == b {
		t.Error("two versions have one hash")
	}
	d := consumed("3") // whatever else is wrong is an error for readers too
	d.Stats[0].Measures[0].Func = "cuont"
	if _, err := stats.CompileRows(d); err == nil {
		t.Error("a definition with a mistake compiles")
	}
	if _, err := stats.CompileRows(definition("web", statistic("hits", "", nil, "hits", "count"))); err != nil {
		t.Error(err)
	}
}

// TestConsumerAllocates holds that counting the lines of a consumer allocates nothing in the end.
func TestConsumerAllocates(t *testing.T) {
	tally := newTally(t, compile(t, consumed("2")), stats.Rule{All: true})
	lines := slices.Concat(connLines(500, 1, connTSV), [][]byte{[]byte("refused")})
	count := func() {
		for i, l := range lines {
			if o, _ := tally.Line(int64(i+1), l); (o == stats.Counted) != (len(l) > 10) {
				t.Fatalf("%s: %s", l, o)
			}
		}
	}
	count()
	if n := testing.AllocsPerRun(10, count); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkConsumer is BenchmarkPath over the lines of its tsv, read by a consumer.
func BenchmarkConsumer(b *testing.B) {
	d := consumed("2")
	d.Stats = d.Stats[:1]
	benchLines(b, d, connLines(20_000, 1, connTSV), stats.Rule{Cutoff: (1521911720 + 3600) * 1e9})
}
