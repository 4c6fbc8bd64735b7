package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

var (
	scanTests = []test{
		{"filters", testScanFilters},
		{"with and without partials", testScanPartials},
		{"many", testScanMany},
		{"early stop", testScanStop},
		{"changes meanwhile", testScanMutation},
		{"errors", testScanErrors},
	}
	summaryTests = []test{
		{"recount", testSummarize},
		{"of nothing", testSummarizeNothing},
		{"oldest", testSummarizeOldest},
	}
)

// mixed are cursors of three protocols in all states with their own figures, parts of two folds and another replay.
func mixed() []ledger.Cursor {
	var list []ledger.Cursor
	for i := range 120 {
		c := full(fmt.Sprintf("%03d", i*77%120), cursorStates[i%4])
		c.Protocol = []string{"dns", "ssl", "weird"}[i%3]
		c.Line, c.Size, c.Rows = int64(i+10), int64(i*i), int64(3*i)
		c.Accounts = accounts(c.Line)
		c.StateChange = after(time.Duration(i*31%120) * time.Second)
		if i%5 > 0 {
			c.Note = ""
		}
		list = append(list, c)
	}
	for i := range 12 {
		c := full("", cursorStates[i%3])
		c.CursorID = partID(int64(1+i%2), i)
		c.StateChange = start.Add(-time.Hour)
		list = append(list, c)
	}
	other := full("000", ledger.Pending)
	other.Replay, other.StateChange = "01JOTHER", start.Add(-2*time.Hour)
	return append(list, other)
}

func testScanFilters(t *testing.T, f *fixture) {
	list := mixed()
	f.insert(t, list...)
	for _, replay := range []string{replay, "01JOTHER", "none"} {
		for _, fold := range []int64{0, 1, 2, 3} {
			for _, protocol := range []string{"", "dns", "ssl", "none"} {
				for _, states := range [][]ledger.State{
					nil, {ledger.Pending}, {ledger.Failed}, {ledger.Finished, ledger.Processing}, {ledger.Pending, ledger.Pending},
					{ledger.Processing, ledger.Failed, ledger.Finished, ledger.Pending},
				} {
					p := ledger.ScanParams{Replay: replay, Fold: fold, Protocol: protocol, States: states}
					want := map[ledger.CursorID]ledger.Cursor{}
					for _, c := range list {
						if fits(c, p) {
							c.Partial, c.Rejects, c.Segments = nil, nil, nil
							want[c.CursorID] = c
						}
					}
					got := map[ledger.CursorID]ledger.Cursor{}
					for _, c := range all(t, f.Scan(t.Context(), p)) {
						if _, twice := got[c.CursorID]; twice {
							t.Fatalf("%+v: %s came twice", p, c.Key)
						}
						got[c.CursorID] = c
					}
					equal(t, fmt.Sprintf("%+v", p), got, want)
				}
			}
		}
	}
}

// fits is the filter of a scan, once more.
func fits(c ledger.Cursor, p ledger.ScanParams) bool {
	if c.Replay != p.Replay || c.Fold != (p.Fold > 0) || (p.Protocol != "" && c.Protocol != p.Protocol) {
		return false
	}
	if c.Fold {
		if n, _, _ := ledger.ParseFoldKey(c.Key); n != p.Fold {
			return false
		}
	}
	for _, s := range p.States {
		if s == c.State {
			return true
		}
	}
	return len(p.States) == 0
}

func testScanPartials(t *testing.T, f *fixture) {
	var list []ledger.Cursor
	for i := range 150 {
		c := full(fmt.Sprint(i), ledger.Finished)
		c.Partial = []byte(fmt.Sprintf("partial %d", i))
		if i%3 == 0 {
			c.Partial, c.Rejects, c.Segments = nil, nil, nil
		}
		list = append(list, c)
	}
	f.insert(t, list...)
	for _, states := range [][]ledger.State{nil, {ledger.Finished}} {
		want, got := map[string]ledger.Cursor{}, map[string]ledger.Cursor{}
		for _, c := range list {
			want[c.Key] = c
		}
		for _, c := range all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay, Partials: true, States: states})) {
			got[c.Key] = c
		}
		equal(t, "with partials", got, want)
	}
	for _, c := range all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay})) {
		if c.Partial != nil || c.Rejects != nil || c.Segments != nil {
			t.Fatalf("%s came with content", c.Key)
		}
	}
}

// many is more than the pages of a driver that counts cursors.
const many = 3500

func (f *fixture) many() int {
	if f.h.Many > 0 {
		return f.h.Many
	}
	return many
}

func (f *fixture) insertMany(t reporter, n int) (want map[string]int) {
	t.Helper()
	want = map[string]int{}
	var page []ledger.Cursor
	for i, key := range numbered("dns/", n) {
		want[key] = 1
		if page = append(page, object(key)); len(page) == ledger.MaxInsert || i == n-1 {
			f.insert(t, page...)
			page = nil
		}
	}
	return want
}

