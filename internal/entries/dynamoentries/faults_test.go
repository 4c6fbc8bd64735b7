package dynamoentries_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/dynamoentries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// begin gives protocol dns an epoch.
func begin(t *testing.T, l ledger.Ledger, epoch int64) {
	t.Helper()
	p, err := l.Protocol(t.Context(), "dns")
	must(t, err)
	p.Epoch = epoch
	must(t, l.Write(t.Context(), ledger.Writes{Protocols: []ledger.Protocol{p}}))
}

func row(key, state, version string) entries.LiveRow {
	return entries.LiveRow{Version: version, Row: ledger.Row{Statistic: "queries", Day: "2026-03-24", Key: key, State: []byte(state)}}
}

func rowKey(key string) entries.RowKey {
	return entries.RowKey{Statistic: "queries", Day: "2026-03-24", Key: key}
}

func counted(list []entries.Entry) []entries.Counted {
	found := make([]entries.Counted, len(list))
	for i := range list {
		found[i].ID = list[i].ID
	}
	return found
}

func members(list []entries.Entry) []entries.Member {
	found := make([]entries.Member, len(list))
	for i := range list {
		found[i] = entries.Member{ID: list[i].ID, TS: list[i].TS}
	}
	return found
}

func newBatch(id string) entries.Batch {
	return entries.Batch{ID: id, Protocol: "dns", Epoch: 7, State: entries.Open, Key: "logs/dns/" + id, Opened: start}
}

// first is true for the first attempt of every call: the SDK counts attempts in a header.
func first(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Amz-Sdk-Request"), "attempt=1;")
}

// TestLostReplies loses the answer of the first attempt of every call, after the server has acted. Each call finds out that it
// is done already, and nothing is done twice.
func TestLostReplies(t *testing.T) {
	t.Parallel()
	var lost atomic.Int64
	faults := realservers.Faults{LoseReply: 1, Only: first, Hit: func(string, *http.Request) { lost.Add(1) }}
	l, e := open(t, build(t), realservers.Faulty(t, realservers.DynamoDB(t), faults))
	ctx := t.Context()
	begin(t, l, 7)
	list := numbered(5)
	there, err := e.Put(ctx, list)
	must(t, err)
	equal(t, "there, of new entries", there, 0)
	must(t, e.Count(ctx, entries.Count{Part: part(7, 0), Entries: counted(list), Rows: []entries.LiveRow{row("x", "5", "")}}))
	wantErr(t, e.Count(ctx, entries.Count{Part: part(7, 0), Entries: counted(list)}), entries.ErrStale) // a call of its own
	rows, err := e.LiveRows(ctx, part(7, 0), []entries.RowKey{rowKey("x")})
	must(t, err)
	must(t, e.MergeLive(ctx, entries.Merge{
		Into: part(7, 1), Row: row("x", "5", ""), Remove: []entries.Placed{{Part: entries.LivePart(0), Key: rowKey("x"), Version: rows[0].Version}},
	}))
	must(t, e.OpenBatch(ctx, newBatch("B1")))
	b, err := e.Join(ctx, entries.Join{Batch: newBatch("B1"), Gens: []int64{7}, Members: members(list[:4]), Bytes: 50})
	must(t, err)
	b, err = e.Join(ctx, entries.Join{Batch: b, Gens: []int64{7}, Members: members(list[4:]), Bytes: 10})
	must(t, err)
	stands, err := e.Unwritten(ctx, "dns")
	must(t, err)
	equal(t, "batches", stands, []entries.Batch{b})
	equal(t, "pages, entries, bytes", []int64{int64(b.Pages), b.Entries, b.Bytes}, []int64{2, 5, 60})
	b, err = e.ClaimBatch(ctx, "B1")
	must(t, err)
	must(t, e.Archived(ctx, "B1", names(list), start))
	must(t, e.DoneBatch(ctx, b, start.Add(100*365*24*time.Hour)))
	stands, err = e.Unwritten(ctx, "dns")
	must(t, err)
	equal(t, "batches", len(stands), 0)
	must(t, e.SaveCheckpoint(ctx, entries.Checkpoint{Shard: "s", Position: "p", At: time.Now()}))
	if lost.Load() < 20 {
		t.Errorf("only %d answers were lost", lost.Load())
	}
}

