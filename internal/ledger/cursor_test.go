package ledger

import (
	"math"
	"testing"
)

func TestFoldKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		number int64
		part   int
	}{{1, 0}, {2, 14}, {math.MaxInt64, math.MaxInt32}} {
		number, part, err := ParseFoldKey(FoldKey(c.number, c.part))
		if err != nil || number != c.number || part != c.part {
			t.Errorf("%v came back as %d, %d, %v", c, number, part, err)
		}
	}
	for _, key := range []string{
		"", "fold", "fold#", "fold#1", "fold#1#", "fold##1", "fold#1#0#", "fold#0#1", "fold#-1#0", "fold#1#-1", "fold#01#0", "fold#+1#0",
		"fold#1#00", "Fold#1#0", "fold#1#0 ", "fold#x#0", "fold#9223372036854775808#0",
	} {
		if number, part, err := ParseFoldKey(key); err == nil {
			t.Errorf("%q was taken as part %d of fold %d", key, part, number)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	one := Tally{Objects: 1, Size: 2, Rows: 3, Lines: 4, Accounts: Accounts{
		Read: 5, Counted: 6, AfterCutoff: 7, Rejected: 8, Blank: 9, Consumed: 10, Bytes: 11,
	}}
	s := Summary{Objects: map[State]Tally{Pending: one, Processing: one, Finished: one, Failed: one}}
	want := Tally{Objects: 4, Size: 8, Rows: 12, Lines: 16, Accounts: Accounts{
		Read: 20, Counted: 24, AfterCutoff: 28, Rejected: 32, Blank: 36, Consumed: 40, Bytes: 44,
	}}
	if got := s.Total(); got != want {
		t.Errorf("total %+v, want %+v", got, want)
	}
	if got := s.Open(); got != 2 {
		t.Errorf("%d open, want 2", got)
	}
	if got := (Summary{}).Open(); got != 0 {
		t.Errorf("%d open of none", got)
	}
}
