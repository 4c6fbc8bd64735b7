package app

import (
	"context"

	"go.uber.org/zap"
)

// noteDefinitions says which replays go on with another definition than the one that is configured now. That is right,
// because a generation is counted by one definition from its first line to its last; but whoever has just edited the
// configuration might expect otherwise.
func (a *App) noteDefinitions(ctx context.Context) error {
	replays, err := a.ledger.Replays(ctx)
	if err != nil {
		return err
	}
	for _, r := range replays {
		if r.State.Ended() {
			continue
		}
		for _, p := range r.Protocols {
			g, err := a.ledger.Generation(ctx, p.Name, p.Generation)
			if err != nil {
				return err
			}
			fields := []zap.Field{zap.String("replay", r.ID), zap.String("protocol", p.Name), zap.Int64("generation", p.Generation)}
			if _, ok := a.config.Protocol[p.Name]; !ok {
				a.log.Warn("a replay of a protocol that is not configured here goes on with the definition that it was started with", fields...)
			} else if g.Hash != a.config.Definition(p.Name).Hash() {
				a.log.Warn("the configuration defines this protocol otherwise than the replay, which goes on with the definition that it was "+
					"started with; to use the configured one, start a replay when this one is over or cancelled", fields...)
			}
		}
	}
	return nil
}
