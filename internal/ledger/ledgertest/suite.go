// Package ledgertest is the contract of package ledger as a suite: every driver passes it, and what it does not test is
// not promised.
//
// It needs only a way to open an empty ledger. Times are values of the test, never the clock's, and nothing sleeps, so
// the suite runs in parallel and says the same on every machine. Bench measures the calls that a replay's speed and
// price hang on.
package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/suites"
)

// Harness opens what is tested.
type Harness struct {
	// Driver names what is tested, and on what: "sqsqueue on fauxqs".
	Driver string
	// Open returns a ledger without any records that is closed when the test ends.
	Open func(tb testing.TB) ledger.Ledger
	// Again returns a second handle on the store behind a ledger that Open returned, as another process would have it.
	// nil: the tests that need one are skipped.
	Again func(tb testing.TB, l ledger.Ledger) ledger.Ledger
	// Many is how many cursors there are in tests of more than one page; 0: 3500. A driver whose pages are made of bytes
	// tests those itself, and may say less here where its store is slow.
	Many int
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	suite := suites.Begin(t, "ledger", h.Driver)
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Meta", metaTests}, {"Cursors", cursorTests}, {"Scan", scanTests}, {"Summarize", summaryTests},
		{"Claim", claimTests}, {"Commit", commitTests}, {"Settle", settleTests}, {"Reopen", reopenTests},
		{"Segments", segmentTests}, {"Rows", rowTests}, {"Purge", purgeTests}, {"Leases", leaseTests}, {"Race", raceTests},
		{"Model", modelTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					suite.Test(t)
					test.run(t, &fixture{Ledger: h.Open(t), h: h})
				})
			}
		})
	}
}

// test is one case of the suite, with a ledger of its own.
type test struct {
	name string
	run  func(t *testing.T, f *fixture)
}

// fixture is a ledger whose writes must succeed.
type fixture struct {
	ledger.Ledger
	h Harness
}

// reporter is a testing.TB, or the T of a property test.
type reporter interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

const replay = "01JREPLAY0000000000000000A"

// start is when the tests take place; it has nanoseconds, which no driver may drop.
var start = time.Date(2026, 3, 24, 12, 0, 0, 123456789, time.UTC)

func after(d time.Duration) time.Time { return start.Add(d) }

func id(key string) ledger.CursorID { return ledger.CursorID{Replay: replay, Key: key} }

func partID(fold int64, part int) ledger.CursorID {
	return ledger.CursorID{Replay: replay, Fold: true, Key: ledger.FoldKey(fold, part)}
}

// object is a cursor as a listing makes it.
func object(key string) ledger.Cursor {
	return ledger.Cursor{CursorID: id(key), Protocol: "dns", State: ledger.Pending, ETag: `"e1"`, Size: 1000, StateChange: start}
}

// accounts are different figures that close, for a cursor at line.
func accounts(line int64) ledger.Accounts {
	return ledger.Accounts{
		Read: line - 1, Counted: line - 6, AfterCutoff: 3, Rejected: 2, Blank: 1, Consumed: 10 * line, Bytes: 100 * line,
	}
}

// full is a cursor in the state with every field filled: of epoch 4, at line 70, owned for ten minutes by w1 where it is
// PROCESSING.
func full(key string, state ledger.State) ledger.Cursor {
	c := object(key)
	c.State, c.Line, c.Epoch, c.NoProgress = state, 70, 4, 2
	c.Frame = ledger.Frame{Offset: 512, Line: 60, Codec: "gzip"}
	c.Accounts, c.Rows = accounts(70), 7
	c.Rejects = []ledger.Reject{{Line: 5, Reason: "no timestamp"}, {Line: 9, Reason: "not JSON: \x01 \u2028"}}
	c.Error, c.Note = "reading: connection reset", "tags gave way"
	c.Segments = []ledger.Segment{{Epoch: 1, From: 0, To: 30, Bytes: 1000}, {Epoch: 3, From: 30, To: 50, Bytes: 2000}}
	c.Partial = []byte{0, 1, 2, 0xff, 0}
	if state == ledger.Processing {
		c.Owner, c.OwnedUntil = "w1", after(10*time.Minute)
	}
	return c
}

// next is a commit that full(key, Processing) accepts, with every field changed.
func next(key string, state ledger.State) ledger.Commit {
	return ledger.Commit{
		ID: id(key), Epoch: 4, From: 70, To: 90, State: state, Frame: ledger.Frame{Offset: 900, Line: 80, Codec: "zstd"},
		Accounts: accounts(90), Rejects: []ledger.Reject{{Line: 77, Reason: "too long"}},
		Segments: []ledger.Segment{{Epoch: 4, From: 0, To: 80, Bytes: 5000}}, Partial: []byte("new partial"), Rows: 9,
		Receipt: ledger.Receipt{Objects: 3, Lines: 33, Held: 32, Rows: 333, Unlike: "logs/a"}, Now: after(time.Minute),
	}
}

func (f *fixture) insert(t reporter, cursors ...ledger.Cursor) {
	t.Helper()
	must(t, f.Insert(t.Context(), cursors))
}

// cursor reads one that is there.
func (f *fixture) cursor(t reporter, id ledger.CursorID) ledger.Cursor {
	t.Helper()
	c, err := f.Cursor(t.Context(), id)
	must(t, err)
	return c
}

// claim takes a cursor that can be taken.
func (f *fixture) claim(t reporter, key, owner string) ledger.Cursor {
	t.Helper()
	c, err := f.Claim(t.Context(), ledger.Claim{ID: id(key), Owner: owner, Now: start, Until: after(time.Minute)})
	must(t, err)
	return c
}

func must(t reporter, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("got error: %v", err)
	}
}

// wantErr checks for a sentinel of the contract.
func wantErr(t reporter, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// refused checks for an error about the call itself.
func refused(t reporter, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error for a call that cannot be right")
	}
	for _, s := range []error{ledger.ErrConflict, ledger.ErrFenced, ledger.ErrThrottled, ledger.ErrNotFound} {
		if errors.Is(err, s) {
			t.Fatalf("got %v, which says that another call might succeed", err)
		}
	}
}

// equal compares; nil and empty slices are the same, times are instants.
func equal(t reporter, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// all reads a sequence to its end.
func all[T any](t reporter, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var list []T
	for v, err := range seq {
		must(t, err)
		list = append(list, v)
	}
	return list
}

func keys(cursors []ledger.Cursor) map[string]int {
	m := map[string]int{}
	for _, c := range cursors {
		m[c.Key]++
	}
	return m
}

// numbered are the keys prefix000000 … in order.
func numbered(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%06d", prefix, i)
	}
	return list
}
