package cmd

import (
	"fmt"
	"io"
	"os"

	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/app"
)

type ingestCommand struct {
	Protocol string `arg:"" help:"The protocol of the lines."`
	File     string `arg:"" optional:"" type:"path" help:"The file to read. Default: standard input."`
	JSON     bool   `help:"Print what became of the lines as JSON."`
}

// Run puts lines into the incoming table.
func (c *ingestCommand) Run(e *environment) error {
	a, err := e.open(zapcore.WarnLevel)
	if err != nil {
		return err
	}
	var input io.Reader = os.Stdin
	if c.File != "" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("%w: %w", app.ErrUsage, err)
		}
		defer func() { _ = f.Close() }() // it was read only
		input = f
	}
	bar := newBar(e, "ingesting")
	done, err := a.Ingest(e, app.IngestParams{
		Protocol: c.Protocol, Input: input,
		Refused: func(r app.Refused) {
			bar.stop()
			fmt.Fprintf(e.err, "line %d: %s\n", r.Number, r.Why)
		},
		Progress: func(i app.Ingested) { bar.counting("%d lines", i.Lines) },
	})
	bar.stop()
	if err != nil {
		return err
	}
	if c.JSON {
		err = e.printJSON(done)
	} else {
		fmt.Fprintf(e.err, "%d lines: %d are in the incoming table, %d refused, %d blank\n", done.Lines, done.Put, done.Refused, done.Blank)
	}
	if err == nil && done.Refused > 0 {
		err = fmt.Errorf("%w: %d of %d lines are no lines of protocol %s and were left out", errCheck, done.Refused, done.Lines, c.Protocol)
	}
	return err
}
