package cmd

import "go.uber.org/zap/zapcore"

type watchCommand struct{}

// Run runs the watcher until a signal.
func (c *watchCommand) Run(e *environment) error {
	e.daemon = true
	a, err := e.open(zapcore.InfoLevel)
	if err != nil {
		return err
	}
	return a.Watch(e)
}
