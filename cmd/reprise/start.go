package main

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/ledger"
)

type startCommand struct {
	Protocol []string `short:"p" placeholder:"NAME" help:"Replay this protocol only; may be given several times. Default: all that are configured."`
	Cutoff   string   `placeholder:"TIME" help:"The last instant that counts, RFC 3339. Default: now."`
	Wait     bool     `help:"Follow the replay until it is finished or held back."`
}

// Run opens a replay, lists and enqueues the archive, and prints the id.
func (c *startCommand) Run(e *environment) (err error) {
	cutoff, err := parseTime(c.Cutoff)
	if err != nil {
		return fmt.Errorf("%w: --cutoff: %w", app.ErrUsage, err)
	}
	a, err := e.open(zapcore.WarnLevel)
	if err != nil {
		return err
	}
	defer closing(a, &err)
	id, err := a.Start(e, c.Protocol, cutoff)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.out, id)

	bar := newBar(e, "listing")
	err = a.Replays().Continue(e, id, func(r ledger.Replay) { bar.counting("listed %d objects", r.Listing.Objects) })
	bar.stop()
	switch {
	case errors.Is(err, ledger.ErrHeld): // a watcher lists it
	case e.Err() != nil:
		return fmt.Errorf("replay %s is open but not listed to its end; reprise watch or run goes on: %w", id, e.Err())
	case err != nil:
		return fmt.Errorf("replay %s is open but not listed to its end; reprise watch or run goes on: %w", id, err)
	}
	if !c.Wait {
		return nil
	}
	return follow(e, a, id, false)
}

func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fmt.Errorf("%q is not a time such as 2026-03-01T12:00:00Z", s)
	}
	if t.IsZero() { // which would mean now
		return t, fmt.Errorf("%q is before all logs", s)
	}
	return t, nil
}
