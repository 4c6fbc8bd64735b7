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

// TestNeedsAreAll runs replays, each role through a gate of its own: no role calls what it is not said to need. One object
// cannot be read at first, so that dead letters and redrive are part of it.
func TestNeedsAreAll(t *testing.T) {
	t.Parallel()
	direct := site(t, nil)
	provision(t, direct, true)
	parts := map[string]string{
		direct.AWS.Queue: "queue", direct.AWS.DeadLetterQueue: "dead-letter queue",
		direct.AWS.Tables.Meta: "table meta", direct.AWS.Tables.Cursors: "table cursors", direct.AWS.Tables.Stats: "table stats",
	}
	partOf := func(r request) string {
		switch {
		case strings.HasPrefix(r.on, "logs/"):
			return "bucket, archive.prefix"
		case strings.HasPrefix(r.on, "partials/"):
			return "bucket, partials/"
		}
		return parts[r.on]
	}
	var mu sync.Mutex
	used := map[app.Role]int{}
	open := func(role app.Role) *app.App {
		front := gate(t, func(r request) bool {
			mu.Lock()
			defer mu.Unlock()
			used[role]++
			if !app.Needed(role, partOf(r), r.action) {
				t.Errorf("%s calls %s on %q (%s), which it is not said to need", role, r.action, r.on, partOf(r))
			}
			return false
		}, nil)
		c := direct
		c.AWS.EndpointURL = config.Endpoints{
			SQS: front(direct.AWS.EndpointURL.SQS), S3: front(direct.AWS.EndpointURL.S3), DynamoDB: front(direct.AWS.EndpointURL.DynamoDB),
		}
		c.Watcher.Interval = 100 * time.Millisecond
		a, err := app.Open(t.Context(), c, "test", zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.Close() })
		return a
	}
	operator, worker, watcher := open(app.RoleStart), open(app.RoleWork), open(app.RoleWatch)
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
	for _, role := range app.Roles() {
		if used[role] == 0 {
			t.Errorf("%s called nothing", role)
		}
	}
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
	deadline := time.After(3 * time.Minute)
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waiting for %s", what)
		}
	}
}
