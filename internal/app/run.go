package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/replay"
)

// Work runs workers until ctx ends.
func (a *App) Work(ctx context.Context) error { return a.serve(ctx, []Role{RoleWork}, a.work) }

// Watch runs the watcher until ctx ends.
func (a *App) Watch(ctx context.Context) error { return a.serve(ctx, []Role{RoleWatch}, a.watch) }

func (a *App) watch(ctx context.Context) error {
	defer a.watched.watching.End()
	return a.driver.Watch(ctx)
}

func (a *App) work(ctx context.Context) error {
	defer a.watched.working.End()
	w, err := a.Worker()
	if err != nil {
		return err
	}
	if err := a.noteDefinitions(ctx); err != nil && ctx.Err() == nil {
		a.log.Warn("comparing the definitions of replays with the configuration", zap.Error(err))
	}
	return w.Run(ctx)
}

// onceInterval is how long a run that ends with its replays waits at most between two looks at them: nobody else has to be
// waited for, and every step of theirs takes a look.
const onceInterval = time.Second

// Run runs all roles in this process until ctx ends, those of a live side too where there is one. With once it runs them until
// no replay can go on, and then counts what is in the incoming table and archives what is due, once: nil when all replays are over,
// replay.ErrHeld when one is held back, with what holds it.
func (a *App) Run(ctx context.Context, once bool) error {
	roles := []Role{RoleWork, RoleWatch}
	if a.HasLive() {
		roles = append(roles, siding()...)
	}
	return a.serve(ctx, roles, func(ctx context.Context) error { return a.run(ctx, once) })
}

func (a *App) run(ctx context.Context, once bool) error {
	signalled := ctx
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	looked := make(chan struct{}, 1)
	if once {
		a.driver.Hasten(onceInterval, func() {
			select {
			case looked <- struct{}{}:
			default:
			}
		})
	}
	if a.HasLive() {
		if err := a.openProtocols(ctx); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx) // a role that fails takes the others with it
	group.Go(func() error { return a.work(ctx) })
	group.Go(func() error { return a.watch(ctx) })
	if a.HasLive() {
		group.Go(func() error { return a.count(ctx, false) })
		group.Go(func() error { return a.moveToArchive(ctx) })
	}
	var held error
	if once {
		group.Go(func() error {
			defer stop()
			held = a.untilStill(ctx, looked)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if once && signalled.Err() != nil {
		return fmt.Errorf("stopped before every replay was over: %w", signalled.Err())
	}
	if once && a.HasLive() {
		held = errors.Join(held, a.count(signalled, true), a.side.archiver.Once(signalled, false))
	}
	return held
}

// untilStill waits until no replay can go on without somebody's hand, or ctx ends. It asks after each look of the watcher, and
// every now and then, because other processes may be quicker. A ledger that cannot be read for a
// moment is asked again: whether all is done must be known, not guessed.
func (a *App) untilStill(ctx context.Context, looked <-chan struct{}) error {
	for {
		states, err := a.driver.Held(ctx)
		if err == nil {
			var reasons []string
			still := true
			for _, s := range states {
				still = still && s.Held
				reasons = append(reasons, s.Replay+": "+s.Why)
			}
			switch {
			case still && len(states) > 0:
				return fmt.Errorf("%w: %s", replay.ErrHeld, strings.Join(reasons, "; "))
			case still:
				return nil
			}
		} else if ctx.Err() == nil {
			a.log.Warn("looking whether all is done", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-looked:
		case <-time.After(min(a.config.Watcher.Interval, onceInterval)):
		}
	}
}

// Start opens a replay of the protocols named (none: all that are configured) and returns its id.
func (a *App) Start(ctx context.Context, protocols []string, change func(*replay.StartParams)) (string, error) {
	p, err := a.startParams(protocols, change)
	if err != nil {
		return "", err
	}
	r, err := a.driver.Start(ctx, p)
	return r.ID, err
}

// CheckStart refuses what Start would refuse now whatever the archive holds, and changes nothing.
func (a *App) CheckStart(ctx context.Context, protocols []string, change func(*replay.StartParams)) error {
	p, err := a.startParams(protocols, change)
	if err != nil {
		return err
	}
	return a.driver.Check(ctx, p)
}

// DryRun says what Start would do.
func (a *App) DryRun(ctx context.Context, protocols []string, change func(*replay.StartParams)) (replay.DryRun, error) {
	p, err := a.startParams(protocols, change)
	if err != nil {
		return replay.DryRun{}, err
	}
	return a.driver.DryRun(ctx, p)
}

// startParams are what the configuration says of a replay, and what the caller changes of that.
func (a *App) startParams(protocols []string, change func(*replay.StartParams)) (replay.StartParams, error) {
	if len(protocols) == 0 {
		protocols = a.config.Protocols()
	}
	p := replay.StartParams{
		Prefix: a.config.Archive.Prefix, Layout: a.config.Archive.Layout, Tags: a.config.Archive.Tags,
	}
	protocols = slices.Compact(slices.Sorted(slices.Values(protocols)))
	for _, name := range protocols {
		if _, ok := a.config.Protocol[name]; !ok {
			return p, a.unknownProtocol(name)
		}
	}
	p.Protocols = a.protocolParams(protocols)
	change(&p)
	return p, nil
}

// protocolParams are what the configuration says of protocols that it has.
func (a *App) protocolParams(names []string) []replay.ProtocolParams {
	var list []replay.ProtocolParams
	for _, name := range names {
		protocol := a.config.Protocol[name]
		rejects := 1.0
		if protocol.Rejects.Limited {
			rejects = protocol.Rejects.FailAbove
		}
		list = append(list, replay.ProtocolParams{Definition: a.config.Definition(name), Rejects: rejects, Others: protocol.Others()})
	}
	return list
}

func (a *App) unknownProtocol(name string) error {
	return fmt.Errorf("%w: protocol %q is not configured; configured: %s", ErrUsage, name, strings.Join(a.config.Protocols(), ", "))
}

// ErrUsage says that a command was called wrongly.
var ErrUsage = errors.New("wrong usage")
