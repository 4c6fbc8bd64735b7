package cmd

import (
	"fmt"
)

type redriveCommand struct {
	Replay string   `arg:"" optional:"" help:"The replay's id. Default: the newest."`
	Key    []string `short:"k" placeholder:"KEY" help:"Redrive this object only; may be given several times. Default: all that are FAILED."`
	DryRun bool     `help:"Say what would be redriven, and change nothing."`
	JSON   bool     `help:"Print JSON."`
}

// Run makes FAILED objects begin again.
func (c *redriveCommand) Run(e *environment) error {
	a, id, err := e.openReplay(c.Replay)
	if err != nil {
		return err
	}
	redriven, err := a.Replays().Redrive(e, id, c.Key, c.DryRun)
	if err != nil {
		return err
	}
	if c.JSON {
		return e.printJSON(redriven)
	}
	now, begin := "", "begins again" // of one object
	if c.DryRun {
		now, begin = "would be ", "would begin again; nothing is changed"
	}
	again := 0
	for _, r := range redriven {
		if !r.Again {
			fmt.Fprintf(e.out, "%s: stays FAILED: %s (was: %s)\n", r.Key, r.Now, r.Error)
			continue
		}
		again++
		fmt.Fprintf(e.out, "%s: %s%s (was: %s)\n", r.Key, now, r.Now, r.Error)
	}
	fmt.Fprintf(e.err, "of the objects that are FAILED %d of %d %s\n", again, len(redriven), begin)
	return nil
}
