package worker

import (
	"context"
	"errors"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/telemetry"
)

// tellCommit is called before a commit, and what it returns with the outcome.
func (w *Worker) tellCommit(ctx context.Context, c ledger.Commit) (context.Context, func(error)) {
	started := time.Now()
	ctx, span := w.o.Tracer.Start(ctx, "commit", telemetry.SpanInside)
	span.Text("state", string(c.State))
	span.Number("line_from", c.From)
	span.Number("line_to", c.To)
	return ctx, func(err error) {
		result := telemetry.CommitOK
		switch {
		case errors.Is(err, ledger.ErrFenced):
			result = telemetry.CommitFenced
		case err != nil:
			result = telemetry.CommitFailed
		}
		w.o.Metrics.Commit(result, time.Since(started))
		span.End(err)
	}
}

// tellSpan says what the work on a message was and what became of it, and ends its span.
func (j *job) tellSpan(span telemetry.Span, v Verdict, attempt int, err error) {
	if j.task.Fold {
		span.Rename("fold part")
	}
	span.Text("replay", j.task.Replay)
	span.Text("object", j.task.Key)
	span.Text("protocol", j.task.Protocol)
	span.Text("verdict", v.String())
	span.Number("attempt", int64(attempt))
	span.Number("line_from", j.from)
	span.Number("line_to", j.cursor.Line)
	if v != Retry && v != Poison { // all others are as it should be
		err = nil
	}
	span.End(err)
}

// tellCommitted says what a commit has added to the accounts of the object.
func (c *chunk) tellCommitted(now ledger.Accounts) {
	before := c.cursor.Accounts
	c.w.o.Metrics.Committed(telemetry.Committed{
		Protocol: c.task.Protocol, Objects: c.objects, Bytes: now.Bytes - before.Bytes, Counted: now.Counted - before.Counted,
		AfterCutoff: now.AfterCutoff - before.AfterCutoff, Rejected: now.Rejected - before.Rejected, Blank: now.Blank - before.Blank,
	})
}
