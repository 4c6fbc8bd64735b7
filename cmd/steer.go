package cmd

import (
	"context"
	"fmt"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// steering is what pause, resume and cancel have in common: a replay, and its record afterwards.
type steering struct {
	Replay string `arg:"" optional:"" help:"The replay's id. Default: the newest."`
	JSON   bool   `help:"Print the replay's record as JSON."`
}

type (
	pauseCommand  struct{ steering }
	resumeCommand struct{ steering }
	cancelCommand struct{ steering }
)

// Run lets workers end their chunks and take no more.
func (c *pauseCommand) Run(e *environment) error {
	return c.steer(e, (*replay.Driver).Pause)
}

// Run lets a paused replay go on.
func (c *resumeCommand) Run(e *environment) error {
	return c.steer(e, (*replay.Driver).Resume)
}

// Run gives a replay up.
func (c *cancelCommand) Run(e *environment) error {
	return c.steer(e, (*replay.Driver).Cancel)
}

func (c *steering) steer(e *environment, do func(*replay.Driver, context.Context, string) (ledger.Replay, error)) error {
	a, id, err := e.openReplay(c.Replay)
	if err != nil {
		return err
	}
	r, err := do(a.Replays(), e, id)
	if err != nil {
		return err
	}
	if c.JSON {
		return e.printJSON(r)
	}
	fmt.Fprintf(e.out, "%s %s\n", r.ID, r.State)
	return nil
}
