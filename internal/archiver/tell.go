package archiver

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/telemetry"
)

const (
	backlogEvery = time.Minute
	// backlogLimit bounds what one count of a protocol's backlog reads: that there are more, an alarm need not know by the entry.
	backlogLimit = 1000
)

// Observe lets the archiver tell what it does, and that it goes on. Call it before Run; both may be nil.
func (a *Archiver) Observe(m *telemetry.Archiver, alive *telemetry.Pulse) {
	a.progress.metrics, a.alive = m, alive
}

// backlog counts, once a minute, what waits to be archived, where somebody wants to know.
func (a *Archiver) backlog(ctx context.Context) {
	if a.progress.metrics == nil || time.Since(a.counted) < backlogEvery {
		return
	}
	a.counted = time.Now()
	var n int64
	var oldest time.Time
	for _, p := range a.o.Protocols {
		b, err := a.o.Entries.Backlog(ctx, p.Name, backlogLimit)
		if err != nil {
			if ctx.Err() == nil {
				a.o.Log.Warn("counting what is not archived", zap.String("protocol", p.Name), zap.Error(err))
			}
			return
		}
		n += b.Unarchived
		if !b.Oldest.IsZero() && (oldest.IsZero() || b.Oldest.Before(oldest)) {
			oldest = b.Oldest
		}
	}
	a.progress.metrics.Backlog(n, oldest)
}
