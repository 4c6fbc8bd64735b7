package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/replay"
)

// Work runs workers until ctx ends.
func (a *App) Work(ctx context.Context) error {
	w, err := a.Worker()
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// Run runs all roles in this process until ctx ends; with once, until no replay can go on: nil when all are over,
// replay.ErrHeld when one is held back, with what holds it.
func (a *App) Run(ctx context.Context, once bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var held error
	var group errgroup.Group
	group.Go(func() error { return a.Work(ctx) })
	group.Go(func() error { return a.driver.Watch(ctx) })
	if once {
		group.Go(func() error {
			defer stop()
			var err error
			held, err = a.untilStill(ctx)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return held
}

// untilStill waits until no replay can go on without somebody's hand.
func (a *App) untilStill(ctx context.Context) (held, err error) {
	for {
		states, err := a.driver.Held(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil, nil
			}
			return nil, err
		}
		var reasons []string
		still := true
		for _, s := range states {
			still = still && s.Held
			reasons = append(reasons, s.Replay+": "+s.Why)
		}
		if still && len(states) > 0 {
			return fmt.Errorf("%w: %s", replay.ErrHeld, strings.Join(reasons, "; ")), nil
		}
		if still {
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(localInterval / 2):
		}
	}
}

// Start opens a replay of the protocols named (none: all that are configured) and returns its id.
func (a *App) Start(ctx context.Context, protocols []string, cutoff time.Time) (string, error) {
	if len(protocols) == 0 {
		protocols = a.config.Protocols()
	}
	p := replay.StartParams{
		Cutoff: cutoff, Prefix: a.config.Archive.Prefix, Layout: a.config.Archive.Layout, Tags: a.config.Archive.Tags,
	}
	for _, name := range protocols {
		protocol, ok := a.config.Protocol[name]
		if !ok {
			return "", fmt.Errorf("%w: protocol %q is not configured; there are %s", ErrUsage, name, strings.Join(a.config.Protocols(), ", "))
		}
		rejects := 1.0
		if protocol.Rejects.Limited {
			rejects = protocol.Rejects.FailAbove
		}
		p.Protocols = append(p.Protocols, replay.ProtocolParams{Definition: a.config.Definition(name), Rejects: rejects})
	}
	r, err := a.driver.Start(ctx, p)
	if err != nil {
		return "", err
	}
	return r.ID, nil
}

// ErrUsage says that a command was called wrongly.
var ErrUsage = errors.New("wrong usage")
