package cmd

import (
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/stats"
)

type statsCommand struct {
	Protocol   string `arg:"" help:"The protocol."`
	Statistic  string `arg:"" help:"The statistic."`
	Generation int64  `placeholder:"N" help:"Read this generation. Default: the one that serves."`
	CSV        bool   `help:"Print CSV: dimensions first, sorted; a missing value is an empty cell." xor:"form"`
	JSON       bool   `help:"Print JSON: an array of objects." xor:"form"`
}

// Run prints a statistic's rows.
func (c *statsCommand) Run(e *environment) error {
	if c.Generation < 0 {
		return fmt.Errorf("%w: --generation counts from 1", app.ErrUsage)
	}
	a, err := e.open(zapcore.WarnLevel)
	if err != nil {
		return err
	}
	rows, err := a.Replays().Read(e, c.Protocol, c.Statistic, c.Generation)
	switch {
	case err != nil:
		return err
	case c.CSV:
		return stats.WriteCSV(e.out, rows, c.Statistic)
	case c.JSON:
		return stats.WriteJSON(e.out, rows, c.Statistic)
	}
	dims, measures, _ := rows.Program().Columns(c.Statistic)
	header := make([]any, 0, len(dims)+len(measures))
	for _, name := range append(dims, measures...) {
		header = append(header, name)
	}
	t := e.newTable(header...)
	for r := range rows.Rows() {
		row := make(table.Row, 0, len(header))
		for _, d := range r.Dims {
			if d.Null {
				row = append(row, "(null)")
				continue
			}
			row = append(row, d.Text)
		}
		for _, v := range r.Values() {
			row = append(row, v)
		}
		t.AppendRow(row)
	}
	t.Render()
	return nil
}
