package main

import "go.uber.org/zap/zapcore"

type watchCommand struct{}

// Run runs the watcher until a signal.
func (c *watchCommand) Run(e *environment) (err error) {
	e.daemon = true
	a, err := e.open(zapcore.InfoLevel)
	if err != nil {
		return err
	}
	defer closing(a, &err)
	return a.Replays().Watch(e)
}
