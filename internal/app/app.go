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
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
	"github.com/seed-56345083/reprise/worker"
)

// The files of the local backend, below local.dir. They are apart so that a busy queue does not hold commits up.
const (
	ledgerFile = "ledger.db"
	queueFile  = "queue.db"
	tagsFile   = "tags.db"
)

// The names of the local backend's queues.
const (
	workQueue       = "work"
	deadLetterQueue = "dead-letters"
)

// How often a worker stores its progress: rates are shown from it.
const localReport = time.Second

// App is the parts of one process, open.
type App struct {
	config  config.Config
	log     *zap.Logger
	name    string // of this process: host, process number and a random part
	queue   queue.Queue
	dead    queue.Queue
	ledger  ledger.Ledger
	archive archive.Archive
	driver  *replay.Driver
	closers []func() error // what Close undoes, in order of opening
}

// Open opens the backend that the configuration names. What it opened is closed again when it fails.
func Open(ctx context.Context, c config.Config, log *zap.Logger) (*App, error) {
	a := &App{config: c, log: log, name: processName()}
	err := errors.New("backend aws is not built into this version; use local")
	if c.Backend == config.BackendLocal {
		err = a.openLocal(ctx)
	}
	if err == nil {
		a.driver, err = replay.New(replay.Options{
			Queue: a.queue, DeadLetters: a.dead, Ledger: a.ledger, Archive: a.archive,
			Owner: a.name, Interval: c.Watcher.Interval, StuckAfter: c.Watcher.StuckAfter, Lease: lease(c.Watcher),
			MaxAttempts: c.Worker.MaxAttempts, Log: log,
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

func (a *App) openLocal(ctx context.Context) error {
	dir := a.config.Local.Dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("local.dir: the folder of the databases cannot be made; make it, or name another one: %w", err)
	}
	l, err := sqliteledger.Open(ctx, filepath.Join(dir, ledgerFile))
	if err != nil {
		return fmt.Errorf("local.dir: %w", err)
	}
	a.ledger = l
	a.onClose(l.Close)
	q, err := a.openQueue(ctx, workQueue, deadLetterQueue)
	if err != nil {
		return err
	}
	dead, err := a.openQueue(ctx, deadLetterQueue, "")
	if err != nil {
		return err
	}
	a.queue, a.dead = q, dead
	files, err := dirarchive.New(ctx, dirarchive.Options{Root: a.config.Local.Archive, Tags: filepath.Join(dir, tagsFile)})
	if err != nil {
		return fmt.Errorf("opening the archive (local.archive): %w", err)
	}
	a.archive = files
	a.onClose(files.Close)
	return nil
}

func (a *App) openQueue(ctx context.Context, name, deadLetter string) (queue.Queue, error) {
	q, err := sqlitequeue.Open(ctx, sqlitequeue.Options{
		Path: filepath.Join(a.config.Local.Dir, queueFile), Name: name, DeadLetter: deadLetter,
	})
	if err != nil {
		return nil, fmt.Errorf("local.dir: opening the queue %s: %w", name, err)
	}
	a.onClose(q.Close)
	return q, nil
}

func (a *App) onClose(f func() error) { a.closers = append(a.closers, f) }

// Close closes everything, the last opened first. It may be called twice.
func (a *App) Close() error {
	var errs []error
	for len(a.closers) > 0 {
		last := len(a.closers) - 1
		errs = append(errs, a.closers[last]())
		a.closers = a.closers[:last]
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
		MaxAttempts: w.MaxAttempts, Memory: int(w.Memory), Report: localReport, Log: a.log,
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
