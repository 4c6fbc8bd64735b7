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
	"github.com/seed-56345083/reprise/internal/sqlitedb"
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
	b.report, b.lease, b.tagAge = time.Second, 10*time.Second, 5*time.Millisecond
	if err := os.MkdirAll(dir, 0o700); err != nil {
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
	if err := b.openQueues(ctx, filepath.Join(dir, queueFile)); err != nil {
		return fmt.Errorf("local.dir: opening the queues: %w", err)
	}
	files, err := dirarchive.New(ctx, dirarchive.Options{Root: c.Archive, Tags: filepath.Join(dir, tagsFile)})
	if err != nil {
		return fmt.Errorf("opening the archive (local.archive): %w", err)
	}
	b.archive = files
	b.onClose(files.Close)
	return nil
}

// openQueues opens both queues of one file.
func (b *backend) openQueues(ctx context.Context, path string) error {
	db, err := sqlitedb.Open(ctx, path, sqlitequeue.Migrations())
	if err != nil {
		return err
	}
	b.onClose(db.Close)
	q, err := sqlitequeue.New(db, sqlitequeue.Options{Name: workQueue, DeadLetter: deadLetterQueue})
	if err != nil {
		return err
	}
	b.onClose(q.Close)
	dead, err := sqlitequeue.New(db, sqlitequeue.Options{Name: deadLetterQueue})
	if err != nil {
		return err
	}
	b.onClose(dead.Close)
	b.queue, b.dead = q, dead
	return nil
}
