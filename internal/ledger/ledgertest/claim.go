package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

var (
	claimTests  = []test{{"every state and owner", testClaimTable}, {"none is there", testClaimNotFound}, {"again and again", testClaimRepeated}}
	commitTests = []test{
		{"replaces everything", testCommitReplaces},
		{"every state, epoch and line", testCommitTable},
		{"every way of progress", testCommitProgress},
		{"repeated", testCommitRepeated},
		{"content", testCommitContent},
		{"the owner's time", testCommitUntil},
		{"refused", testCommitRefused},
		{"after the owner's time", testCommitLate},
	}
)

func testClaimTable(t *testing.T, f *fixture) {
	now := after(time.Hour)
	for i, c := range []struct {
		state ledger.State
		owner string
		until time.Time
		want  error
	}{
		{ledger.Pending, "", time.Time{}, nil},
		{ledger.Pending, "w1", after(2 * time.Hour), nil}, // whoever had it, PENDING is free
		{ledger.Processing, "w1", after(2 * time.Hour), ledger.ErrOwned},
		{ledger.Processing, "w2", after(2 * time.Hour), ledger.ErrOwned}, // also for the owner itself
		{ledger.Processing, "w1", now.Add(1), ledger.ErrOwned},
		{ledger.Processing, "w1", now, nil},
		{ledger.Processing, "w1", now.Add(-1), nil},
		{ledger.Processing, "w2", start, nil},
		{ledger.Processing, "", time.Time{}, nil},
		{ledger.Finished, "", time.Time{}, ledger.ErrFinished},
		{ledger.Finished, "w1", start, ledger.ErrFinished},
		{ledger.Finished, "w1", after(2 * time.Hour), ledger.ErrFinished},
		{ledger.Failed, "", time.Time{}, ledger.ErrFailed},
		{ledger.Failed, "w1", start, ledger.ErrFailed},
		{ledger.Failed, "w1", after(2 * time.Hour), ledger.ErrFailed},
	} {
		before := full(fmt.Sprint(i), c.state)
		before.Owner, before.OwnedUntil = c.owner, c.until
		f.insert(t, before)
		got, err := f.Claim(t.Context(), ledger.Claim{ID: before.CursorID, Owner: "w2", Now: now, Until: after(3 * time.Hour)})
		what := fmt.Sprintf("case %d: %s of %q until %s", i, c.state, c.owner, c.until)
		want := before
		if c.want != nil {
			wantErr(t, err, c.want)
		} else {
			must(t, err)
			want.State, want.Epoch, want.NoProgress = ledger.Processing, before.Epoch+1, before.NoProgress+1
			want.Owner, want.OwnedUntil, want.StateChange = "w2", after(3*time.Hour), now
		}
		equal(t, what+": returned", got, want)
		equal(t, what+": stored", f.cursor(t, before.CursorID), want)
	}
}

func testClaimNotFound(t *testing.T, f *fixture) {
	f.insert(t, object("a"))
	for _, missing := range []ledger.CursorID{id("b"), {Replay: "other", Key: "a"}, partID(1, 0)} {
		_, err := f.Claim(t.Context(), ledger.Claim{ID: missing, Owner: "w1", Now: start, Until: after(time.Minute)})
		wantErr(t, err, ledger.ErrNotFound)
	}
}

// testClaimRepeated lets a cursor be claimed by one dead worker after the other: the fencing epoch and the attempts
// rise with each, and each learns what the last commit left.
func testClaimRepeated(t *testing.T, f *fixture) {
	f.insert(t, object("a"))
	for n := range 5 {
		now := after(time.Duration(n) * time.Minute)
		c, err := f.Claim(t.Context(), ledger.Claim{ID: id("a"), Owner: "w", Now: now, Until: now.Add(time.Minute)})
		must(t, err)
		equal(t, "epoch and attempts", [2]int64{c.Epoch, int64(c.NoProgress)}, [2]int64{int64(n) + 1, int64(n) + 1})
		_, err = f.Claim(t.Context(), ledger.Claim{ID: id("a"), Owner: "w", Now: now, Until: now.Add(time.Hour)})
		wantErr(t, err, ledger.ErrOwned)
	}
}

