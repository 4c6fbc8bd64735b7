package cmd

import (
	"fmt"
	"os"
	"os/user"

	"github.com/seed-56345083/reprise/internal/replay"
)

type finishCommand struct {
	Replay       string `arg:"" optional:"" help:"The replay's id. Default: the newest."`
	AcceptFailed bool   `help:"Leave out what has FAILED; that you said so is recorded."`
	PassGate     bool   `help:"Let it through its gates; that you said so is recorded."`
	JSON         bool   `help:"Print JSON."`
}

// Run takes a replay as far towards its end as it can go now: exit code 0 when it is over, or when what was asked to be
// left out is, and 3 while it waits.
func (c *finishCommand) Run(e *environment) error {
	a, id, err := e.openReplay(c.Replay)
	if err != nil {
		return err
	}
	if c.PassGate {
		if _, err := a.Replays().PassGate(e, id, operator()); err != nil {
			return err
		}
	}
	r, err := a.Replays().Finish(e, id, c.AcceptFailed, operator())
	if c.JSON && r.ID != "" {
		if e := e.printJSON(r); e != nil {
			return e
		}
		return err
	}
	if err != nil {
		return err
	}
	accepted := c.AcceptFailed && r.Accepted != nil
	if !r.State.Ended() && !accepted {
		return fmt.Errorf("%w by work that goes on: %s is %s and waits for: %s", replay.ErrHeld, r.ID, r.State, r.Waits)
	}
	fmt.Fprintf(e.out, "%s %s\n", r.ID, r.State)
	if accepted {
		fmt.Fprintf(e.err, "left out by the word of %s: %d FAILED\n", r.Accepted.By, r.Accepted.Objects)
	}
	if !r.State.Ended() {
		fmt.Fprintf(e.err, "it waits for: %s; workers and the watcher finish it\n", r.Waits)
	}
	return nil
}

// operator is who is recorded as having accepted something.
func operator() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
