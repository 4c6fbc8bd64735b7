package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/entries/sqliteentries"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
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

func (b *backend) openLocal(ctx context.Context, c config.Local) error {
	dir := c.Dir
	b.report, b.lease = time.Second, 10*time.Second
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("local.dir: the folder of the databases cannot be made; make it, or name another one: %w", err)
	}
	l, err := sqliteledger.Open(ctx, filepath.Join(dir, ledgerFile))
	if err != nil {
		return fmt.Errorf("local.dir: %w", err)
	}
	b.ledger = l
	b.onClose(l.Close)
	if b.entries, err = sqliteentries.Open(ctx, l); err != nil {
		return fmt.Errorf("local.dir: %w", err)
	}
	q, err := b.openQueue(ctx, dir, workQueue, deadLetterQueue)
	if err != nil {
		return err
	}
	dead, err := b.openQueue(ctx, dir, deadLetterQueue, "")
	if err != nil {
		return err
	}
	b.queue, b.dead = q, dead
	files, err := dirarchive.New(ctx, dirarchive.Options{Root: c.Archive, Tags: filepath.Join(dir, tagsFile)})
	if err != nil {
		return fmt.Errorf("opening the archive (local.archive): %w", err)
	}
	b.archive = files
	b.onClose(files.Close)
	return nil
}

func (b *backend) openQueue(ctx context.Context, dir, name, deadLetter string) (queue.Queue, error) {
	q, err := sqlitequeue.Open(ctx, sqlitequeue.Options{
		Path: filepath.Join(dir, queueFile), Name: name, DeadLetter: deadLetter,
	})
	if err != nil {
		return nil, fmt.Errorf("local.dir: opening the queue %s: %w", name, err)
	}
	b.onClose(q.Close)
	return q, nil
}
