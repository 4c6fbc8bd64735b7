package cmd

import (
	"fmt"
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/replay"
)

type diffCommand struct {
	Protocol   string   `arg:"" help:"The protocol."`
	Statistic  []string `arg:"" optional:"" help:"The statistics. Default: all."`
	Generation int64    `placeholder:"N" help:"Compare with this generation. Default: the one being built, else the previous one."`
	JSON       bool     `help:"Print JSON."`
}

// Run compares the generation that serves with another one.
func (c *diffCommand) Run(e *environment) error {
	a, err := e.open(zapcore.WarnLevel)
	if err != nil {
		return err
	}
	diffs, err := a.Replays().Diff(e, c.Protocol, c.Statistic, c.Generation)
	if err != nil {
		return err
	}
	if c.JSON {
		return e.printJSON(diffs)
	}
	t := e.newTable("statistic", "serving", "other", "rows", "rows of other", "only here", "only there", "differ", "")
	for _, d := range diffs {
		t.AppendRow([]any{d.Statistic, d.A, d.B, d.RowsA, d.RowsB, d.OnlyA, d.OnlyB, d.Differ, d.Note})
	}
	t.Render()
	for _, d := range diffs {
		for _, s := range d.Samples {
			fmt.Fprintf(e.out, "%s %s: %s | %s\n", d.Statistic, s.Key, values(d, s.A), values(d, s.B))
		}
	}
	return nil
}

// values names a row's measures, or says that there is no row.
func values(d replay.Diff, row []string) string {
	if row == nil {
		return "no such row"
	}
	measures := d.Columns[len(d.Columns)-len(row):]
	parts := make([]string, len(row))
	for i, v := range row {
		parts[i] = measures[i] + "=" + v
	}
	return strings.Join(parts, " ")
}
