package ledgertest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

var cursorTests = []test{
	{"round trip", testCursorRoundTrip},
	{"not found", testCursorNotFound},
	{"insert leaves alone what is there", testInsertRepeated},
	{"insert what is finished", testInsertFinished},
	{"as many as there may be", testInsertMost},
	{"refused", testInsertRefused},
	{"odd keys", testOddKeys},
	{"an object named like a fold part", testNamedLikePart},
	{"note", testNote},
}

func testCursorRoundTrip(t *testing.T, f *fixture) {
	part := full("", ledger.Finished)
	part.CursorID, part.Receipt = partID(3, 14), ledger.Receipt{Objects: 1, Lines: 2, Rows: 3}
	large := full("large", ledger.Processing)
	large.Partial = []byte(strings.Repeat("\x00\xfe", ledger.MaxInline/2))
	large.Rejects = make([]ledger.Reject, ledger.MaxRejects)
	want := []ledger.Cursor{
		object("bare"), {CursorID: id("zero"), State: ledger.Pending}, part, large, full("pending", ledger.Pending),
		full("finished", ledger.Finished), full("failed", ledger.Failed),
	}
	f.insert(t, want...)
	for _, c := range want {
		equal(t, c.Key, f.cursor(t, c.CursorID), c)
	}
	got := f.cursor(t, id("bare"))
	if got.Partial != nil {
		t.Errorf("no partial became %q", got.Partial)
	}
	if !got.OwnedUntil.IsZero() {
		t.Errorf("no time became %s", got.OwnedUntil)
	}
}

func testCursorNotFound(t *testing.T, f *fixture) {
	f.insert(t, object("a"))
	for _, missing := range []ledger.CursorID{
		id("b"), id("A"), id("a "), {Replay: "other", Key: "a"}, {Replay: replay, Fold: true, Key: "a"}, partID(1, 0),
	} {
		_, err := f.Cursor(t.Context(), missing)
		wantErr(t, err, ledger.ErrNotFound)
	}
}

func testInsertRepeated(t *testing.T, f *fixture) {
	must(t, f.Insert(t.Context(), nil))
	f.insert(t, object("a"), object("b"))
	claimed := f.claim(t, "a", "w1")
	done := next("a", ledger.Processing)
	done.Epoch, done.From = 1, 0
	must(t, f.Commit(t.Context(), done))
	claimed = f.cursor(t, claimed.CursorID)

	again := full("a", ledger.Failed)
	again.Protocol = "ssl"
	f.insert(t, object("b"), again, object("c"))
	equal(t, "the claimed cursor", f.cursor(t, id("a")), claimed)
	equal(t, "the untouched one", f.cursor(t, id("b")), object("b"))
	equal(t, "the new one", f.cursor(t, id("c")), object("c"))
	equal(t, "cursors", len(all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay}))), 3)

	bare := object("d") // content of a repetition does not come to a cursor that has none
	f.insert(t, bare)
	f.insert(t, full("d", ledger.Pending))
	equal(t, "the one without content", f.cursor(t, id("d")), bare)
}

// testInsertFinished inserts cursors that nobody has ever claimed as FINISHED, as large as they may be: what a replay takes over.
func testInsertFinished(t *testing.T, f *fixture) {
	var cursors []ledger.Cursor
	var size, counted int64
	for i, key := range numbered("k", 16) {
		c := full(key, ledger.Finished)
		c.Epoch, c.NoProgress, c.Error, c.Note, c.Size = 0, 0, "", "", int64(i)
		c.Partial = []byte(strings.Repeat(string([]byte{byte(i), 0xfe}), ledger.MaxInline/2))
		cursors = append(cursors, c)
		size += c.Size
		counted += c.Counted
	}
	f.insert(t, cursors...)
	again := make([]ledger.Cursor, len(cursors))
	for i, c := range cursors { // a repetition that has decided otherwise
		again[i] = object(c.Key)
	}
	f.insert(t, again...)
	f.insert(t, object("other"))
	scan := ledger.ScanParams{Replay: replay, States: []ledger.State{ledger.Finished}, Partials: true}
	found := all(t, f.Scan(t.Context(), scan))
	equal(t, "finished", len(found), len(cursors))
	byKey := map[string]ledger.Cursor{}
	for _, c := range found {
		byKey[c.Key] = c
		equal(t, c.Key+" is taken over", c.Reused(), true)
	}
	for _, c := range cursors {
		for _, got := range []ledger.Cursor{byKey[c.Key], f.cursor(t, c.CursorID)} {
			equal(t, "the partial of "+c.Key, bytes.Equal(got.Partial, c.Partial), true) // byte for byte it would take half a minute
			got.Partial = c.Partial[:1]
			want := c
			want.Partial = got.Partial
			equal(t, c.Key, got, want)
		}
	}
	sum, err := f.Summarize(t.Context(), replay)
	must(t, err)
	equal(t, "open", sum.Open(), int64(1))
	done := sum.Objects[ledger.Finished]
	equal(t, "sum of the finished", []int64{done.Objects, done.Size, done.Counted, done.Rows}, []int64{16, size, counted, 16 * 7})

	first := cursors[0].CursorID
	stands, err := f.Claim(t.Context(), ledger.Claim{ID: first, Owner: "w1", Now: start, Until: after(time.Minute)})
	wantErr(t, err, ledger.ErrFinished)
	equal(t, "what stands", stands.State, ledger.Finished)
	wantErr(t, f.Settle(t.Context(), ledger.Settle{ID: first, State: ledger.Failed, Now: start}), ledger.ErrFenced)
	wantErr(t, f.Reopen(t.Context(), ledger.Reopen{ID: first, ETag: "e2", Now: start}), ledger.ErrFenced)
	equal(t, "after all that", f.cursor(t, first).State, ledger.Finished)
}

