package ledgertest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-56345083/reprise/internal/ledger"
)

var modelTests = []test{{"one cursor in any order of calls", testModel}}

// testModel drives one cursor through random calls, by owners with the present epoch and with old ones, while the clock
// moves, and compares every answer and the whole cursor with a model that is as plain as the contract's sentences.
func testModel(t *testing.T, f *fixture) {
	var n atomic.Int64
	rapid.Check(t, func(r *rapid.T) {
		m := &model{f: f, now: start, cursor: object(fmt.Sprint(n.Add(1)))}
		f.insert(r, m.cursor)
		r.Repeat(map[string]func(*rapid.T){
			"": func(r *rapid.T) { equal(r, "cursor", f.cursor(r, m.cursor.CursorID), m.cursor) },
			"wait": func(r *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.Int64Range(1, 90).Draw(r, "seconds")) * time.Second)
			},
			"claim":  m.claim,
			"commit": m.commit,
			"settle": m.settle,
			"reopen": m.reopen,
			"insert": func(r *rapid.T) { f.insert(r, object(m.cursor.Key)) },
			"note": func(r *rapid.T) {
				m.cursor.Note = rapid.SampledFrom([]string{"", "gave way"}).Draw(r, "note")
				must(r, f.Note(r.Context(), m.cursor.CursorID, m.cursor.Note))
			},
		})
	})
}

type model struct {
	f      *fixture
	now    time.Time
	cursor ledger.Cursor
}

// epoch draws the cursor's, mostly, or another.
func (m *model) epoch(r *rapid.T) int64 {
	return m.cursor.Epoch + rapid.SampledFrom([]int64{0, 0, 0, 0, -1, -2, 1}).Draw(r, "epoch off by")
}

// check compares an error with the model's.
func (m *model) check(r *rapid.T, got, want error) {
	r.Helper()
	if !errors.Is(got, want) || (want == nil && got != nil) {
		r.Fatalf("got error %v, want %v; cursor %+v", got, want, m.cursor)
	}
}

func (m *model) claim(r *rapid.T) {
	c := ledger.Claim{ID: m.cursor.CursorID, Owner: rapid.SampledFrom([]string{"w1", "w2"}).Draw(r, "owner"), Now: m.now}
	c.Until = m.now.Add(time.Duration(rapid.Int64Range(0, 60).Draw(r, "seconds")) * time.Second)
	var want error
	switch {
	case m.cursor.State == ledger.Finished:
		want = ledger.ErrFinished
	case m.cursor.State == ledger.Failed:
		want = ledger.ErrFailed
	case m.cursor.State == ledger.Processing && m.cursor.OwnedUntil.After(m.now):
		want = ledger.ErrOwned
	default:
		m.cursor.State, m.cursor.Owner, m.cursor.OwnedUntil, m.cursor.StateChange = ledger.Processing, c.Owner, c.Until, c.Now
		m.cursor.Epoch++
		m.cursor.NoProgress++
	}
	got, err := m.f.Claim(r.Context(), c)
	m.check(r, err, want)
	equal(r, "the claim's cursor", got, m.cursor)
}

func (m *model) commit(r *rapid.T) {
	from := m.cursor.Line + rapid.SampledFrom([]int64{0, 0, 0, 0, 1, -1}).Draw(r, "line off by")
	c := ledger.Commit{ID: m.cursor.CursorID, Epoch: m.epoch(r), From: max(from, 0), Now: m.now}
	c.To = c.From + rapid.Int64Range(0, 3).Draw(r, "lines")
	c.State = rapid.SampledFrom([]ledger.State{ledger.Processing, ledger.Processing, ledger.Pending, ledger.Finished}).Draw(r, "state")
	c.Accounts, c.Rows = accounts(c.To), c.To
	if seconds := rapid.Int64Range(0, 60).Draw(r, "seconds"); seconds > 30 {
		c.Until = m.now.Add(time.Duration(seconds) * time.Second)
	}
	if rapid.Bool().Draw(r, "content") {
		c.Partial = []byte(fmt.Sprint("partial ", c.To))
		c.Segments = []ledger.Segment{{Epoch: c.Epoch, To: c.To}}
		c.Rejects = []ledger.Reject{{Line: c.To, Reason: "bad"}}
		c.Frame, c.Receipt = ledger.Frame{Offset: c.To}, ledger.Receipt{Lines: c.To}
	}
	if m.cursor.State != ledger.Processing || c.Epoch != m.cursor.Epoch || c.From != m.cursor.Line {
		m.check(r, m.f.Commit(r.Context(), c), ledger.ErrFenced)
		return
	}
	m.check(r, m.f.Commit(r.Context(), c), nil)
	m.cursor = committed(m.cursor, c)
}

func (m *model) settle(r *rapid.T) {
	s := ledger.Settle{
		ID: m.cursor.CursorID, Epoch: m.epoch(r), State: rapid.SampledFrom([]ledger.State{ledger.Pending, ledger.Failed}).Draw(r, "state"),
		TakeBack: rapid.Bool().Draw(r, "take back"), Error: rapid.SampledFrom([]string{"", "went wrong"}).Draw(r, "reason"), Now: m.now,
	}
	err := m.f.Settle(r.Context(), s)
	again := m.cursor.State == ledger.Failed && s.State == ledger.Failed
	if s.Epoch != m.cursor.Epoch || (m.cursor.State != ledger.Pending && m.cursor.State != ledger.Processing && !again) {
		m.check(r, err, ledger.ErrFenced)
		return
	}
	m.check(r, err, nil)
	if s.State == ledger.Failed {
		m.cursor.Epoch++
	} else if s.TakeBack && m.cursor.State == ledger.Processing && m.cursor.NoProgress > 0 {
		m.cursor.NoProgress--
	}
	if s.Error != "" {
		m.cursor.Error = s.Error
	}
	m.cursor.State, m.cursor.StateChange, m.cursor.Owner, m.cursor.OwnedUntil = s.State, s.Now, "", time.Time{}
}

func (m *model) reopen(r *rapid.T) {
	o := ledger.Reopen{ID: m.cursor.CursorID, Epoch: m.epoch(r), ETag: `"e2"`, Size: 5, Now: m.now}
	err := m.f.Reopen(r.Context(), o)
	if o.Epoch != m.cursor.Epoch || m.cursor.State != ledger.Failed {
		m.check(r, err, ledger.ErrFenced)
		return
	}
	m.check(r, err, nil)
	fresh := object(m.cursor.Key)
	fresh.ETag, fresh.Size, fresh.Epoch, fresh.StateChange = o.ETag, o.Size, m.cursor.Epoch+1, o.Now
	fresh.Error, fresh.Note = m.cursor.Error, m.cursor.Note
	m.cursor = fresh
}
