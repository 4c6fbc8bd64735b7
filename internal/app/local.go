package app

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
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
	b.report, b.lease, b.tagAge = time.Second, 10*time.Second, 2*time.Millisecond
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("local.dir: the folder of the databases cannot be made; make it, or name another one: %w", err)
	}
	return b.openFiles(ctx, dir, c.Archive)
}

// openFiles opens the databases, all at the same time: most of it is waiting for the disk. So is most of closing them.
func (b *backend) openFiles(ctx context.Context, dir, root string) error {
	var queues backend // which has its own list of what is to be closed
	var ledger *sqliteledger.Ledger
	var files *dirarchive.Archive
	err := together(func() (err error) {
		if ledger, err = sqliteledger.Open(ctx, filepath.Join(dir, ledgerFile)); err != nil {
			return fmt.Errorf("local.dir: %w", err)
		}
		if b.entries, err = sqliteentries.Open(ctx, ledger); err != nil {
			return fmt.Errorf("local.dir: %w", err)
		}
		return nil
	}, func() error {
		if err := queues.openQueues(ctx, filepath.Join(dir, queueFile)); err != nil {
			return fmt.Errorf("local.dir: opening the queues: %w", err)
		}
		return nil
	}, func() (err error) {
		if files, err = dirarchive.New(ctx, dirarchive.Options{Root: root, Tags: filepath.Join(dir, tagsFile)}); err != nil {
			return fmt.Errorf("opening the archive (local.archive): %w", err)
		}
		return nil
	})
	closers := []func() error{queues.Close}
	b.queue, b.dead = queues.queue, queues.dead
	if ledger != nil {
		b.ledger = ledger
		closers = append(closers, ledger.Close)
	}
	if files != nil {
		b.archive = files
		closers = append(closers, files.Close)
	}
	b.onClose(func() error { return together(closers...) })
	return err
}

// together runs functions at the same time. Of their errors it gives the first one's.
func together(functions ...func() error) error {
	errs := make([]error, len(functions))
	var group sync.WaitGroup
	for i, f := range functions {
		group.Go(func() { errs[i] = f() })
	}
	group.Wait()
	return cmp.Or(errs...)
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
