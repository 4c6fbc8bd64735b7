package live

import (
	"fmt"
	"testing"

	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// dying is a site with two generations and some entries, of which the older half is counted in the first generation.
func dying(t *testing.T) (s *site, lines []string) {
	t.Helper()
	s = newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	lines = makeLines(60, 40)
	list := s.put(lines)
	if err := s.counter().Count(t.Context(), protocol, list[:30]); err != nil {
		t.Fatal(err)
	}
	s.add(ledger.Generation{Number: 2}, second())
	return s, lines
}

// faulty is a counter of the site whose calls meet what the plan says.
func (s *site) faulty(p *faults.Plan) *Counter {
	return s.counterOf(faults.Ledger(s.l, p), faults.Entries(s.e, p))
}

func TestADeathAtAnyCallLeavesNothingHalfCounted(t *testing.T) {
	t.Parallel()
	s, _ := dying(t)
	count := faults.Count()
	if err := s.faulty(count).Sweep(t.Context(), protocol); err != nil {
		t.Fatal(err)
	}
	calls := count.Calls()
	if len(calls) < 8 {
		t.Fatalf("a sweep makes %d calls: %v", len(calls), calls)
	}
	times := map[string]int{}
	for n, name := range calls {
		if times[name]++; times[name] > 3 { // they are alike
			continue
		}
		for _, f := range []faults.Fault{faults.DieAfter, faults.Reply} {
			t.Run(fmt.Sprintf("%d %s %s", n, name, f), func(t *testing.T) {
				t.Parallel()
				s, lines := dying(t)
				plan := faults.Cut(n, f)
				err := s.faulty(plan).Sweep(t.Context(), protocol)
				if plan.Dead() && err == nil {
					t.Error("a dead process says that it has swept")
				}
				if err != nil {
					if err := s.counter().Sweep(t.Context(), protocol); err != nil {
						t.Fatal(err)
					}
				}
				s.wants(1, countFirst(lines))
				s.wants(2, countSecond(lines))
			})
		}
	}
}

func TestRandomFaults(t *testing.T) {
	t.Parallel()
	dice := newDice(t)
	s := newSite(t)
	s.add(ledger.Generation{Number: 1}, first())
	s.add(ledger.Generation{Number: 2}, second())
	lines := makeLines(600, 300)
	list := s.put(lines)
	plan := faults.Random(dice.Uint64(), faults.Rates{Before: 0.1, Reply: 0.1})
	c := s.faulty(plan)
	for some := range len(list) / 100 {
		_ = c.Count(t.Context(), protocol, list[some*100:(some+1)*100]) // what it names may be counted all the same: replies are lost
	}
	for range 50 {
		if c.Sweep(t.Context(), protocol) == nil {
			break
		}
	}
	if err := s.counter().Sweep(t.Context(), protocol); err != nil { // whatever the faults have left, one without any finds
		t.Fatal(err)
	}
	s.wants(1, countFirst(lines))
	s.wants(2, countSecond(lines))
	s.marked(list, 1, 2)
}