func testInsertMost(t *testing.T, f *fixture) {
	var cursors []ledger.Cursor
	for _, key := range numbered("k", ledger.MaxInsert+1) {
		cursors = append(cursors, object(key))
	}
	refused(t, f.Insert(t.Context(), cursors))
	f.insert(t, cursors[:ledger.MaxInsert]...)
	equal(t, "cursors", len(all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay}))), ledger.MaxInsert)
}

func testInsertRefused(t *testing.T, f *fixture) {
	for name, spoil := range map[string]func(c *ledger.Cursor){
		"no replay":             func(c *ledger.Cursor) { c.Replay = "" },
		"no key":                func(c *ledger.Cursor) { c.Key = "" },
		"a part without number": func(c *ledger.Cursor) { c.Fold = true },
		"a large partial":       func(c *ledger.Cursor) { c.Partial = make([]byte, ledger.MaxInline+1) },
		"many rejects":          func(c *ledger.Cursor) { c.Rejects = make([]ledger.Reject, ledger.MaxRejects+1) },
	} {
		c := object("a")
		spoil(&c)
		if err := f.Insert(t.Context(), []ledger.Cursor{object("good"), c}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	equal(t, "cursors", len(all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay}))), 0)
}

// oddKeys are names that S3 allows and that look like something else to a careless driver.
var oddKeys = []string{
	strings.Repeat("k", 1024), strings.Repeat("é", 512), "a", "A", "a ", " a", "a/", "a//b", "a%", "a_", `a'b"c\d`, "a#b", "#", "0", "00",
	"NULL", "a\tb\nc", "日本語/\U0001F600", "a\u0301", "\u00e1", "~", ".", "..", "-", "?x=1&y", "{}", "a\x7f", "fold#", "*", "\ufeffa",
}

func testOddKeys(t *testing.T, f *fixture) {
	for i, key := range oddKeys {
		c := object(key)
		c.Size = int64(i)
		f.insert(t, c)
	}
	for i, key := range oddKeys {
		c := f.claim(t, key, "w1")
		commit := ledger.Commit{ID: id(key), Epoch: 1, To: int64(i + 1), State: ledger.Pending, Partial: []byte(key[:1]), Now: start}
		must(t, f.Commit(t.Context(), commit))
		equal(t, key, c.Size, int64(i))
	}
	seen := map[string]int{}
	for _, c := range all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay, Partials: true})) {
		seen[c.Key]++
		equal(t, c.Key, c.Line, c.Size+1)
		equal(t, c.Key, string(c.Partial), c.Key[:1])
	}
	want := map[string]int{}
	for _, key := range oddKeys {
		want[key] = 1
	}
	equal(t, "scanned keys", seen, want)
}

func testNamedLikePart(t *testing.T, f *fixture) {
	twin, part := object(ledger.FoldKey(1, 0)), object("")
	part.CursorID, part.Size = partID(1, 0), 2
	f.insert(t, twin, part)
	equal(t, "object", f.cursor(t, twin.CursorID), twin)
	equal(t, "part", f.cursor(t, part.CursorID), part)
	_, err := f.Claim(t.Context(), ledger.Claim{ID: part.CursorID, Owner: "w1", Now: start, Until: after(time.Minute)})
	must(t, err)
	equal(t, "object", f.cursor(t, twin.CursorID), twin)
	must(t, f.Commit(t.Context(), ledger.Commit{ID: part.CursorID, Epoch: 1, State: ledger.Finished, Partial: []byte("x"), Now: start}))
	equal(t, "object", f.cursor(t, twin.CursorID), twin)
	equal(t, "objects", keys(all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay}))), map[string]int{twin.Key: 1})
	equal(t, "parts", keys(all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay, Fold: 1}))), map[string]int{part.Key: 1})
}

func testNote(t *testing.T, f *fixture) {
	for _, state := range cursorStates {
		want := full(string(state), state)
		f.insert(t, want)
		for _, note := range []string{"ours gave way", "", "again"} {
			must(t, f.Note(t.Context(), want.CursorID, note))
			want.Note = note
			equal(t, "noted", f.cursor(t, want.CursorID), want)
		}
	}
	wantErr(t, f.Note(t.Context(), id("none"), "x"), ledger.ErrNotFound)
	wantErr(t, f.Note(t.Context(), partID(1, 1), "x"), ledger.ErrNotFound)
	must(t, f.Commit(t.Context(), next("PROCESSING", ledger.Pending))) // a note is no fence, and no commit wipes it
	equal(t, "note", f.cursor(t, id("PROCESSING")).Note, "again")
}

var cursorStates = []ledger.State{ledger.Pending, ledger.Processing, ledger.Finished, ledger.Failed}
