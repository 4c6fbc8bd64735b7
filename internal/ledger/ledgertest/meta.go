package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/ledger"
)

var metaTests = []test{
	{"unknown records", testMetaUnknown},
	{"round trip", testMetaRoundTrip},
	{"versions", testMetaVersions},
	{"all or none", testMetaAllOrNone},
	{"a record twice", testMetaTwice},
	{"as many as there may be", testMetaMost},
	{"order", testMetaOrder},
	{"nothing is lost between concurrent writers", testMetaConcurrent},
}

func testMetaUnknown(t *testing.T, f *fixture) {
	p, err := f.Protocol(t.Context(), "dns")
	must(t, err)
	equal(t, "a protocol never seen", p, ledger.Protocol{Name: "dns"})
	ps, err := f.Protocols(t.Context())
	must(t, err)
	equal(t, "no protocols", ps, []ledger.Protocol{})
	_, err = f.Generation(t.Context(), "dns", 1)
	wantErr(t, err, ledger.ErrNotFound)
	_, err = f.Replay(t.Context(), replay)
	wantErr(t, err, ledger.ErrNotFound)
	rs, err := f.Replays(t.Context())
	must(t, err)
	equal(t, "no replays", rs, []ledger.Replay{})
	must(t, f.Write(t.Context(), ledger.Writes{}))
}

func someProtocol() ledger.Protocol {
	return ledger.Protocol{
		Name: "dns", Epoch: 7, Gens: []int64{5, 7, 6}, Complete: 6, Building: 7, Serving: 6, Previous: 5, Purging: []int64{2, 3},
		Cutoff: start, Replay: replay,
	}
}

func someGeneration() ledger.Generation {
	return ledger.Generation{
		Protocol: "dns", Number: 7, Definition: []byte("format: json\n\x00\xff"), Hash: "h7", Replay: replay, Side: true, Base: 3,
		Created: start,
	}
}

func someReplay(id string) ledger.Replay {
	return ledger.Replay{
		ID: id, State: ledger.Folding, Protocols: []ledger.ReplayProtocol{{Name: "dns", Generation: 7, Rule: ledger.RuleCutoff, Rejects: 0.01}},
		Cutoff: start, Prefix: "logs/", Layout: "{protocol}/{rest}", Tags: "all", Created: start,
		Changed: after(1), Listing: ledger.Listing{After: "logs/dns/é\U0001F600", Done: true, Objects: 1, Bytes: 1 << 60, Unmatched: 2, Sample: "x"},
		Fold:     ledger.Fold{Number: 3, Parts: []ledger.FoldPart{{Protocol: "dns", Index: 1, Of: 2}}, Started: after(2), Listed: true},
		Accepted: &ledger.Acceptance{At: after(3), By: "me", Objects: 4}, Promoted: true, Waits: "for dns/a.gz",
		Final: &ledger.Summary{
			Objects:  map[ledger.State]ledger.Tally{ledger.Finished: {Objects: 1, Size: 2, Rows: 3, Lines: 5, Accounts: ledger.Accounts{Read: 4, Counted: 4, Blank: 1}}},
			Protocol: map[string]ledger.Tally{"dns": {Objects: 1}}, Parts: map[int64]map[ledger.State]int64{3: {ledger.Finished: 1}}, Notes: 1,
		},
	}
}

