package replay_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/worker"
)

// scanned calls before every scan of partials.
type scanned struct {
	ledger.Ledger
	before func()
}

func (l scanned) Scan(ctx context.Context, p ledger.ScanParams) iter.Seq2[ledger.Cursor, error] {
	if p.Partials {
		l.before()
	}
	return l.Ledger.Scan(ctx, p)
}

// TestInterimPasses: an object that is finished between two passes of one part is in the rows of both or of none.
func TestInterimPasses(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	texts := func(prefix string, n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint(prefix, i))
		}
		return all
	}
	first, second := texts("a", 1500), texts("b", 300)
	s.put("logs/dns/1", first...)
	s.put("logs/dns/2", second...)
	s.put("logs/dns/3", "open")
	program, err := stats.Compile(definition("dns"))
	if err != nil {
		t.Fatal(err)
	}
	d := s.driver("watcher", nil)
	p := params("dns")
	p.FoldEvery = 1
	r := s.start(d, p)
	tasks(t, s.work)
	s.finishCounted(program, r.ID, "logs/dns/1", first...)
	look(t, d)
	scans := 0
	stop := s.pool(func(o *worker.Options) {
		o.Memory = 1 // so that the part is done in two passes
		o.Ledger = scanned{o.Ledger, func() {
			if scans++; scans == 3 { // after the attempt that was too large, and the first of the two
				s.finishCounted(program, r.ID, "logs/dns/2", second...)
			}
		}}
	})
	shown := int64(0)
	until(t, "an interim fold", func() bool {
		s.folded(r.ID)
		look(t, d)
		g, err := s.ledger.Generation(context.Background(), "dns", 1)
		shown = g.Base
		return err == nil && shown > 0
	})
	stop()
	rows := len(s.rows("dns", 1))
	t.Logf("%d scans, fold %d is shown", scans, shown)
	if rows != len(first) && rows != len(first)+len(second) {
		t.Errorf("readers see %d rows, of the first object are %d, of both %d", rows, len(first), len(first)+len(second))
	}
}
