package cmd

import (
	"fmt"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/web"
)

type healthCommand struct {
	Ready bool `help:"Ask whether it does its work: no before it has begun, and from the moment on in which it is told to stop."`
}

var errNoListener = fmt.Errorf("%w: telemetry.listen is not set, so that no process here can be asked; set it to 127.0.0.1:9464, for the process as well", app.ErrUsage)

// Run asks the process that runs on this machine with the same configuration.
func (c *healthCommand) Run(e *environment) error {
	loaded, err := e.load()
	if err != nil {
		return err
	}
	if loaded.Telemetry.Listen == "" {
		return errNoListener
	}
	page := web.Healthz
	if c.Ready {
		page = web.Readyz
	}
	return web.Ask(e, loaded.Telemetry.Listen, page)
}