func testMetaRoundTrip(t *testing.T, f *fixture) {
	p, g, r := someProtocol(), someGeneration(), someReplay(replay)
	must(t, f.Write(t.Context(), ledger.Writes{
		Protocols: []ledger.Protocol{p}, Generations: []ledger.Generation{g}, Replays: []ledger.Replay{r},
	}))
	p.Version, g.Version, r.Version = 1, 1, 1
	gotP, err := f.Protocol(t.Context(), "dns")
	must(t, err)
	equal(t, "protocol", gotP, p)
	gotG, err := f.Generation(t.Context(), "dns", 7)
	must(t, err)
	equal(t, "generation", gotG, g)
	gotR, err := f.Replay(t.Context(), replay)
	must(t, err)
	equal(t, "replay", gotR, r)
	_, err = f.Generation(t.Context(), "dns", 6)
	wantErr(t, err, ledger.ErrNotFound)
	_, err = f.Generation(t.Context(), "ssl", 7)
	wantErr(t, err, ledger.ErrNotFound)

	bare := ledger.Replay{ID: "01B"} // zero times stay zero, nil stays nil
	must(t, f.Write(t.Context(), ledger.Writes{Replays: []ledger.Replay{bare}}))
	bare.Version = 1
	gotR, err = f.Replay(t.Context(), "01B")
	must(t, err)
	equal(t, "bare replay", gotR, bare)
}

func testMetaVersions(t *testing.T, f *fixture) {
	write := func(version, epoch, number, base int64, waits string) error {
		return f.Write(t.Context(), ledger.Writes{
			Protocols:   []ledger.Protocol{{Name: "dns", Epoch: epoch, Version: version}},
			Generations: []ledger.Generation{{Protocol: "dns", Number: number, Base: base, Version: version}},
			Replays:     []ledger.Replay{{ID: replay, Waits: waits, Version: version}},
		})
	}
	wantErr(t, write(1, 9, 1, 9, "not there yet"), ledger.ErrConflict)
	for v := range int64(4) {
		must(t, write(v, 10+v, 1, 20+v, fmt.Sprint(v)))
		for _, stale := range []int64{0, v, v + 2} {
			wantErr(t, write(stale, 99, 1, 99, "stale"), ledger.ErrConflict)
		}
		p, err := f.Protocol(t.Context(), "dns")
		must(t, err)
		equal(t, "protocol", p, ledger.Protocol{Name: "dns", Epoch: 10 + v, Version: v + 1})
		g, err := f.Generation(t.Context(), "dns", 1)
		must(t, err)
		equal(t, "generation", g, ledger.Generation{Protocol: "dns", Number: 1, Base: 20 + v, Version: v + 1})
		r, err := f.Replay(t.Context(), replay)
		must(t, err)
		equal(t, "replay", r, ledger.Replay{ID: replay, Waits: fmt.Sprint(v), Version: v + 1})
	}
}

// testMetaAllOrNone lets one record of each kind, first or last, be stale.
func testMetaAllOrNone(t *testing.T, f *fixture) {
	base := func() ledger.Writes {
		return ledger.Writes{
			Protocols:   []ledger.Protocol{{Name: "a"}, {Name: "b"}},
			Generations: []ledger.Generation{{Protocol: "a", Number: 1}, {Protocol: "b", Number: 1}},
			Replays:     []ledger.Replay{{ID: "01A"}, {ID: "01B"}},
		}
	}
	must(t, f.Write(t.Context(), base()))
	current := func(set string) ledger.Writes {
		w := base()
		for i := range 2 {
			w.Protocols[i].Version, w.Generations[i].Version, w.Replays[i].Version = 1, 1, 1
			w.Protocols[i].Replay, w.Generations[i].Hash, w.Replays[i].Waits = set, set, set
		}
		return w
	}
	stored := func() (values []string) {
		for _, name := range []string{"a", "b"} {
			p, err := f.Protocol(t.Context(), name)
			must(t, err)
			g, err := f.Generation(t.Context(), name, 1)
			must(t, err)
			values = append(values, p.Replay, g.Hash)
		}
		rs, err := f.Replays(t.Context())
		must(t, err)
		for _, r := range rs {
			values = append(values, r.Waits)
		}
		return values
	}
	for i := range 2 {
		for _, spoil := range []func(w *ledger.Writes){
			func(w *ledger.Writes) { w.Protocols[i].Version = 5 },
			func(w *ledger.Writes) { w.Generations[i].Version = 5 },
			func(w *ledger.Writes) { w.Replays[i].Version = 5 },
			func(w *ledger.Writes) { w.Replays[i].Version = 0 },
		} {
			w := current("stale")
			spoil(&w)
			wantErr(t, f.Write(t.Context(), w), ledger.ErrConflict)
			equal(t, "after a conflict", stored(), make([]string, 6))
		}
	}
	must(t, f.Write(t.Context(), current("new")))
	equal(t, "after success", stored(), []string{"new", "new", "new", "new", "new", "new"})
}

