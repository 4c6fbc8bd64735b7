package cmd

import (
	"fmt"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/replay"
)

type demoCommand struct {
	Dir     string `type:"path" placeholder:"DIR" help:"Keep archive, configuration and databases here, to look at. Default: a temporary folder, removed at the end."`
	MB      int64  `default:"200" help:"Size of the archive, uncompressed."`
	Workers int    `default:"3" help:"Worker processes; one of them is killed."`
}

// Run tells the story of a replay on standard error and prints the results on standard output.
func (c *demoCommand) Run(e *environment) (err error) {
	if c.Workers < 2 || c.MB < 1 {
		return fmt.Errorf("%w: a demo needs at least 2 workers and 1 MB", app.ErrUsage)
	}
	log, err := e.logger(zapcore.ErrorLevel)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	dir := c.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "reprise-demo-"); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
		defer func() {
			if e := os.RemoveAll(dir); e != nil && err == nil {
				err = e
			}
		}()
	}
	v := &demoView{e: e, bar: newBar(e, "archive"), results: table.NewWriter()}
	v.results = e.newTable("protocol", "statistic", "rows", "compared with the generator's own count")
	err = app.Demo(e, app.DemoOptions{Dir: dir, Bytes: c.MB << 20, Workers: c.Workers, Program: program}, log, v)
	v.bar.stop()
	if v.results.Length() > 0 {
		fmt.Fprintln(e.out)
		v.results.Render()
	}
	if err == nil && c.Dir != "" {
		fmt.Fprintf(e.err, "\nlook around with: cd %s && reprise status, list, objects, certify, stats web traffic\n", c.Dir)
	}
	return err
}

// demoView shows a demo on the terminal.
type demoView struct {
	e       *environment
	bar     *bar
	results table.Writer
	shown   int64 // percent, where there is no terminal
}

// Say prints a line of the story.
func (v *demoView) Say(format string, args ...any) {
	v.bar.stop()
	fmt.Fprintf(v.e.err, "· "+format+"\n", args...)
}

// Making shows how far the archive is.
func (v *demoView) Making(done, total int64) {
	v.bar.show("%d of %d MB", done/1e6, total/1e6)
}

// Replaying shows how far the replay is: as a bar, or a line every quarter.
func (v *demoView) Replaying(s replay.Status) {
	v.bar.what = "replay"
	v.bar.show("%s", describe(s))
	if percent := s.Bytes.Read * 100 / max(s.Bytes.Listed, 1); !v.bar.on && percent/25 > v.shown/25 {
		v.shown = percent
		v.Say("%s", describe(s))
	}
}

// Certificate prints the accounts.
func (v *demoView) Certificate(c *replay.Certificate) {
	v.bar.stop()
	fmt.Fprintln(v.e.out)
	v.e.printCertificate(c)
}

// Result adds a row to the table of results.
func (v *demoView) Result(r app.DemoResult) {
	verdict := "equal"
	if len(r.Differences) > 0 {
		verdict = fmt.Sprintf("%d differences, such as: %s", len(r.Differences), r.Differences[0])
	}
	v.results.AppendRow([]any{r.Protocol, r.Statistic, r.Rows, verdict})
}
