// Package entriestest is the contract of package entries as a suite: every driver passes it, and what it does not test is
// not promised.
//
// It needs a way to open an empty store with the ledger beside it, since both share transactions. What an index or a stream
// shows is waited for, never assumed. Bench measures the calls that the live side's speed and price hang on.
package entriestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/suites"
)

// Harness opens what is tested.
type Harness struct {
	// Driver names what is tested, and on what: "dynamoentries on DynamoDB Local".
	Driver string
	// Open returns entries without any records, and the ledger that they share their transactions with, both closed when
	// the test ends.
	Open func(tb testing.TB) (ledger.Ledger, entries.Entries)
	// Again returns a second handle on the store behind entries that Open returned, as another process would have it. nil:
	// the tests that need one are skipped.
	Again func(tb testing.TB, e entries.Entries) entries.Entries
	// Many is how many entries there are in tests of more than one page; 0: 1200.
	Many int
	// ExpiresItself says that the store removes what is over by itself, at a time of its own, and Expire does nothing.
	ExpiresItself bool
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	suite := suites.Begin(t, "entries", h.Driver)
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Intake", intakeTests}, {"Unfinished", unfinishedTests}, {"Count", countTests}, {"LiveRows", rowTests},
		{"MergeLive", mergeTests}, {"Batches", batchTests}, {"Join", joinTests}, {"Archived", archivedTests},
		{"Feed", feedTests}, {"Race", raceTests}, {"Model", modelTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					suite.Test(t)
					l, e := h.Open(t)
					test.run(t, &fixture{Entries: e, ledger: l, h: h})
				})
			}
		})
	}
}

// test is one case of the suite, with a store of its own.
type test struct {
	name string
	run  func(t *testing.T, f *fixture)
}

// fixture is a store whose writes must succeed.
type fixture struct {
	entries.Entries
	ledger ledger.Ledger
	h      Harness
}

func (f *fixture) many() int {
	if f.h.Many > 0 {
		return f.h.Many
	}
	return 1200
}

// reporter is a testing.TB, or the T of a property test.
type reporter interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// start is when the tests take place; it has nanoseconds, which no driver may drop.
var start = time.Date(2026, 3, 24, 12, 0, 0, 123456789, time.UTC)

func after(d time.Duration) time.Time { return start.Add(d) }

// entry is one of dns; its line is of its own.
func entry(id string) entries.Entry {
	return entries.Entry{ID: id, Protocol: "dns", TS: start, Line: []byte("line of " + id)}
}

func fresh(ids ...string) []entries.Entry {
	list := make([]entries.Entry, len(ids))
	for i, id := range ids {
		list[i] = entry(id)
	}
	return list
}

// numbered are the ids prefix000000 … in order.
func numbered(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%06d", prefix, i)
	}
	return list
}

// put puts entries that are not there yet.
func (f *fixture) put(t reporter, list ...entries.Entry) {
	t.Helper()
	for page := range slices.Chunk(list, entries.MaxPut) {
		there, err := f.Put(t.Context(), page)
		must(t, err)
		equal(t, "entries there before", there, 0)
	}
}

// read reads any number of entries, by their ids.
func (f *fixture) read(t reporter, ids ...string) map[string]entries.Entry {
	t.Helper()
	found := map[string]entries.Entry{}
	for page := range slices.Chunk(ids, entries.MaxRead) {
		list, err := f.Read(t.Context(), page)
		must(t, err)
		for _, e := range list {
			if _, twice := found[e.ID]; twice {
				t.Fatalf("entry %q was read twice", e.ID)
			}
			found[e.ID] = e
		}
	}
	return found
}

// one reads an entry that is there.
func (f *fixture) one(t reporter, id string) entries.Entry {
	t.Helper()
	e, ok := f.read(t, id)[id]
	if !ok {
		t.Fatalf("entry %q is gone", id)
	}
	return e
}

func byID(list []entries.Entry) map[string]entries.Entry {
	m := map[string]entries.Entry{}
	for _, e := range list {
		m[e.ID] = e
	}
	return m
}

// meta sets a protocol's epoch and generations.
func (f *fixture) meta(t reporter, name string, epoch int64, gens ...int64) {
	t.Helper()
	p, err := f.ledger.Protocol(t.Context(), name)
	must(t, err)
	p.Epoch, p.Gens = epoch, gens
	must(t, f.ledger.Write(t.Context(), ledger.Writes{Protocols: []ledger.Protocol{p}}))
}

func part(generation int64, slot int) ledger.Part {
	return ledger.Part{Protocol: "dns", Generation: generation, Name: entries.LivePart(slot)}
}

