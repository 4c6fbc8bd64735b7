package app_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/realservers"
	"github.com/seed-56345083/reprise/internal/replay"
)

// gates opens an app for each role, behind a gate of its own: no role calls what it is not said to need.
type gates struct {
	config config.Config
	mu     sync.Mutex
	used   map[app.Role]int
}

func (g *gates) partOf(r request) string {
	a := g.config.AWS
	switch {
	case strings.HasPrefix(r.on, "logs/"):
		return "bucket, archive.prefix"
	case strings.HasPrefix(r.on, "partials/"):
		return "bucket, partials/"
	}
	return map[string]string{
		a.Queue: "queue", a.DeadLetterQueue: "dead-letter queue", a.Tables.Meta: "table meta", a.Tables.Cursors: "table cursors",
		a.Tables.Stats: "table stats", a.Tables.Incoming: "table incoming", a.Tables.Incoming + "/todo": "table incoming, index todo",
		theStream: "table incoming, stream",
	}[r.on]
}

func (g *gates) open(t *testing.T, role app.Role) *app.App {
	t.Helper()
	front := gate(t, func(r request) bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.used[role]++
		if !app.Needed(role, g.partOf(r), r.action, g.config.Live.On) {
			t.Errorf("%s calls %s on %q (%s), which it is not said to need", role, r.action, r.on, g.partOf(r))
		}
		return false
	}, nil)
	c := g.config
	e := c.AWS.EndpointURL
	c.AWS.EndpointURL = config.Endpoints{SQS: front(e.SQS), S3: front(e.S3), DynamoDB: front(e.DynamoDB)}
	c.Watcher.Interval = 100 * time.Millisecond
	a, err := app.Open(t.Context(), c, "test", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// called checks that each of the roles has called something.
func (g *gates) called(t *testing.T, roles ...app.Role) {
	t.Helper()
	g.mu.Lock() // a gate may still be busy with a request that a role has given up
	defer g.mu.Unlock()
	for _, role := range roles {
		if g.used[role] == 0 {
			t.Errorf("%s called nothing", role)
		}
	}
}

// TestNeedsOfSide runs a replay beside a live side: entries are counted and archived before it, while it waits for a batch
// that was begun before, and after it.
func TestNeedsOfSide(t *testing.T) {
	t.Parallel()
	g := gates{config: withLive(site(t, nil)), used: map[app.Role]int{}}
	provision(t, g.config, true)
	operator, worker, watcher := g.open(t, app.RoleStart), g.open(t, app.RoleWork), g.open(t, app.RoleWatch)
	live, archive := g.open(t, app.RoleLive), g.open(t, app.RoleArchive)
	ctx := t.Context()
	ingest := func(lines int) {
		t.Helper()
		const line = `{"ts":"2026-03-01T10:00:00Z"}` + "\n"
		_, err := operator.Ingest(ctx, app.IngestParams{Protocol: "dns", Input: strings.NewReader(strings.Repeat(line, lines)), Refused: func(app.Refused) {}})
		if err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ingest(20)
	must(live.Live(ctx, true))
	must(archive.Archive(ctx, true, true))
	ingest(20)
	must(archive.Archive(ctx, true, false)) // counts them itself, and begins a batch
	if _, err := operator.ArchiveFirst(ctx); err != nil {
		t.Error(err)
	}
	ingest(5)
	must(archive.Archive(ctx, true, false)) // a batch that the replay waits for
	running, stop := context.WithCancel(ctx)
	var roles sync.WaitGroup
	defer roles.Wait()
	defer stop()
	for _, f := range []func(context.Context) error{worker.Work, watcher.Replays().Watch} {
		roles.Go(func() {
			if err := f(running); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	id, err := operator.Start(ctx, nil, func(*replay.StartParams) {})
	must(err)
	ingest(5) // that nobody but the replay counts
	if err := operator.Continue(ctx, id, func(ledger.Replay) {}); err != nil && !errors.Is(err, ledger.ErrHeld) {
		t.Error(err)
	}
	await(t, "the end of the replay", func() bool {
		r, err := operator.Ledger().Replay(ctx, id)
		return err == nil && r.State == ledger.Finished
	})
	must(live.Live(ctx, true))
	if _, err := operator.LiveStatus(ctx); err != nil {
		t.Error(err)
	}
	if _, err := operator.Replays().Read(ctx, "dns", "queries", 0); err != nil {
		t.Error(err)
	}
	stop()
	roles.Wait()
	g.called(t, app.Roles()...)
}

// TestNeedsAreAll runs replays without a live side. One object cannot be read at first, so that dead letters and redrive are
// part of it.
func TestNeedsAreAll(t *testing.T) {
	t.Parallel()
	g := gates{config: site(t, nil), used: map[app.Role]int{}}
	direct := g.config
	provision(t, direct, true)
	operator, worker, watcher := g.open(t, app.RoleStart), g.open(t, app.RoleWork), g.open(t, app.RoleWatch)
	const line = `{"ts":"2026-03-01T10:00:00Z"}` + "\n"
	put(t, direct, "logs/dns/good.log", line)
	put(t, direct, "logs/dns/bad.log.gz", "\x1f\x8b\x08 no gzip")

	id := start(t, operator)
	ctx, stop := context.WithCancel(t.Context())
	var roles sync.WaitGroup
	defer roles.Wait()
	defer stop()
	for _, f := range []func(context.Context) error{worker.Work, watcher.Replays().Watch} {
		roles.Go(func() {
			if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	await(t, "a dead letter that the watcher has seen", func() bool {
		s, err := operator.Replays().Status(t.Context(), id)
		return err == nil && s.DeadLetters > 0
	})
	put(t, direct, "logs/dns/bad.log.gz", line)
	await(t, "the redrive", func() bool {
		_, _ = operator.Replays().Redrive(t.Context(), id, nil, false) // refused while it folds
		r, err := operator.Ledger().Replay(t.Context(), id)
		return err == nil && r.State == ledger.Finished
	})
	again := start(t, operator)
	if _, err := operator.Replays().Cancel(t.Context(), again); err != nil && !errors.Is(err, replay.ErrState) {
		t.Error(err)
	}
	if _, err := operator.Replays().Certify(t.Context(), id, nil); err != nil {
		t.Error(err)
	}
	if _, err := operator.Replays().Read(t.Context(), "dns", "queries", 0); err != nil {
		t.Error(err)
	}
	stop()
	roles.Wait()
	g.called(t, app.RoleStart, app.RoleWork, app.RoleWatch)
}

// start opens a replay and lists the archive, as the command does.
func start(t *testing.T, a *app.App) string {
	t.Helper()
	id, err := a.Start(t.Context(), nil, func(*replay.StartParams) {})
	if err == nil {
		err = a.Replays().Continue(t.Context(), id, nil)
	}
	if err != nil && !errors.Is(err, ledger.ErrHeld) {
		t.Fatal(err)
	}
	return id
}

func put(t *testing.T, c config.Config, key, text string) {
	t.Helper()
	client := s3.NewFromConfig(realservers.Config(t), func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &c.AWS.EndpointURL.S3, true })
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &c.AWS.Bucket, Key: &key, Body: strings.NewReader(text)})
	if err != nil {
		t.Fatal(err)
	}
}

// await asks again and again until it is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(6 * time.Minute)
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waiting for %s", what)
		}
	}
}
