package app

import (
	"context"
	"fmt"
)

// needLive is the error of a command that makes no sense without a live side; does says what the command does.
func (a *App) needLive(does string) error {
	if a.config.Live.On {
		return nil
	}
	return fmt.Errorf("%w: there is no live side (live: none in the configuration): %s; write live: {} in the file for a live side "+
		"with the default settings, or set REPRISE_LIVE={}", ErrUsage, does)
}

// Live counts the entries of the incoming table as they come, until ctx ends; with once, until all that is there is counted.
func (a *App) Live(_ context.Context, _ bool) error {
	return a.needLive("reprise live counts the incoming table")
}

// Archive moves what is counted to the archive.
func (a *App) Archive(_ context.Context, _, _ bool) error {
	return a.needLive("reprise archive moves what is counted live to the archive")
}
