package cmd

import (
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/ledger"
)

type listCommand struct {
	JSON bool `help:"Print JSON."`
}

// Run lists protocols and replays.
func (c *listCommand) Run(e *environment) error {
	a, err := e.open(zapcore.WarnLevel)
	if err != nil {
		return err
	}
	protocols, err := a.Ledger().Protocols(e)
	if err != nil {
		return fmt.Errorf("reading the protocols: %w", err)
	}
	replays, err := a.Ledger().Replays(e)
	if err != nil {
		return fmt.Errorf("reading the replays: %w", err)
	}
	if c.JSON {
		if protocols == nil {
			protocols = []ledger.Protocol{}
		}
		if replays == nil {
			replays = []ledger.Replay{}
		}
		return e.printJSON(map[string]any{"protocols": protocols, "replays": replays})
	}
	t := e.newTable("protocol", "serving", "building", "previous", "cutoff", "replay")
	for _, p := range protocols {
		t.AppendRow([]any{p.Name, number(p.Serving), number(p.Building), number(p.Previous), instant(p.Cutoff), p.Replay})
	}
	t.Render()
	fmt.Fprintln(e.out)
	t = e.newTable("replay", "state", "protocols", "objects", "taken over", "started")
	for _, r := range replays {
		var names []string
		for _, p := range r.Protocols {
			names = append(names, p.Name)
		}
		t.AppendRow([]any{r.ID, r.State, strings.Join(names, " "), r.Listing.Objects, number(r.Listing.Reused), r.Created.Format(time.RFC3339)})
	}
	t.Render()
	return nil
}

// instant prints a time, or nothing where there is none: a protocol that is only counted live has no cutoff.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// number prints a generation or a count, or nothing where there is none.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
