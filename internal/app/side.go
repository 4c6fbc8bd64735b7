package app

import (
	"context"
	"fmt"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archiver"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/live"
	"github.com/seed-56345083/reprise/internal/replay"
)

// side is what the live side's roles have in common; zero where there is none.
type side struct {
	counter  *live.Counter
	archiver *archiver.Archiver
}

// openSide makes the live side of the configuration from the open backend.
func (a *App) openSide(c config.Config) (err error) {
	if !c.Live.On {
		return nil
	}
	if a.entries == nil {
		return fmt.Errorf("%w: backend %s has no live side; write live: none", ErrUsage, c.Backend)
	}
	a.side.counter, err = live.New(live.Options{Ledger: a.ledger, Entries: a.entries, Slots: c.Live.Slots, Log: a.log})
	if err != nil {
		return err
	}
	layout, err := archive.ParseLayout(c.Archive.Layout)
	if err != nil {
		return fmt.Errorf("archive.layout: %w", err)
	}
	o := archiver.Options{
		Ledger: a.ledger, Entries: a.entries, Archive: a.archive, Count: a.side.counter.Count,
		Owner: a.name, Prefix: c.Archive.Prefix, Layout: layout,
		MaxBytes: int64(c.Archiver.MaxBytes), MaxAge: c.Archiver.MaxAge, Keep: c.Archiver.KeepEntries, Late: c.Live.Late,
		Lease: a.lease, Log: a.log,
	}
	for _, name := range c.Protocols() {
		o.Protocols = append(o.Protocols, archiver.Protocol{Name: name, Others: c.Protocol[name].Others()})
	}
	a.side.archiver, err = archiver.New(o)
	return err
}

// liveSide is what replays need of it; nil where there is none.
func (a *App) liveSide() *replay.LiveSide {
	if a.side.counter == nil {
		return nil
	}
	return &replay.LiveSide{
		Entries: a.entries, Sweep: a.side.counter.Sweep, Drain: a.side.archiver.Drain,
		Settle: a.config.Live.Settle, Late: a.config.Live.Late,
	}
}

// needLive is the error of a command that makes no sense without a live side; does says what the command does.
func (a *App) needLive(does string) error {
	if a.config.Live.On {
		return nil
	}
	return fmt.Errorf("%w: there is no live side (live: none in the configuration): %s; write live: {} in the file for a live side "+
		"with the default settings, or set REPRISE_LIVE={}", ErrUsage, does)
}

// HasLive reports whether the configuration has a live side.
func (a *App) HasLive() bool { return a.config.Live.On }

// LiveStatus tells how far the live side is with the configured protocols; nil where there is none.
func (a *App) LiveStatus(ctx context.Context) (*replay.StatusLive, error) {
	if !a.config.Live.On {
		return nil, nil //nolint:nilnil // no live side is an answer
	}
	var protocols []ledger.ReplayProtocol
	for _, name := range a.config.Protocols() {
		protocols = append(protocols, ledger.ReplayProtocol{Name: name})
	}
	return a.driver.StatusLive(ctx, protocols)
}

// openProtocols gives each configured protocol a generation, so that nothing is counted or archived that none counts.
func (a *App) openProtocols(ctx context.Context) error {
	return a.driver.OpenLive(ctx, a.protocolParams(a.config.Protocols()))
}

// Live counts the entries of the incoming table as they come, until ctx ends; with once, until all that is there is counted.
// ErrUsage: there is no live side.
func (a *App) Live(ctx context.Context, once bool) error {
	if err := a.needLive("reprise live counts the incoming table"); err != nil {
		return err
	}
	run := func(ctx context.Context) error {
		if err := a.openProtocols(ctx); err != nil {
			return err
		}
		return a.count(ctx, once)
	}
	if once {
		return run(ctx)
	}
	return a.serve(ctx, []Role{RoleLive}, run)
}

// count reads the stream for every protocol that has a generation, also those of other configurations: whoever reads on has
// read on for all of them.
func (a *App) count(ctx context.Context, once bool) error {
	w := a.watched
	c, err := live.NewConsumer(live.ConsumerOptions{
		Counter: a.side.counter, Owner: a.name, Once: once, Lease: a.lease, Log: a.log, Following: w.following, Sweeping: w.sweeping,
	})
	if err != nil {
		return err
	}
	defer w.following.End()
	defer w.sweeping.End()
	if !once { // there is one such consumer in a process
		c.Observe(w.metrics)
	}
	return c.Run(ctx)
}

// Archive moves what is counted to the archive, until ctx ends; with once it makes one pass, with force one that writes
// also what is small and young. ErrUsage: there is no live side.
func (a *App) Archive(ctx context.Context, once, force bool) error {
	if err := a.needLive("reprise archive moves what is counted live to the archive"); err != nil {
		return err
	}
	if once {
		if err := a.openProtocols(ctx); err != nil {
			return err
		}
		return a.side.archiver.Once(ctx, force) // also where another process serves what tells of it: start archives so
	}
	return a.serve(ctx, []Role{RoleArchive}, func(ctx context.Context) error {
		if err := a.openProtocols(ctx); err != nil {
			return err
		}
		return a.moveToArchive(ctx)
	})
}

func (a *App) moveToArchive(ctx context.Context) error {
	defer a.watched.archiving.End()
	return a.side.archiver.Run(ctx)
}