func testMetaTwice(t *testing.T, f *fixture) {
	p := ledger.Protocol{Name: "dns"}
	if err := f.Write(t.Context(), ledger.Writes{Protocols: []ledger.Protocol{p, p}}); err == nil {
		t.Fatal("a record was written twice in one transaction")
	}
	got, err := f.Protocol(t.Context(), "dns")
	must(t, err)
	equal(t, "protocol", got, p)
}

func testMetaMost(t *testing.T, f *fixture) {
	var w ledger.Writes
	for i := range ledger.MaxWrite / 2 {
		name := fmt.Sprintf("p%02d", i)
		w.Protocols = append(w.Protocols, ledger.Protocol{Name: name, Epoch: 1})
		w.Generations = append(w.Generations, ledger.Generation{Protocol: name, Number: 1})
	}
	more := w
	more.Replays = []ledger.Replay{{ID: replay}}
	refused(t, f.Write(t.Context(), more))
	ps, err := f.Protocols(t.Context())
	must(t, err)
	equal(t, "after too large a write", ps, []ledger.Protocol{})

	must(t, f.Write(t.Context(), w))
	ps, err = f.Protocols(t.Context())
	must(t, err)
	equal(t, "protocols", len(ps), ledger.MaxWrite/2)
}

func testMetaOrder(t *testing.T, f *fixture) {
	for _, n := range []string{"2", "3", "1"} {
		must(t, f.Write(t.Context(), ledger.Writes{
			Protocols: []ledger.Protocol{{Name: "p" + n}}, Replays: []ledger.Replay{{ID: "01" + n}},
		}))
	}
	ps, err := f.Protocols(t.Context())
	must(t, err)
	equal(t, "protocols by name", ps, []ledger.Protocol{{Name: "p1", Version: 1}, {Name: "p2", Version: 1}, {Name: "p3", Version: 1}})
	rs, err := f.Replays(t.Context())
	must(t, err)
	equal(t, "newest first", rs, []ledger.Replay{{ID: "013", Version: 1}, {ID: "012", Version: 1}, {ID: "011", Version: 1}})
}

// testMetaConcurrent raises an epoch by read, decide, write from many goroutines, each with a generation in the same
// transaction: no epoch is given twice, none is lost.
func testMetaConcurrent(t *testing.T, f *fixture) {
	const workers, each = 8, 10
	raise := func(ctx context.Context) error {
		for {
			p, err := f.Protocol(ctx, "dns")
			if err != nil {
				return err
			}
			p.Epoch++
			err = f.Write(ctx, ledger.Writes{
				Protocols: []ledger.Protocol{p}, Generations: []ledger.Generation{{Protocol: "dns", Number: p.Epoch}},
			})
			if !errors.Is(err, ledger.ErrConflict) && !errors.Is(err, ledger.ErrThrottled) {
				return err
			}
		}
	}
	var wg sync.WaitGroup
	errs := make(chan error, workers*each)
	for range workers {
		wg.Go(func() {
			for range each {
				errs <- raise(t.Context())
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
	p, err := f.Protocol(t.Context(), "dns")
	must(t, err)
	equal(t, "protocol", p, ledger.Protocol{Name: "dns", Epoch: workers * each, Version: workers * each})
	for n := range int64(workers * each) {
		g, err := f.Generation(t.Context(), "dns", n+1)
		must(t, err)
		equal(t, "generation", g.Version, int64(1))
	}
}
