package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

var raceTests = []test{
	{"one of many claims", testRaceClaim},
	{"one of many commits", testRaceCommit},
	{"commit against settle", testRaceSettle},
	{"one of many leases", testRaceLease},
	{"inserts of one page", testRaceInsert},
	{"a second handle", testSecondHandle},
}

const racers = 8

// race calls f from several goroutines at once and tells how many calls had no error. Others must be want.
func race(t *testing.T, want error, f func(n int) error) (won int) {
	t.Helper()
	var wins atomic.Int64
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for n := range racers {
		wg.Go(func() {
			<-gate
			switch err := f(n); {
			case err == nil:
				wins.Add(1)
			case want == nil || !errors.Is(err, want):
				t.Errorf("racer %d: got error %v, want none or %v", n, err, want)
			}
		})
	}
	close(gate)
	wg.Wait()
	return int(wins.Load())
}

func testRaceClaim(t *testing.T, f *fixture) {
	for round := range 20 {
		key := fmt.Sprint(round)
		before := object(key)
		if round%2 == 1 { // an owner whose time is over
			before = full(key, ledger.Processing)
		}
		f.insert(t, before)
		owners := make([]string, racers)
		won := race(t, ledger.ErrOwned, func(n int) error {
			c, err := f.Claim(t.Context(), ledger.Claim{ID: id(key), Owner: fmt.Sprint(n), Now: after(time.Hour), Until: after(2 * time.Hour)})
			owners[n] = c.Owner
			return err
		})
		equal(t, "winners", won, 1)
		got := f.cursor(t, id(key))
		equal(t, "epoch", got.Epoch, before.Epoch+1)
		equal(t, "attempts", got.NoProgress, before.NoProgress+1)
		for n, owner := range owners { // the losers were told who has it
			equal(t, fmt.Sprintf("owner seen by %d", n), owner, got.Owner)
		}
	}
}

func testRaceCommit(t *testing.T, f *fixture) {
	for round := range 10 {
		key := fmt.Sprint(round)
		f.insert(t, full(key, ledger.Processing))
		won := race(t, ledger.ErrFenced, func(n int) error {
			c := next(key, ledger.Processing)
			c.To = int64(100 + n)
			c.Partial = []byte(fmt.Sprint(c.To))
			return f.Commit(t.Context(), c)
		})
		equal(t, "winners", won, 1)
		got := f.cursor(t, id(key))
		equal(t, "line and partial are of one commit", string(got.Partial), fmt.Sprint(got.Line))
	}
}

// testRaceSettle lets half of the racers commit and half give up: one of them has the last word.
func testRaceSettle(t *testing.T, f *fixture) {
	for round := range 10 {
		key := fmt.Sprint(round)
		f.insert(t, full(key, ledger.Processing))
		won := race(t, ledger.ErrFenced, func(n int) error {
			if n%2 == 0 {
				return f.Commit(t.Context(), next(key, ledger.Finished))
			}
			return f.Settle(t.Context(), ledger.Settle{ID: id(key), Epoch: 4, State: ledger.Failed, Error: "poison", Now: start})
		})
		equal(t, "winners", won, 1)
		got := f.cursor(t, id(key))
		if (got.State == ledger.Finished) != (got.Line == 90) || (got.State == ledger.Failed) != (got.Epoch == 5) {
			t.Errorf("%s at line %d, epoch %d", got.State, got.Line, got.Epoch)
		}
	}
}

func testRaceLease(t *testing.T, f *fixture) {
	for round := range 10 {
		now := time.Duration(round) * time.Minute
		won := race(t, ledger.ErrHeld, func(n int) error {
			_, err := f.AcquireLease(t.Context(), lease("watch", fmt.Sprintf("%d of %d", n, round), now+time.Minute), after(now))
			return err
		})
		equal(t, "winners", won, 1)
	}
}

func testRaceInsert(t *testing.T, f *fixture) {
	var page []ledger.Cursor
	for _, key := range numbered("k", 200) {
		page = append(page, object(key))
	}
	won := race(t, nil, func(int) error {
		if err := f.Insert(t.Context(), page); err != nil {
			return err
		}
		_, err := f.Claim(t.Context(), ledger.Claim{ID: page[0].CursorID, Owner: "w", Now: start, Until: after(time.Hour)})
		if errors.Is(err, ledger.ErrOwned) {
			return nil
		}
		return err
	})
	equal(t, "inserts", won, racers)
	equal(t, "epoch", f.cursor(t, page[0].CursorID).Epoch, int64(1))
	equal(t, "cursors", len(all(t, f.Scan(t.Context(), ledger.ScanParams{Replay: replay}))), 200)
}

// testSecondHandle reads on one handle what the other has written, at once and both ways, and lets both race.
func testSecondHandle(t *testing.T, f *fixture) {
	if f.h.Again == nil {
		t.Skip("the harness opens no second handle")
	}
	second := &fixture{Ledger: f.h.Again(t, f.Ledger), h: f.h}
	handles := []*fixture{f, second}
	ctx := t.Context()
	for n := range 20 {
		writer, reader := handles[n%2], handles[(n+1)%2]
		key := fmt.Sprint(n)
		writer.insert(t, object(key))
		claimed := reader.claim(t, key, "w")
		equal(t, "claimed", writer.cursor(t, id(key)), claimed)
		commit := next(key, ledger.Finished)
		commit.Epoch, commit.From = 1, 0
		must(t, writer.Commit(ctx, commit))
		equal(t, "committed", reader.cursor(t, id(key)), committed(claimed, commit))
		p, err := reader.Protocol(ctx, "dns")
		must(t, err)
		must(t, writer.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{p}}))
		wantErr(t, reader.Write(ctx, ledger.Writes{Protocols: []ledger.Protocol{p}}), ledger.ErrConflict)
	}
	f.insert(t, object("raced"))
	won := race(t, ledger.ErrOwned, func(n int) error {
		return claimAs(ctx, handles[n%2], fmt.Sprint(n))
	})
	equal(t, "winners", won, 1)
}

func claimAs(ctx context.Context, l ledger.Ledger, owner string) error {
	_, err := l.Claim(ctx, ledger.Claim{ID: id("raced"), Owner: owner, Now: start, Until: after(time.Hour)})
	return err
}
