package app

import (
	"context"

	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/replay"
)

// Plan says what Start would read, write, cost and take, with so many worker processes.
func (a *App) Plan(ctx context.Context, protocols []string, workers int, progress func(string, int64, int64), change func(*replay.StartParams)) (replay.Plan, error) {
	p, err := a.startParams(protocols, change)
	if err != nil {
		return replay.Plan{}, err
	}
	w := a.config.Worker
	return a.driver.Plan(ctx, replay.PlanParams{
		StartParams: p, Workers: workers, Slots: w.Slots, Chunk: w.ChunkTime - w.Reserve,
		AWS: a.config.Backend == config.BackendAWS, Progress: progress,
	})
}
