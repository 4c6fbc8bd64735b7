package ledgertest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
)

var segmentTests = []test{
	{"round trip", testSegmentRoundTrip},
	{"written once", testSegmentOnce},
	{"deleted by replay", testSegmentDelete},
}

func testSegmentRoundTrip(t *testing.T, f *fixture) {
	base := ledger.Segment{Epoch: 3, From: 10, To: 20, Bytes: 5}
	twin, other := ledger.CursorID{Replay: replay, Key: ledger.FoldKey(1, 0)}, ledger.CursorID{Replay: "01JOTHER", Key: "a"}
	names := []struct {
		id ledger.CursorID
		s  ledger.Segment
	}{
		{id("a"), base}, {id("b"), base}, {other, base}, {twin, base}, {partID(1, 0), base},
		{id("a"), ledger.Segment{Epoch: 4, From: 10, To: 20}}, {id("a"), ledger.Segment{Epoch: 3, From: 11, To: 20}},
		{id("a"), ledger.Segment{Epoch: 3, From: 10, To: 21}}, {id(oddKeys[0]), base}, {id(oddKeys[1]), base},
	}
	for i, n := range names {
		_, err := f.Segment(t.Context(), n.id, n.s)
		wantErr(t, err, ledger.ErrNotFound)
		must(t, f.PutSegment(t.Context(), n.id, n.s, []byte(fmt.Sprintf("\x00blob %d", i))))
	}
	for i, n := range names {
		got, err := f.Segment(t.Context(), n.id, n.s)
		must(t, err)
		equal(t, "blob", string(got), fmt.Sprintf("\x00blob %d", i))
	}
	large := bytes.Repeat([]byte("\xff\x00large"), 700_000) // 5 MB
	s := ledger.Segment{Epoch: 9, From: 0, To: 1}
	must(t, f.PutSegment(t.Context(), id("a"), s, large))
	got, err := f.Segment(t.Context(), id("a"), s)
	must(t, err)
	if !bytes.Equal(got, large) {
		t.Error("a large blob came back changed")
	}
}

func testSegmentOnce(t *testing.T, f *fixture) {
	s := ledger.Segment{Epoch: 1, From: 0, To: 5, Bytes: 5}
	must(t, f.PutSegment(t.Context(), id("a"), s, []byte("first")))
	must(t, f.PutSegment(t.Context(), id("a"), s, []byte("second")))
	got, err := f.Segment(t.Context(), id("a"), s)
	must(t, err)
	equal(t, "blob", string(got), "first")
}

func testSegmentDelete(t *testing.T, f *fixture) {
	for i := range int64(25) {
		for _, r := range []string{replay, "01JOTHER"} {
			name := ledger.CursorID{Replay: r, Key: fmt.Sprint(i % 3)}
			must(t, f.PutSegment(t.Context(), name, ledger.Segment{Epoch: 1, From: i, To: i + 1}, []byte("x")))
		}
	}
	total, calls := 0, 0
	for {
		n, err := f.DeleteSegments(t.Context(), replay, 10)
		must(t, err)
		if n == 0 {
			break
		}
		if n > 10 {
			t.Fatalf("deleted %d, at most 10 were to go", n)
		}
		total += n
		calls++
	}
	equal(t, "deleted", total, 25)
	if calls < 3 {
		t.Errorf("25 segments went in %d calls of 10", calls)
	}
	for i := range int64(25) {
		s := ledger.Segment{Epoch: 1, From: i, To: i + 1}
		_, err := f.Segment(t.Context(), id(fmt.Sprint(i%3)), s)
		wantErr(t, err, ledger.ErrNotFound)
		_, err = f.Segment(t.Context(), ledger.CursorID{Replay: "01JOTHER", Key: fmt.Sprint(i % 3)}, s)
		must(t, err)
	}
	_, err := f.DeleteSegments(t.Context(), "01JOTHER", 0)
	refused(t, err)
}
