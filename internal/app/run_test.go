package app_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/app"
)

// TestRunOnce: a run that ends with its replays does not wait for the watcher's interval, here an hour.
func TestRunOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := filepath.Join(dir, "archive", "logs", "dns")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(logs, "a.log"), []byte(`{"ts":"2026-03-01T10:00:00Z"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := load(t, `
backend: local
local: {archive: `+filepath.Join(dir, "archive")+`, dir: `+filepath.Join(dir, "state")+`}
watcher: {interval: 1h}
`+protocols)
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Minute)
	defer stop()
	a, err := app.Open(ctx, c, "test", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	start(t, a)
	if err := a.Run(ctx, true); err != nil {
		t.Error(err)
	}
}

// TestRunEndsUnanswered: a run that has nothing to do ends, though a part of the backend has not answered the pages that tell
// whether the process is ready.
func TestRunEndsUnanswered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := filepath.Join(dir, "archive")
	if err := os.MkdirAll(root, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("logs", filepath.Join(root, "logs")); err != nil { // cannot be listed, by whomever
		t.Fatal(err)
	}
	c := load(t, `
backend: local
local: {archive: `+root+`, dir: `+filepath.Join(dir, "state")+`}
telemetry: {listen: "127.0.0.1:0"}
`+protocols)
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Minute)
	defer stop()
	a, err := app.Open(ctx, c, "test", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	if err := a.Run(ctx, true); err != nil || ctx.Err() != nil {
		t.Errorf("%v; it has ended by itself: %t", err, ctx.Err() == nil)
	}
}