// committed is what a cursor becomes by a commit that it accepts.
func committed(before ledger.Cursor, c ledger.Commit) ledger.Cursor {
	want := before
	want.State, want.Line, want.StateChange = c.State, c.To, c.Now
	want.Frame, want.Accounts, want.Rejects, want.Segments = c.Frame, c.Accounts, c.Rejects, c.Segments
	want.Partial, want.Rows, want.Receipt = c.Partial, c.Rows, c.Receipt
	if c.To > c.From || c.State == ledger.Finished {
		want.NoProgress = 0
	}
	if c.State != ledger.Processing {
		want.Owner, want.OwnedUntil = "", time.Time{}
	} else if !c.Until.IsZero() {
		want.OwnedUntil = c.Until
	}
	return want
}

func testCommitReplaces(t *testing.T, f *fixture) {
	for _, state := range []ledger.State{ledger.Processing, ledger.Pending, ledger.Finished} {
		before := full(string(state), ledger.Processing)
		f.insert(t, before)
		c := next(before.Key, state)
		must(t, f.Commit(t.Context(), c))
		want := before
		want.State, want.Line, want.NoProgress, want.StateChange = state, 90, 0, after(time.Minute)
		want.Frame, want.Accounts, want.Rejects, want.Segments = c.Frame, c.Accounts, c.Rejects, c.Segments
		want.Partial, want.Rows, want.Receipt = c.Partial, c.Rows, c.Receipt
		if state != ledger.Processing { // Processing keeps the owner
			want.Owner, want.OwnedUntil = "", time.Time{}
		}
		equal(t, string(state), f.cursor(t, before.CursorID), want)

		bare := ledger.Commit{ID: before.CursorID, Epoch: 4, From: 90, To: 91, State: state, Now: after(2 * time.Minute)}
		if state == ledger.Processing { // what is not given is gone: nothing is added up
			must(t, f.Commit(t.Context(), bare))
			equal(t, "bare", f.cursor(t, before.CursorID), committed(want, bare))
		}
	}
}

// testCommitTable tries every combination of the cursor's state and of an epoch and a line below, at and above the
// cursor's. One of them fits; all others leave no trace.
func testCommitTable(t *testing.T, f *fixture) {
	for _, state := range cursorStates {
		for epoch := int64(-1); epoch <= 1; epoch++ {
			for line := int64(-1); line <= 1; line++ {
				before := full(fmt.Sprintf("%s %d %d", state, epoch, line), state)
				f.insert(t, before)
				for _, to := range []ledger.State{ledger.Processing, ledger.Pending, ledger.Finished} {
					c := next(before.Key, to)
					c.Epoch, c.From = before.Epoch+epoch, before.Line+line
					err := f.Commit(t.Context(), c)
					if state == ledger.Processing && epoch == 0 && line == 0 {
						must(t, err)
						break // testCommitReplaces looks at the others
					}
					wantErr(t, err, ledger.ErrFenced)
					equal(t, before.Key, f.cursor(t, before.CursorID), before)
				}
			}
		}
	}
	wantErr(t, f.Commit(t.Context(), next("none", ledger.Pending)), ledger.ErrFenced)
	_, err := f.Cursor(t.Context(), id("none"))
	wantErr(t, err, ledger.ErrNotFound)
}

func testCommitProgress(t *testing.T, f *fixture) {
	for i, c := range []struct {
		to    int64
		state ledger.State
		want  int
	}{
		{71, ledger.Processing, 0}, {71, ledger.Pending, 0}, {71, ledger.Finished, 0},
		{70, ledger.Processing, 2}, {70, ledger.Pending, 2}, {70, ledger.Finished, 0},
	} {
		before := full(fmt.Sprint(i), ledger.Processing)
		f.insert(t, before)
		commit := next(before.Key, c.state)
		commit.To = c.to
		must(t, f.Commit(t.Context(), commit))
		got := f.cursor(t, before.CursorID)
		equal(t, fmt.Sprintf("to line %d, %s", c.to, c.state), got.NoProgress, c.want)
		equal(t, "all", got, committed(before, commit))
	}
}

// testCommitRepeated sends every commit a second time, as after a lost reply. It is fenced, unless it changes neither
// the line nor the owner and so still finds its condition; either way the cursor stays what the first one made it.
func testCommitRepeated(t *testing.T, f *fixture) {
	for _, state := range []ledger.State{ledger.Processing, ledger.Pending, ledger.Finished} {
		for _, to := range []int64{70, 90} {
			before := full(fmt.Sprint(state, to), ledger.Processing)
			f.insert(t, before)
			c := next(before.Key, state)
			c.To = to
			must(t, f.Commit(t.Context(), c))
			want := f.cursor(t, before.CursorID)
			err := f.Commit(t.Context(), c)
			if state == ledger.Processing && to == 70 {
				must(t, err)
			} else {
				wantErr(t, err, ledger.ErrFenced)
			}
			equal(t, before.Key, f.cursor(t, before.CursorID), want)
			// How a worker finds out that the first one happened: its epoch, and the line that it wrote.
			equal(t, "epoch and line", [2]int64{want.Epoch, want.Line}, [2]int64{4, to})
		}
	}
}

