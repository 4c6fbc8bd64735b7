package cmd

import (
	"context"
	"fmt"
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
)

// protocols is what rollback and purge have in common: protocols, and their records afterwards.
type protocols struct {
	Protocol []string `arg:"" help:"The protocols; all change in one write."`
	JSON     bool     `help:"Print the protocols' records as JSON."`
}

type (
	rollbackCommand struct{ protocols }
	purgeCommand    struct{ protocols }
)

// Run lets readers read the generation before the one that serves.
func (c *rollbackCommand) Run(e *environment) error {
	return c.change(e, (*replay.Driver).Rollback)
}

// Run gives that generation up.
func (c *purgeCommand) Run(e *environment) error {
	return c.change(e, (*replay.Driver).Purge)
}

func (c *protocols) change(e *environment, do func(*replay.Driver, context.Context, []string) ([]ledger.Protocol, error)) error {
	a, err := e.open(zapcore.WarnLevel)
	if err != nil {
		return err
	}
	changed, err := do(a.Replays(), e, c.Protocol)
	if err != nil {
		return err
	}
	if c.JSON {
		return e.printJSON(changed)
	}
	t := e.newTable("protocol", "serving", "previous", "purging")
	for _, p := range changed {
		t.AppendRow([]any{p.Name, number(p.Serving), number(p.Previous), strings.Trim(fmt.Sprint(p.Purging), "[]")})
	}
	t.Render()
	return nil
}
