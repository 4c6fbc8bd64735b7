// Package app puts the parts together as the configuration says: it opens the backend's drivers, makes the roles from
// them, and closes everything in the reverse order. It is the only package that knows drivers, and the only one that
// reads the configuration.
package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/worker"
)

// App is the parts of one process, open.
type App struct {
	backend
	config config.Config
	log    *zap.Logger
	name   string // of this process: host, process number and a random part
	driver *replay.Driver
	side   side

	watched watched
}

// backend is what a backend gives.
type backend struct {
	queue     queue.Queue
	dead      queue.Queue
	ledger    ledger.Ledger
	archive   archive.Archive
	entries   entries.Entries // nil where the backend has none
	retention time.Duration   // that the work queue keeps a message; 0: for ever
	lease     time.Duration   // after which others take over what a dead process of the live side did; 0: the roles' defaults
	tagAge    time.Duration   // of a worker's copy of a replay, see worker.Options; those who take tags off wait for tagPauses of it
	report    time.Duration   // between two times that a worker stores its progress: rates are shown from it
	closers   []func() error  // what close undoes, in order of opening
}

// Open opens the backend that the configuration names. What it opened is closed again when it fails. version is told to
// services as that of this program.
func Open(ctx context.Context, c config.Config, version string, log *zap.Logger) (*App, error) {
	a := &App{config: c, name: processName(), watched: newWatched(c.Telemetry, version)}
	a.log = a.watched.metrics.CountLog(log)
	err := a.openTracer(ctx, version)
	if err != nil {
		return nil, err
	}
	switch c.Backend {
	case config.BackendAWS:
		err = a.openAWS(ctx, c, version, a.watched.observer())
	default:
		err = a.openLocal(ctx, c.Local)
	}
	if err == nil {
		err = a.openSide(c)
	}
	if err == nil {
		a.driver, err = replay.New(replay.Options{
			Queue: a.queue, DeadLetters: a.dead, Ledger: a.ledger, Archive: a.archive, Live: a.liveSide(),
			Owner: a.name, Interval: c.Watcher.Interval, StuckAfter: c.Watcher.StuckAfter, Retention: a.retention,
			Lease: lease(c.Watcher), MaxAttempts: c.Worker.MaxAttempts, TagPause: tagPauses * a.tagAge, Log: a.log,
			Tracer: a.watched.tracer,
		})
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// lease is how long a step of a replay is one watcher's: longer than it takes between two looks, or each look of another
// process would take it over.
func lease(w config.Watcher) time.Duration { return 15*time.Second + 2*w.Interval }

// tagPauses is how many times longer those who take tags off wait than workers trust their copy of a replay. Once would do if
// all clocks ran at the same speed.
const tagPauses = 2

func (b *backend) onClose(f func() error) { b.closers = append(b.closers, f) }

// Close closes everything, the last opened first. It may be called twice.
func (b *backend) Close() error {
	var errs []error
	for len(b.closers) > 0 {
		last := len(b.closers) - 1
		errs = append(errs, b.closers[last]())
		b.closers = b.closers[:last]
	}
	return errors.Join(errs...)
}

// Replays is what drives replays, and tells of them.
func (a *App) Replays() *replay.Driver { return a.driver }

// Ledger is the truth, for those who list it.
func (a *App) Ledger() ledger.Ledger { return a.ledger }

// Worker makes a pool of workers with the configuration's budget.
func (a *App) Worker() (*worker.Worker, error) {
	w := a.config.Worker
	return worker.New(worker.Options{
		Queue: a.queue, DeadLetters: a.dead, Ledger: a.ledger, Archive: a.archive, Name: a.name,
		Slots: w.Slots, Visibility: w.VisibilityTimeout, ChunkTime: w.ChunkTime, Reserve: w.Reserve, Drain: w.Drain,
		MaxAttempts: w.MaxAttempts, Memory: int(w.Memory), Report: a.report, TagAge: a.tagAge, Dry: a.driver.Wake, Log: a.log,
		Metrics: a.watched.worker, Alive: a.watched.working, Tracer: a.watched.tracer,
	})
}

// processName is unique among processes that share a ledger: leases and claims are held in it.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), hex.EncodeToString(b[:]))
}