func testCommitContent(t *testing.T, f *fixture) {
	f.insert(t, object("a"))
	f.claim(t, "a", "w1")
	line := int64(0)
	large := make([]byte, ledger.MaxInline)
	for i := range large {
		large[i] = byte(i * i >> 3)
	}
	segments := make([]ledger.Segment, 200)
	for i := range segments {
		segments[i] = ledger.Segment{Epoch: 1, From: int64(i), To: int64(i + 1), Bytes: 1 << 40}
	}
	for _, c := range []ledger.Commit{
		{Partial: large, Rows: 1 << 40, Rejects: make([]ledger.Reject, ledger.MaxRejects)},
		{},
		{Partial: []byte{0}, Segments: segments},
		{Segments: segments[:1]},
		{Rejects: []ledger.Reject{{Line: 1, Reason: ""}}},
		{Partial: large[:1]},
		{Partial: large, Accounts: accounts(1 << 50), Receipt: ledger.Receipt{Objects: 1 << 50, Lines: 1 << 51, Held: 1 << 50, Rows: 1 << 52}},
	} {
		c.ID, c.Epoch, c.From, c.To, c.State, c.Now = id("a"), 1, line, line+1, ledger.Processing, start
		line++
		before := f.cursor(t, c.ID)
		must(t, f.Commit(t.Context(), c))
		got := f.cursor(t, c.ID)
		equal(t, "cursor", got, committed(before, c))
		if c.Partial == nil && got.Partial != nil {
			t.Errorf("no partial became %q", got.Partial)
		}
	}
}

// testCommitUntil extends or shortens the owner's time by a commit that keeps the cursor; others ignore it.
func testCommitUntil(t *testing.T, f *fixture) {
	for i, c := range []struct {
		state       ledger.State
		until, want time.Time
	}{
		{ledger.Processing, time.Time{}, after(10 * time.Minute)},
		{ledger.Processing, after(20 * time.Minute), after(20 * time.Minute)},
		{ledger.Processing, after(5 * time.Minute), after(5 * time.Minute)},
		{ledger.Pending, after(20 * time.Minute), time.Time{}},
		{ledger.Finished, after(20 * time.Minute), time.Time{}},
	} {
		f.insert(t, full(fmt.Sprint(i), ledger.Processing))
		commit := next(fmt.Sprint(i), c.state)
		commit.Until = c.until
		must(t, f.Commit(t.Context(), commit))
		equal(t, fmt.Sprintf("case %d", i), f.cursor(t, commit.ID).OwnedUntil, c.want)
	}
}

func testCommitRefused(t *testing.T, f *fixture) {
	before := full("a", ledger.Processing)
	f.insert(t, before)
	for _, spoil := range []func(c *ledger.Commit){
		func(c *ledger.Commit) { c.To = 69 },
		func(c *ledger.Commit) { c.State = ledger.Failed },
		func(c *ledger.Commit) { c.State = "" },
		func(c *ledger.Commit) { c.Partial = make([]byte, ledger.MaxInline+1) },
		func(c *ledger.Commit) { c.Rejects = make([]ledger.Reject, ledger.MaxRejects+1) },
	} {
		c := next("a", ledger.Pending)
		spoil(&c)
		refused(t, f.Commit(t.Context(), c))
		equal(t, "cursor", f.cursor(t, before.CursorID), before)
	}
}

// testCommitLate commits long after the owner's time: no clock decides, only whether somebody else has claimed.
func testCommitLate(t *testing.T, f *fixture) {
	f.insert(t, full("a", ledger.Processing), full("b", ledger.Processing))
	late := next("a", ledger.Processing)
	late.Now = after(time.Hour)
	must(t, f.Commit(t.Context(), late))

	taken, err := f.Claim(t.Context(), ledger.Claim{ID: id("b"), Owner: "w2", Now: after(time.Hour), Until: after(2 * time.Hour)})
	must(t, err)
	late.ID = id("b")
	wantErr(t, f.Commit(t.Context(), late), ledger.ErrFenced)
	equal(t, "cursor", f.cursor(t, id("b")), taken)
}
