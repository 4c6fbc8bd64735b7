package replay_test

import (
	"context"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

func TestReadUnknown(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a")
	d := s.driver("one", nil)
	_, err := d.Read(ctx, "dns", "queries", 0)
	wantError(t, err, replay.ErrUnknown, "dns", "never been replayed")
	_, err = d.Read(ctx, "dns", "queries", 1)
	wantError(t, err, replay.ErrUnknown, "no generation 1")
	r := s.running("dns")
	_, err = d.Read(ctx, "dns", "queries", 0)
	wantError(t, err, replay.ErrUnknown, "generation 1 is being built by "+r.ID)
	s.wantRows("dns", 1, nil) // the building one, if asked for by its number
	s.workers()
	s.done(r.ID)
	s.watch(d, r.ID, ledger.Finished)
	for _, generation := range []int64{0, 1} {
		s.wantRows("dns", generation, map[string]int{"a": 1})
		_, err = d.Read(ctx, "dns", "answers", generation)
		wantError(t, err, replay.ErrUnknown, `"answers"`, "it has queries")
	}
	for _, generation := range []int64{-1, 2} {
		_, err = d.Read(ctx, "dns", "queries", generation)
		wantError(t, err, replay.ErrUnknown, "no generation")
	}
}

// TestReadBase reads the fold that the generation names, and live parts, and nothing of other folds, be they older or
// under way.
func TestReadBase(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	ctx := context.Background()
	s.put("logs/dns/1", "a", "b")
	r := s.running("dns")
	s.workers()
	s.done(r.ID)
	s.watch(s.driver("one", nil), r.ID, ledger.Finished)
	var rows []ledger.Row
	for row, err := range s.ledger.Rows(ctx, ledger.RowsParams{Protocol: "dns", Generation: 1, Statistic: "queries", Base: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	put := func(name string, rows []ledger.Row) {
		t.Helper()
		if err := s.ledger.PutRows(ctx, ledger.Part{Protocol: "dns", Generation: 1, Name: name}, rows); err != nil {
			t.Fatal(err)
		}
	}
	put(ledger.BasePart(2, 0), rows)
	put("live.7", rows)
	s.wantRows("dns", 0, map[string]int{"a": 2, "b": 2})
	g, err := s.ledger.Generation(ctx, "dns", 1)
	if err != nil {
		t.Fatal(err)
	}
	g.Base = 3 // of which no row is there
	if err := s.ledger.Write(ctx, ledger.Writes{Generations: []ledger.Generation{g}}); err != nil {
		t.Fatal(err)
	}
	s.wantRows("dns", 0, map[string]int{"a": 1, "b": 1})
}

// TestReadPurged has the rows go while they are read: the reader says so, rather than show what was left.
func TestReadPurged(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a", "b", "c")
	s.workers()
	for range 2 {
		r := s.running("dns")
		s.done(r.ID)
		s.watch(s.driver("one", nil), r.ID, ledger.Finished)
	}
	s.wantRows("dns", 1, map[string]int{"a": 1, "b": 1, "c": 1})
	var once sync.Once
	reader := s.driver("reader", &tap{hook: func(c call) error {
		if c.name == "Rows" {
			once.Do(func() {
				d := s.driver("one", nil)
				r := s.running("dns")
				s.done(r.ID)
				s.watch(d, r.ID, ledger.Finished)
				until(t, "the purge", func() bool { look(t, d); return len(s.protocol("dns").Purging) == 0 })
			})
		}
		return nil
	}})
	_, err := reader.Read(context.Background(), "dns", "queries", 1)
	wantError(t, err, replay.ErrUnknown, "generation 1 of dns", "removed")
}
