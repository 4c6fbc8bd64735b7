package live

import (
	"context"
	"iter"
	"testing"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// misfiling shows entries in the index of another protocol than their own, where their producer has put them.
type misfiling struct {
	entries.Entries
	list []entries.Entry
}

func (m misfiling) Unfinished(ctx context.Context, protocol string) iter.Seq2[entries.Unfinished, error] {
	return func(yield func(entries.Unfinished, error) bool) {
		for _, e := range m.list {
			if !yield(entries.Unfinished{ID: e.ID, TS: e.TS}, nil) {
				return
			}
		}
		m.Entries.Unfinished(ctx, protocol)(yield)
	}
}

func TestMisfiledEntriesAreNoConcernOfTheIndexTheyAreIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	s.add(ledger.Generation{Protocol: "ssl", Number: 1}, first())
	lines := makeLines(120, 20)
	mine, other, nobody := s.put(lines), s.putOf("ssl", lines), s.putOf("DNS", lines)
	c := s.counterOf(s.l, misfiling{s.e, append(other, nobody...)})
	if err := c.Sweep(t.Context(), protocol); err != nil {
		t.Errorf("a replay would wait for entries of other protocols: %v", err)
	}
	s.wants(1, countFirst(lines))
	s.marked(mine, 1)
	s.marked(other, 1) // the feed may have forgotten them, and no other index shows them
	got, _ := s.rowsOf("ssl", 1)
	compare(t, "ssl", got, countFirst(lines))
	if !s.counted(nobody) {
		t.Error("entries of a protocol without a generation are counted")
	}
}

// inflow is a table into which somebody else puts something whenever it is looked at, up to some times.
type inflow struct {
	entries.Entries
	s           *site
	reads, sees int
}

const looks = 100

func (i *inflow) Feed(ctx context.Context, shard, position string, limit int) (entries.Records, error) {
	if i.reads++; i.reads <= looks {
		i.s.put(makeLines(1, 1))
	}
	r, err := i.Entries.Feed(ctx, shard, position, limit)
	r.More = r.More || len(r.Entries) > 0 // as DynamoDB's
	return r, err
}

func (i *inflow) Unfinished(ctx context.Context, protocol string) iter.Seq2[entries.Unfinished, error] {
	if i.sees++; i.sees <= looks {
		i.s.put(makeLines(1, 1))
	}
	return i.Entries.Unfinished(ctx, protocol)
}

func TestOnceEndsThoughMoreComesAllTheTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines := makeLines(200, 20)
	list := s.put(lines)
	e := &inflow{Entries: s.e, s: s}
	if err := s.consumer("a", s.l, e, once).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e.reads >= looks || e.sees >= looks {
		t.Errorf("%d reads of the feed and %d sweeps: it would never have ended", e.reads, e.sees)
	}
	s.marked(list, 1)
}
