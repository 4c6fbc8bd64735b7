package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/sqliteentries"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

// lossy is an intake that loses the replies of the first calls: everything was put all the same.
type lossy struct {
	entries.Intake
	lose  int
	calls int
	fail  error // of the calls after those
}

func (l *lossy) Put(ctx context.Context, list []entries.Entry) (int, error) {
	l.calls++
	if l.calls > l.lose && l.fail != nil {
		return 0, l.fail
	}
	there, err := l.Intake.Put(ctx, list)
	if l.calls <= l.lose {
		err = errors.New("connection reset by peer")
	}
	return there, err
}

func openIntake(t *testing.T) entries.Entries {
	t.Helper()
	l, err := sqliteledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	e, err := sqliteentries.Open(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func csvProgram(t *testing.T) *stats.Program {
	t.Helper()
	p, err := stats.Compile(stats.Definition{
		Protocol: "orders", Format: logline.Format{Name: "csv", Columns: []string{"ts", "country"}, Header: true}, Timestamp: "ts",
		Layout: "rfc3339", MaxLine: 1 << 20, Aggregator: stats.Version,
		Stats: []stats.Statistic{{Name: "orders", Measures: []stats.Measure{{Name: "orders", Func: "count"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// all are the lines in the incoming table, sorted.
func all(t *testing.T, e entries.Intake) []string {
	t.Helper()
	var lines []string
	for u, err := range e.Unfinished(t.Context(), "orders") {
		if err != nil {
			t.Fatal(err)
		}
		read, err := e.Read(t.Context(), []string{u.ID})
		if err != nil || len(read) != 1 {
			t.Fatalf("%d entries, %v", len(read), err)
		}
		lines = append(lines, string(read[0].Line))
	}
	slices.Sort(lines)
	return lines
}

func TestIngestTriesAgain(t *testing.T) {
	t.Parallel()
	e := openIntake(t)
	var input strings.Builder
	input.WriteString("\ufeffts,country\r\n")
	var want []string
	for i := range 2500 {
		line := fmt.Sprintf("2026-03-01T10:00:00Z,c%04d", i)
		want = append(want, line)
		input.WriteString(line + "\n")
	}
	input.WriteString("2026-03-01,de\n" + strings.Repeat("x", entries.MaxLine+1) + "\n\n2026-03-01T10:00:00Z,last")
	want = append(want, "2026-03-01T10:00:00Z,last")
	to := &lossy{Intake: e, lose: 2}
	var refused []int64
	var told []Ingested
	got, err := ingest(t.Context(), to, csvProgram(t), IngestParams{
		Protocol: "orders", Input: strings.NewReader(input.String()),
		Refused:  func(r Refused) { refused = append(refused, r.Number) },
		Progress: func(i Ingested) { told = append(told, i) },
	})
	if err != nil {
		t.Fatal(err)
	}
	expected := Ingested{Lines: 2505, Put: 2501, Refused: 2, Blank: 2, Bytes: 2500*26 + 25}
	if got != expected || len(told) < 3 || told[len(told)-1] != got {
		t.Errorf("ingested %+v, want %+v; told %+v", got, expected, told)
	}
	if !slices.Equal(refused, []int64{2502, 2503}) {
		t.Errorf("refused are %v", refused)
	}
	if d := cmp.Diff(want, all(t, e)); d != "" {
		t.Errorf("the incoming table differs:\n%s", d)
	}
}

func TestIngestFails(t *testing.T) {
	t.Parallel()
	e := openIntake(t)
	input := strings.Repeat("2026-03-01T10:00:00Z,de\n", entries.MaxPut+10)
	params := IngestParams{Protocol: "orders", Input: strings.NewReader(input), Refused: func(Refused) {}}
	to := &lossy{Intake: e, fail: fmt.Errorf("%w: of the test", entries.ErrBad)}
	got, err := ingest(t.Context(), to, csvProgram(t), params)
	if !errors.Is(err, entries.ErrBad) || got.Put != 0 || to.calls != 1 || !strings.Contains(err.Error(), "putting lines 1 to 1001") {
		t.Errorf("%+v, %v", got, err)
	}

	// An input that fails in the middle of a line: what stands before is put.
	broken := errors.New("the disk is broken")
	params.Input = io.MultiReader(strings.NewReader("ts,country\n2026-03-01T10:00:00Z,de\n2026-03-01T10:0"), failing{broken})
	got, err = ingest(t.Context(), e, csvProgram(t), params)
	if want := (Ingested{Lines: 2, Put: 1, Blank: 1, Bytes: 23}); !errors.Is(err, broken) || got != want {
		t.Errorf("%+v, want %+v: %v", got, want, err)
	}
}

// TestIngestStops: who stops it need not wait for more input, and what had come is in the table or said to be missing.
func TestIngestStops(t *testing.T) {
	t.Parallel()
	e := openIntake(t)
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	t.Cleanup(func() { _ = write.Close() })
	go func() { _, _ = io.WriteString(write, "ts,country\n2026-03-01T10:00:00Z,de\n") }()
	got, err := ingest(ctx, e, csvProgram(t), IngestParams{
		Protocol: "orders", Input: read, Refused: func(Refused) {},
		Progress: func(i Ingested) { stop() }, // nothing came for a while, so that it was put
	})
	if got.Put != 1 || err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "go on at line 3") {
		t.Errorf("%+v, %v", got, err)
	}
	if lines := all(t, e); len(lines) != 1 {
		t.Errorf("the incoming table has %q", lines)
	}
}

// TestIngestCutOff is stopped in the middle of a put: it says what is not known, and not what is told of replays.
func TestIngestCutOff(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]int{"the reply fails": 0, "the reply is lost": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			to := &lossy{Intake: cutting{openIntake(t), stop}, lose: lose}
			got, err := ingest(ctx, to, csvProgram(t), IngestParams{
				Protocol: "orders", Input: strings.NewReader("ts,country\n2026-03-01T10:00:00Z,de\n"), Refused: func(Refused) {},
			})
			if got.Put != 0 || err == nil || errors.Is(err, context.Canceled) || to.calls != 1 ||
				!strings.Contains(err.Error(), "while lines 1 to 2 were put") || !strings.Contains(err.Error(), "(from line 3 on)") {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// cutting is an intake whose caller is stopped while it puts.
type cutting struct {
	entries.Intake
	stop context.CancelFunc
}

func (c cutting) Put(ctx context.Context, list []entries.Entry) (int, error) {
	c.stop()
	return c.Intake.Put(ctx, list)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
