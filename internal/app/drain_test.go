package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// localApp opens the local backend with an archive of one object. settings are those of the live side.
func localApp(t *testing.T, settings string) *App {
	t.Helper()
	dir := t.TempDir()
	logs := filepath.Join(dir, "archive", "logs", "dns")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(logs, "a.log"), []byte(`{"ts":"2026-03-01T10:00:00Z","query":"z.example"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return openApp(t, dir, "local: {archive: "+filepath.Join(dir, "archive")+", dir: "+filepath.Join(dir, "state")+"}\n"+settings)
}

// openApp opens what a configuration says, after the first steps given.
func openApp(t *testing.T, dir, text string, first ...func(*testing.T, config.Config)) *App {
	t.Helper()
	file := filepath.Join(dir, config.FileName)
	text += `
protocols:
  dns:
    format: json
    timestamp: ts
    stats: {queries: {by: [query], measures: {queries: count, rtt: sum(rtt)}}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range first {
		f(t, c)
	}
	a, err := Open(t.Context(), c, "test", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// provision makes what the aws backend needs.
func provision(t *testing.T, c config.Config) {
	t.Helper()
	if steps, err := Provision(t.Context(), c, "test", true); err != nil {
		t.Fatalf("%v: %+v", err, steps)
	}
}

// TestDrainEnds: a replay whose older batches are not archived within live.drain is held, with the reason, and goes on later.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	a := localApp(t, "live: {drain: 1s}")
	side := a.liveSide()
	side.Drain = func(context.Context, string, int64) error { return ledger.ErrHeld } // another process is at it, and does not end
	var err error
	a.driver, err = replay.New(replay.Options{
		Queue: a.queue, DeadLetters: a.dead, Ledger: a.ledger, Archive: a.archive, Live: side, Owner: a.name,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.openProtocols(t.Context()); err != nil {
		t.Fatal(err)
	}
	batch := entries.Batch{ID: ulid.Make().String(), Protocol: "dns", Epoch: 1, State: entries.Open, Key: "logs/dns/1", Opened: time.Now().UTC()}
	if err := a.entries.OpenBatch(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	id, err := a.Start(t.Context(), nil, func(*replay.StartParams) {})
	if err != nil {
		t.Fatal(err)
	}
	told := ""
	progress := func(r ledger.Replay) { told = r.Waits }
	const why = "batches to be archived that were begun before the start: 1 of dns"
	err = a.Continue(t.Context(), id, progress)
	if !errors.Is(err, replay.ErrHeld) || !strings.Contains(err.Error(), id+" has waited 1s (live.drain) for "+why) || !strings.HasPrefix(told, why) {
		t.Errorf("%v, told %q", err, told)
	}
	if batch, err = a.entries.ClaimBatch(t.Context(), batch.ID); err != nil {
		t.Fatal(err)
	}
	if err := a.entries.DoneBatch(t.Context(), batch, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := a.Continue(t.Context(), id, progress); err != nil || told != "" {
		t.Errorf("%v, told %q", err, told)
	}
	if r, err := a.ledger.Replay(t.Context(), id); err != nil || r.State != ledger.Running {
		t.Errorf("the replay is %s, %v", r.State, err)
	}
}

// TestArchiveFirstEnds: what cannot be archived within live.drain does not keep a replay from being started.
func TestArchiveFirstEnds(t *testing.T) {
	t.Parallel()
	a := localApp(t, "live: {drain: 1s}")
	other := ledger.Lease{Name: "archive#dns", Owner: "another archiver", Until: time.Now().Add(time.Hour)}
	if _, err := a.ledger.AcquireLease(t.Context(), other, time.Now()); err != nil {
		t.Fatal(err)
	}
	if all, err := a.ArchiveFirst(t.Context()); all || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	if err := a.ledger.ReleaseLease(t.Context(), other.Name, other.Owner); err != nil {
		t.Fatal(err)
	}
	if all, err := a.ArchiveFirst(t.Context()); !all || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if all, err := a.ArchiveFirst(ended); all || err == nil {
		t.Errorf("%v, %v", all, err)
	}
}
