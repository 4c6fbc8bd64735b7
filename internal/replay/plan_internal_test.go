package replay

import (
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
)

// TestPlanTime: more workers help where there is something for them, and a processor for it.
func TestPlanTime(t *testing.T) {
	t.Parallel()
	const much = 1 << 20
	for name, c := range map[string]struct {
		aws            bool
		objects, rows  float64
		workers, slots int // instead of one worker of two slots, on two processors
		quicker        bool
	}{
		"embedded, on the same machine":    {objects: much, rows: much * rowsPerPart, workers: 8, slots: 2},
		"embedded, a slot each":            {objects: much, rows: much * rowsPerPart, workers: 2, slots: 1},
		"machines":                         {aws: true, objects: much, rows: much * rowsPerPart, workers: 8, slots: 2, quicker: true},
		"more slots wait":                  {aws: true, objects: much, workers: 1, slots: 8, quicker: true},
		"two objects":                      {aws: true, objects: 2, workers: 8, slots: 2},
		"two objects and one part":         {aws: true, objects: 2, rows: 9, workers: 8, slots: 2},
		"two objects and more than a part": {aws: true, objects: 2, rows: rowsPerPart, workers: 8, slots: 2, quicker: true},
		"nothing to read, one part":        {aws: true, rows: 9, workers: 8, slots: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := Plan{Cores: 2, Rows: exactly(c.rows)}
			s := sums{objects: c.objects, cpu: exactly(c.objects), wait: c.objects}
			one := plan.time(PlanParams{AWS: c.aws, Workers: 1, Slots: 2}, s)
			got := plan.time(PlanParams{AWS: c.aws, Workers: c.workers, Slots: c.slots}, s)
			if got.Low < one.Low != c.quicker || got.High < one.High != c.quicker || got.Low > one.Low || got.High > one.High {
				t.Errorf("%+v with %d workers of %d slots, %+v with one of two", got, c.workers, c.slots, one)
			}
		})
	}
}

// TestLoanBytes: what is sealed is copied as well, and takes its room.
func TestLoanBytes(t *testing.T) {
	t.Parallel()
	var l loan
	l.add(&ledger.Cursor{Partial: make([]byte, 10), Segments: []ledger.Segment{{Bytes: 100}, {Bytes: 1000}}})
	l.add(&ledger.Cursor{Partial: make([]byte, 1)})
	if l.bytes != 1111 {
		t.Errorf("%v bytes, want 1111", l.bytes)
	}
}
