package main

import (
	"fmt"
	"os"
	"os/user"

	"go.uber.org/zap/zapcore"
)

type finishCommand struct {
	Replay       string `arg:"" optional:"" help:"The replay's id. Default: the newest."`
	AcceptFailed bool   `help:"Leave out what has FAILED; that you said so is recorded."`
	JSON         bool   `help:"Print JSON."`
}

// Run takes a replay as far towards its end as it can go now.
func (c *finishCommand) Run(e *environment) (err error) {
	a, err := e.open(zapcore.WarnLevel)
	if err != nil {
		return err
	}
	defer closing(a, &err)
	id, err := newest(e, a, c.Replay)
	if err != nil {
		return err
	}
	r, err := a.Replays().Finish(e, id, c.AcceptFailed, operator())
	if c.JSON && r.ID != "" {
		if e := e.printJSON(r); e != nil {
			return e
		}
		return err
	}
	if err == nil {
		fmt.Fprintf(e.out, "%s %s\n", r.ID, r.State)
		if c.AcceptFailed && r.Accepted != nil {
			fmt.Fprintf(e.err, "left out by the word of %s: %d FAILED\n", r.Accepted.By, r.Accepted.Objects)
		}
		if !r.State.Ended() {
			fmt.Fprintf(e.err, "it waits for: %s; workers and the watcher finish it\n", r.Waits)
		}
	}
	return err
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
