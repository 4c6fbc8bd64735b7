package live

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/internal/ledger"
)

func TestADeathAtAnyCallOfAConsumer(t *testing.T) {
	t.Parallel()
	lines := makeLines(150, 10)
	run := func(t *testing.T, p *faults.Plan) (*site, []entries.Entry) {
		t.Helper()
		s := newSite(t)
		s.add(ledger.Generation{Number: 1}, first())
		list := s.put(lines)
		c := s.consumer("a", faults.Ledger(s.l, p), faults.Entries(s.e, p), func(o *ConsumerOptions) {
			o.Once, o.Lease, o.Save, o.Patience = true, time.Hour, time.Nanosecond, time.Millisecond
		})
		if err := c.Run(t.Context()); err == nil && p.Dead() {
			t.Error("a dead process says that it is done")
		}
		return s, list
	}
	count := faults.Count()
	run(t, count)
	calls, times := count.Calls(), map[string]int{}
	for n, name := range calls {
		if times[name]++; times[name] > 3 { // they are alike
			continue
		}
		for _, f := range []faults.Fault{faults.DieAfter, faults.Reply} {
			t.Run(fmt.Sprintf("%d %s %s", n, name, f), func(t *testing.T) {
				t.Parallel()
				s, list := run(t, faults.Cut(n, f))
				before := s.position()
				if !s.counted(list[:before], 1) {
					t.Errorf("the checkpoint is at %d, and not all before it is counted", before)
				}
				if err := s.l.ReleaseLease(t.Context(), leaseOf("entries"), "a"); err != nil { // its time is over
					t.Fatal(err)
				}
				if err := s.consumer("b", s.l, s.e, once).Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.wants(1, countFirst(lines))
			})
		}
	}
}
