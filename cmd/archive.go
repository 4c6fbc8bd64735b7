package cmd

import (
	"fmt"

	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/app"
)

type archiveCommand struct {
	Once  bool `help:"Look once, and end when what may be archived now is."`
	Force bool `help:"With --once: write batches however small and young they are."`
}

// Run moves counted lines to the archive.
func (c *archiveCommand) Run(e *environment) error {
	if c.Force && !c.Once {
		return fmt.Errorf("%w: --force goes with --once; a process that runs on writes when a batch is full or old", app.ErrUsage)
	}
	e.daemon = !c.Once
	a, err := e.open(zapcore.InfoLevel)
	if err != nil {
		return err
	}
	return a.Archive(e, c.Once, c.Force)
}