// row is a row of statistic queries; its state is binary.
func row(key, value, version string) entries.LiveRow {
	return entries.LiveRow{Version: version, Row: ledger.Row{
		Statistic: "queries", Day: "2018-03-24", Key: key, Dims: []byte(`["` + key + `"]`),
		Measures: []byte(`{"n":"` + value + `"}`), State: []byte("\x00\xff" + value),
	}}
}

func key(k string) entries.RowKey {
	return entries.RowKey{Statistic: "queries", Day: "2018-03-24", Key: k}
}

func counted(ids ...string) []entries.Counted {
	list := make([]entries.Counted, len(ids))
	for i, id := range ids {
		list[i].ID = id
	}
	return list
}

func (f *fixture) count(t reporter, c entries.Count) {
	t.Helper()
	must(t, f.Count(t.Context(), c))
}

// countIn counts entries in generations, without rows.
func (f *fixture) countIn(t reporter, ids []string, gens ...int64) {
	t.Helper()
	for _, g := range gens {
		for page := range slices.Chunk(ids, entries.MaxItems) {
			f.count(t, entries.Count{Part: part(g, 0), Entries: counted(page...)})
		}
	}
}

// liveRow reads one row.
func (f *fixture) liveRow(t reporter, p ledger.Part, k entries.RowKey) entries.LiveRow {
	t.Helper()
	list, err := f.LiveRows(t.Context(), p, []entries.RowKey{k})
	must(t, err)
	if len(list) != 1 {
		t.Fatalf("%d rows for one key", len(list))
	}
	return list[0]
}

// placed are the live rows of statistic queries, by part and key.
func (f *fixture) placed(t reporter, generation int64) map[string]entries.LiveRow {
	t.Helper()
	m := map[string]entries.LiveRow{}
	for _, r := range all(t, f.LiveParts(t.Context(), "dns", generation, "queries")) {
		at := r.Part + " " + r.Day + " " + r.Key
		if _, twice := m[at]; twice {
			t.Fatalf("row %s came twice", at)
		}
		m[at] = r.LiveRow
	}
	return m
}

func members(ids ...string) []entries.Member {
	list := make([]entries.Member, len(ids))
	for i, id := range ids {
		list[i] = entries.Member{ID: id, TS: start}
	}
	return list
}

// batch is one of dns as it is opened.
func batch(id string, epoch int64) entries.Batch {
	return entries.Batch{ID: id, Protocol: "dns", Epoch: epoch, State: entries.Open, Key: "logs/dns/" + id, Opened: start}
}

// open opens a batch.
func (f *fixture) open(t reporter, id string, epoch int64) entries.Batch {
	t.Helper()
	b := batch(id, epoch)
	must(t, f.OpenBatch(t.Context(), b))
	return b
}

// join adds entries that may join, each of 10 bytes.
func (f *fixture) join(t reporter, b entries.Batch, gens []int64, ids ...string) entries.Batch {
	t.Helper()
	joined, err := f.Join(t.Context(), entries.Join{Batch: b, Gens: gens, Members: members(ids...), Bytes: int64(10 * len(ids))})
	must(t, err)
	return joined
}

func (f *fixture) unwritten(t reporter, protocol string) []entries.Batch {
	t.Helper()
	list, err := f.Unwritten(t.Context(), protocol)
	must(t, err)
	return list
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
func refused(t reporter, what string, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: got no error for a call that cannot be right", what)
	}
	for _, s := range []error{
		entries.ErrStale, entries.ErrConflict, entries.ErrEpoch, entries.ErrClosed, entries.ErrNotFound, ledger.ErrThrottled,
	} {
		if errors.Is(err, s) {
			t.Fatalf("%s: got %v, which says that another call might succeed", what, err)
		}
	}
}

// quickly compares long lines, which cmp would do byte by byte.
var quickly = cmp.FilterValues(func(a, b []byte) bool { return len(a) > 0 || len(b) > 0 }, cmp.Comparer(bytes.Equal))

// equal compares; nil and empty slices are the same, times are instants.
func equal(t reporter, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), quickly); d != "" {
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

// patience is how long an index or a stream may lag before a test gives up; far more than any does, on a machine that is
// far too slow.
const patience = 2 * time.Minute

// eventually waits until ok, asked again and again, is true.
func eventually(t reporter, what string, ok func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-late.C:
			t.Fatalf("%s: not so after %s", what, patience)
		case <-t.Context().Done():
			t.Fatalf("%s: %v", what, t.Context().Err())
		}
	}
}