func testScanMany(t *testing.T, f *fixture) {
	want := f.insertMany(t, f.many())
	equal(t, "all", keys(all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay}))), want)
	equal(t, "by state", keys(all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay, States: []ledger.State{ledger.Pending}}))), want)
	equal(t, "with partials", keys(all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay, Partials: true}))), want)
}

func testScanStop(t *testing.T, f *fixture) {
	f.insertMany(t, 1200)
	for _, partials := range []bool{false, true} {
		for _, stop := range []int{1, 64, 65, 1000, 1001} {
			n := 0
			for _, err := range f.Scan(t.Context(), ledger.ScanParams{Replay: replay, Partials: partials}) {
				must(t, err)
				if n++; n == stop {
					break
				}
			}
			equal(t, "cursors", n, stop)
			f.claim(t, fmt.Sprintf("dns/%06d", stop+100*boolInt(partials)), "w") // nothing is left locked
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// testScanMutation writes from the loop's body: every cursor changes its state when it comes, also to one that the scan
// looks for, and new ones are inserted. Whatever fitted all the time comes once, nothing comes twice.
func testScanMutation(t *testing.T, f *fixture) {
	want := f.insertMany(t, f.many())
	got := map[string]int{}
	states := []ledger.State{ledger.Pending, ledger.Processing}
	for c, err := range f.Scan(t.Context(), ledger.ScanParams{Replay: replay, States: states}) {
		must(t, err)
		got[c.Key]++
		if len(got)%10 == 0 && got[c.Key] == 1 && want[c.Key] == 1 {
			f.claim(t, c.Key, "w")
			f.insert(t, object(c.Key+"+"), object("a"+c.Key))
		}
	}
	for key, n := range got {
		if n > 1 {
			t.Fatalf("%s came %d times", key, n)
		}
	}
	for key := range want {
		if got[key] != 1 {
			t.Fatalf("%s did not come", key)
		}
	}
}

func testScanErrors(t *testing.T, f *fixture) {
	f.insert(t, object("a"))
	n := 0
	for _, err := range f.Scan(t.Context(), ledger.ScanParams{}) {
		n++
		refused(t, err)
	}
	equal(t, "yields of a scan of no replay", n, 1)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n = 0
	for _, err := range f.Scan(ctx, ledger.ScanParams{Replay: replay}) {
		if n++; !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want %v", err, context.Canceled)
		}
	}
	equal(t, "yields of a scan that is cancelled", n, 1)
}

// testSummarize adds up the inserted list itself.
func testSummarize(t *testing.T, f *fixture) {
	list := mixed()
	f.insert(t, list...)
	want := ledger.Summary{
		Objects: map[ledger.State]ledger.Tally{}, Protocol: map[string]ledger.Tally{}, Parts: map[int64]map[ledger.State]int64{1: {}, 2: {}},
	}
	for _, c := range list {
		switch {
		case c.Replay != replay:
		case c.Fold:
			n, _, err := ledger.ParseFoldKey(c.Key)
			must(t, err)
			want.Parts[n][c.State]++
		default:
			one := ledger.Tally{Objects: 1, Size: c.Size, Rows: c.Rows, Lines: c.Line, Accounts: c.Accounts}
			s, p := want.Objects[c.State], want.Protocol[c.Protocol]
			s.Add(one)
			p.Add(one)
			want.Objects[c.State], want.Protocol[c.Protocol] = s, p
			if c.Note != "" {
				want.Notes++
			}
			open := c.State == ledger.Pending || c.State == ledger.Processing
			if open && (want.Oldest.IsZero() || c.StateChange.Before(want.Oldest)) {
				want.Oldest = c.StateChange
			}
		}
	}
	got, err := f.Summarize(t.Context(), replay)
	must(t, err)
	equal(t, "summary", got, want)
	equal(t, "open", got.Open(), int64(60))
	equal(t, "total", got.Total().Objects, int64(120))
}

func testSummarizeNothing(t *testing.T, f *fixture) {
	f.insert(t, mixed()...)
	got, err := f.Summarize(t.Context(), "none")
	must(t, err)
	equal(t, "summary", got, ledger.Summary{})
}

func testSummarizeOldest(t *testing.T, f *fixture) {
	oldest := func() time.Time {
		s, err := f.Summarize(t.Context(), replay)
		must(t, err)
		return s.Oldest
	}
	a, b, c := object("a"), object("b"), full("c", ledger.Failed)
	b.StateChange, c.StateChange = after(1), start.Add(-time.Hour)
	f.insert(t, a, b, c)
	equal(t, "both are open", oldest(), start)
	_, err := f.Claim(t.Context(), ledger.Claim{ID: id("a"), Owner: "w", Now: after(time.Minute), Until: after(time.Hour)})
	must(t, err)
	equal(t, "a is claimed", oldest(), after(1))
	must(t, f.Settle(t.Context(), ledger.Settle{ID: id("b"), State: ledger.Failed, Now: after(2)}))
	equal(t, "b is failed", oldest(), after(time.Minute))
	must(t, f.Commit(t.Context(), ledger.Commit{ID: id("a"), Epoch: 1, To: 1, State: ledger.Finished, Now: after(3)}))
	equal(t, "none is open", oldest(), time.Time{})
}
