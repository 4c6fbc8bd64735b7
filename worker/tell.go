package worker

import (
	"context"
	"errors"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/telemetry"
)

// tellCommit is called before a commit, and what it returns with the outcome.
func (w *Worker) tellCommit(ctx context.Context, _ ledger.Commit) (context.Context, func(error)) {
	started := time.Now()
	return ctx, func(err error) {
		result := telemetry.CommitOK
		switch {
		case errors.Is(err, ledger.ErrFenced):
			result = telemetry.CommitFenced
		case err != nil:
			result = telemetry.CommitFailed
		}
		w.o.Metrics.Commit(result, time.Since(started))
	}
}

// tellCommitted says what a commit has added to the accounts of the object.
func (c *chunk) tellCommitted(now ledger.Accounts) {
	before := c.cursor.Accounts
	c.w.o.Metrics.Committed(telemetry.Committed{
		Protocol: c.task.Protocol, Objects: c.objects, Bytes: now.Bytes - before.Bytes, Counted: now.Counted - before.Counted,
		AfterCutoff: now.AfterCutoff - before.AfterCutoff, Rejected: now.Rejected - before.Rejected, Blank: now.Blank - before.Blank,
	})
}
