package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/config"
)

type initCommand struct {
	File string `arg:"" optional:"" type:"path" help:"The file to write; it must not exist. Default: what --config names, or reprise.yaml here."`
}

// Run writes the sample configuration, and never over a file that is there.
func (c *initCommand) Run(e *environment) error {
	c.File = cmp.Or(c.File, e.commands.Config, config.FileName)
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: %s exists already; name another file, or remove it", app.ErrUsage, c.File)
	}
	if err != nil {
		return fmt.Errorf("writing the sample configuration: %w", err)
	}
	if _, err := f.WriteString(config.Sample()); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", c.File, err), f.Close())
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", c.File, err)
	}
	fmt.Fprintf(e.err, "%s is written. Set local.archive and the protocols, then: reprise config check, reprise start, reprise run --once\n", c.File)
	return nil
}
