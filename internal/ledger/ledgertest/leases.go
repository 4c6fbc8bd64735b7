package ledgertest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
)

var leaseTests = []test{
	{"free, held, over", testLease},
	{"released", testLeaseReleased},
	{"progress", testProgress},
}

func lease(name, owner string, until time.Duration) ledger.Lease {
	return ledger.Lease{Name: name, Owner: owner, Until: after(until)}
}

func testLease(t *testing.T, f *fixture) {
	for i, c := range []struct {
		take  ledger.Lease
		now   time.Duration
		want  error
		stand ledger.Lease
	}{
		{lease("watch", "a", time.Minute), 0, nil, lease("watch", "a", time.Minute)},
		{lease("watch", "b", time.Hour), 0, ledger.ErrHeld, lease("watch", "a", time.Minute)},
		{lease("archive", "b", time.Hour), 0, nil, lease("archive", "b", time.Hour)},
		{lease("watch", "a", 3*time.Minute), time.Minute - 1, nil, lease("watch", "a", 3*time.Minute)}, // renewed
		{lease("watch", "a", 2*time.Minute), time.Minute, nil, lease("watch", "a", 2*time.Minute)},     // also shortened
		{lease("watch", "b", time.Hour), 2*time.Minute - 1, ledger.ErrHeld, lease("watch", "a", 2*time.Minute)},
		{lease("watch", "b", 4*time.Minute), 2 * time.Minute, nil, lease("watch", "b", 4*time.Minute)}, // over: taken over
		{lease("watch", "a", time.Hour), 2 * time.Minute, ledger.ErrHeld, lease("watch", "b", 4*time.Minute)},
		{lease("watch", "b", time.Hour), 9 * time.Minute, nil, lease("watch", "b", time.Hour)}, // the owner is late, nobody came
	} {
		got, err := f.AcquireLease(t.Context(), c.take, after(c.now))
		if c.want == nil {
			must(t, err)
		} else {
			wantErr(t, err, c.want)
		}
		equal(t, strings.Repeat("next, ", i)+"lease", got, c.stand)
	}
}

func testLeaseReleased(t *testing.T, f *fixture) {
	must(t, f.ReleaseLease(t.Context(), "watch", "a")) // there is none
	held := lease("watch", "a", time.Minute)
	_, err := f.AcquireLease(t.Context(), held, start)
	must(t, err)
	must(t, f.ReleaseLease(t.Context(), "watch", "b")) // not the owner's
	got, err := f.AcquireLease(t.Context(), lease("watch", "b", time.Hour), start)
	wantErr(t, err, ledger.ErrHeld)
	equal(t, "lease", got, held)
	must(t, f.ReleaseLease(t.Context(), "watch", "a"))
	must(t, f.ReleaseLease(t.Context(), "watch", "a"))
	got, err = f.AcquireLease(t.Context(), lease("watch", "b", time.Hour), start)
	must(t, err)
	equal(t, "lease", got, lease("watch", "b", time.Hour))
	must(t, f.ReleaseLease(t.Context(), "watch", "a")) // the owner of old frees nothing
	_, err = f.AcquireLease(t.Context(), held, start)
	wantErr(t, err, ledger.ErrHeld)
}

func testProgress(t *testing.T, f *fixture) {
	none, err := f.Progress(t.Context(), replay)
	must(t, err)
	equal(t, "progress", none, []ledger.Progress{})
	a := ledger.Progress{
		Replay: replay, Worker: "a", At: after(time.Minute), Since: start, Lines: 1, Bytes: 2, Objects: 3, Chunks: 4,
		Keys: map[string][]byte{"dns": {0, 1, 0xff}, "ssl": {}},
	}
	b, other := ledger.Progress{Replay: replay, Worker: "b"}, ledger.Progress{Replay: "01JOTHER", Worker: "a", Lines: 9}
	for _, p := range []ledger.Progress{{Replay: replay, Worker: "a", Lines: 99, Keys: map[string][]byte{"weird": {1}}}, b, a, other} {
		must(t, f.PutProgress(t.Context(), p))
	}
	got, err := f.Progress(t.Context(), replay)
	must(t, err)
	slices.SortFunc(got, func(x, y ledger.Progress) int { return strings.Compare(x.Worker, y.Worker) })
	equal(t, "progress", got, []ledger.Progress{a, b})
}
