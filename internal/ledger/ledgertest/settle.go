package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

var (
	settleTests = []test{
		{"every state, epoch and way", testSettleTable},
		{"attempts are taken back once, never below 0", testSettleTakeBack},
		{"a failed cursor fences its late owner", testSettleFailedFences},
		{"refused", testSettleRefused},
	}
	reopenTests = []test{
		{"every state and epoch", testReopenTable},
		{"begins again", testReopenBeginsAgain},
	}
)

func testSettleTable(t *testing.T, f *fixture) {
	for _, state := range cursorStates {
		for epoch := int64(-1); epoch <= 1; epoch++ {
			for _, to := range []ledger.State{ledger.Pending, ledger.Failed} {
				for _, reason := range []string{"", "gunzip: corrupt input"} {
					before := full(fmt.Sprintf("%s %d %s %s", state, epoch, to, reason), state)
					f.insert(t, before)
					err := f.Settle(t.Context(), ledger.Settle{
						ID: before.CursorID, Epoch: before.Epoch + epoch, State: to, Error: reason, Now: after(time.Minute),
					})
					want := before
					if epoch != 0 || state == ledger.Finished || state == ledger.Failed && to == ledger.Pending {
						wantErr(t, err, ledger.ErrFenced)
					} else {
						must(t, err)
						want.State, want.Owner, want.OwnedUntil, want.StateChange = to, "", time.Time{}, after(time.Minute)
						if to == ledger.Failed {
							want.Epoch++
						}
						if reason != "" {
							want.Error = reason
						}
					}
					equal(t, before.Key, f.cursor(t, before.CursorID), want)
				}
			}
		}
	}
	wantErr(t, f.Settle(t.Context(), ledger.Settle{ID: id("none"), State: ledger.Pending, Now: start}), ledger.ErrFenced)
	_, err := f.Cursor(t.Context(), id("none"))
	wantErr(t, err, ledger.ErrNotFound)
}

func testSettleTakeBack(t *testing.T, f *fixture) {
	for i, c := range []struct {
		attempts int
		to       ledger.State
		takeBack bool
		want     int
	}{
		{3, ledger.Pending, true, 2}, {1, ledger.Pending, true, 0}, {0, ledger.Pending, true, 0},
		{3, ledger.Pending, false, 3}, {0, ledger.Pending, false, 0},
		{3, ledger.Failed, true, 3}, {3, ledger.Failed, false, 3},
	} {
		before := full(fmt.Sprint(i), ledger.Processing)
		before.NoProgress = c.attempts
		f.insert(t, before)
		s := ledger.Settle{ID: before.CursorID, Epoch: before.Epoch, State: c.to, TakeBack: c.takeBack, Now: start}
		must(t, f.Settle(t.Context(), s))
		equal(t, fmt.Sprintf("case %d", i), f.cursor(t, before.CursorID).NoProgress, c.want)
		if c.to == ledger.Pending {
			must(t, f.Settle(t.Context(), s)) // the same call after a lost reply: its claim is gone already
			equal(t, fmt.Sprintf("case %d, repeated", i), f.cursor(t, before.CursorID).NoProgress, c.want)
		}
	}
}

// testSettleFailedFences fails a cursor under its owner, as a watcher does: whatever the owner does later changes
// nothing, and neither does a second verdict.
func testSettleFailedFences(t *testing.T, f *fixture) {
	f.insert(t, full("a", ledger.Processing))
	failed := ledger.Settle{ID: id("a"), Epoch: 4, State: ledger.Failed, Error: "poison", Now: after(time.Minute)}
	must(t, f.Settle(t.Context(), failed))
	want := f.cursor(t, id("a"))
	wantErr(t, f.Commit(t.Context(), next("a", ledger.Finished)), ledger.ErrFenced)
	wantErr(t, f.Settle(t.Context(), failed), ledger.ErrFenced)
	wantErr(t, f.Settle(t.Context(), ledger.Settle{ID: id("a"), Epoch: 4, State: ledger.Pending, Now: start}), ledger.ErrFenced)
	equal(t, "cursor", f.cursor(t, id("a")), want)

	// Also after it began again: the epoch has moved on twice, and the new claim's is a third.
	must(t, f.Reopen(t.Context(), ledger.Reopen{ID: id("a"), Epoch: 5, ETag: `"e2"`, Size: 2, Now: after(2 * time.Minute)}))
	claimed := f.claim(t, "a", "w2")
	equal(t, "epoch", claimed.Epoch, int64(7))
	late := next("a", ledger.Finished)
	late.From = 0
	wantErr(t, f.Commit(t.Context(), late), ledger.ErrFenced)
	equal(t, "cursor", f.cursor(t, id("a")), claimed)
}

func testSettleRefused(t *testing.T, f *fixture) {
	before := full("a", ledger.Processing)
	f.insert(t, before)
	for _, state := range []ledger.State{ledger.Processing, ledger.Finished, ""} {
		refused(t, f.Settle(t.Context(), ledger.Settle{ID: before.CursorID, Epoch: 4, State: state, Now: start}))
	}
	equal(t, "cursor", f.cursor(t, before.CursorID), before)
}

func testReopenTable(t *testing.T, f *fixture) {
	for _, state := range cursorStates {
		for epoch := int64(-1); epoch <= 1; epoch++ {
			before := full(fmt.Sprint(state, epoch), state)
			before.Receipt = ledger.Receipt{Objects: 1, Lines: 2, Rows: 3}
			f.insert(t, before)
			r := ledger.Reopen{ID: before.CursorID, Epoch: before.Epoch + epoch, ETag: `"e2"`, Size: 2000, Now: after(time.Minute)}
			err := f.Reopen(t.Context(), r)
			want := before
			if state != ledger.Failed || epoch != 0 {
				wantErr(t, err, ledger.ErrFenced)
			} else {
				must(t, err)
				want = object(before.Key)
				want.Epoch, want.ETag, want.Size, want.StateChange = before.Epoch+1, `"e2"`, 2000, after(time.Minute)
				want.Error, want.Note = before.Error, before.Note
				wantErr(t, f.Reopen(t.Context(), r), ledger.ErrFenced) // repeated
			}
			equal(t, before.Key, f.cursor(t, before.CursorID), want)
		}
	}
	wantErr(t, f.Reopen(t.Context(), ledger.Reopen{ID: id("none"), Now: start}), ledger.ErrFenced)
}

// testReopenBeginsAgain takes an object from its failure to its end.
func testReopenBeginsAgain(t *testing.T, f *fixture) {
	before := full("a", ledger.Failed)
	f.insert(t, before)
	must(t, f.Reopen(t.Context(), ledger.Reopen{ID: before.CursorID, Epoch: 4, ETag: `"e2"`, Size: 5, Now: start}))
	c := f.claim(t, "a", "w2")
	equal(t, "claimed", []any{c.Epoch, c.NoProgress, c.Line, len(c.Partial), len(c.Segments)}, []any{int64(6), 1, int64(0), 0, 0})
	commit := next("a", ledger.Finished)
	commit.Epoch, commit.From = 6, 0
	must(t, f.Commit(t.Context(), commit))
	equal(t, "finished", f.cursor(t, id("a")), committed(c, commit))
}