// TestStorm lets four counters and an archiver work behind networks of their own, in which one call in five is reset, lost, cut,
// refused or throttled. Whatever they were told, each entry counts once, and is in one batch.
func TestStorm(t *testing.T) {
	t.Parallel()
	s := build(t)
	faults := realservers.Faults{Reset: .04, LoseReply: .05, Cut: .03, Status500: .05, Throttle: .03}
	handle := func() *dynamoentries.Entries {
		_, e := open(t, s, realservers.Faulty(t, realservers.DynamoDB(t), faults))
		return e
	}
	l, direct := open(t, s, "")
	begin(t, l, 7)
	list := numbered(60)
	put := handle()
	for {
		_, err := put.Put(t.Context(), list)
		if err == nil {
			break
		}
		t.Log(err)
	}
	var work sync.WaitGroup
	for n := range 4 {
		e := handle()
		work.Go(func() { countAll(t, e, list, n) })
	}
	e := handle()
	work.Go(func() { joinAll(t, e, list) })
	work.Wait()
	if t.Failed() {
		return
	}
	total := 0
	for r, err := range direct.LiveParts(t.Context(), "dns", 7, "queries") {
		must(t, err)
		n, err := strconv.Atoi(string(r.State))
		must(t, err)
		total += n
	}
	equal(t, "entries counted in the rows", total, len(list))
	batches, err := direct.Unwritten(t.Context(), "dns")
	must(t, err)
	in := map[string]string{}
	for _, b := range batches {
		n := int64(0)
		for m, err := range direct.Members(t.Context(), b) {
			must(t, err)
			if in[m.ID] != "" {
				t.Errorf("entry %s is in %s and %s", m.ID, in[m.ID], b.ID)
			}
			in[m.ID] = b.ID
			n++
		}
		equal(t, "members of "+b.ID, n, b.Entries)
	}
	found, err := direct.Read(t.Context(), names(list))
	must(t, err)
	for _, one := range found {
		if one.Batch == "" || in[one.ID] != one.Batch {
			t.Errorf("entry %s says batch %q, the pages %q", one.ID, one.Batch, in[one.ID])
		}
	}
	equal(t, "entries in batches", len(in), len(list))
}

// uncounted are those of the entries that are not counted and in no batch; none when ctx has ended.
func uncounted(ctx context.Context, e *dynamoentries.Entries, list []entries.Entry) []entries.Entry {
	for ctx.Err() == nil {
		found, err := e.Read(ctx, names(list))
		if err != nil {
			continue
		}
		var open []entries.Entry
		for _, one := range found {
			if len(one.Gens) == 0 && one.Batch == "" {
				open = append(open, one)
			}
		}
		return open
	}
	return nil
}

// countAll counts up to five entries at a time until none is left, into random slots, as a counter does.
func countAll(t *testing.T, e *dynamoentries.Entries, list []entries.Entry, seed int) {
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	for unknown := 0; ; {
		open := uncounted(t.Context(), e, list)
		if len(open) == 0 {
			return
		}
		random.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
		open = open[:min(len(open), 1+random.IntN(5))]
		p := part(7, random.IntN(3))
		rows, err := e.LiveRows(t.Context(), p, []entries.RowKey{rowKey("x")})
		if err != nil {
			continue
		}
		before := 0
		if rows[0].Version != "" {
			before, _ = strconv.Atoi(string(rows[0].State))
		}
		err = e.Count(t.Context(), entries.Count{
			Part: p, Entries: counted(open), Rows: []entries.LiveRow{row("x", strconv.Itoa(before+len(open)), rows[0].Version)},
		})
		if err != nil && !errors.Is(err, entries.ErrStale) && !errors.Is(err, entries.ErrConflict) {
			t.Log(err) // its outcome is open
			if unknown++; unknown > 200 {
				t.Error("errors without an end")
				return
			}
		}
	}
}

// joinAll joins what is counted to batches until all of it is in one, and begins a new one after three pages.
func joinAll(t *testing.T, e *dynamoentries.Entries, list []entries.Entry) {
	for n, joined := 0, 0; joined < len(list) && !t.Failed(); n++ {
		name := fmt.Sprintf("B%02d", n)
		for e.OpenBatch(t.Context(), newBatch(name)) != nil && !t.Failed() {
			continue
		}
		for pages := 0; pages < 3 && joined < len(list) && !t.Failed(); {
			found, err := e.Read(t.Context(), names(list))
			if err != nil {
				continue
			}
			joined = 0
			var ready []entries.Entry
			for _, one := range found {
				switch {
				case one.Batch != "":
					joined++
				case one.Processed && len(ready) < 7:
					ready = append(ready, one)
				}
			}
			batches, err := e.Unwritten(t.Context(), "dns") // what an unknown outcome has left
			if err != nil || len(ready) == 0 {
				continue
			}
			b := batches[len(batches)-1]
			if pages = b.Pages; pages == 3 {
				break
			}
			_, _ = e.Join(t.Context(), entries.Join{Batch: b, Gens: []int64{7}, Members: members(ready)})
		}
	}
}
