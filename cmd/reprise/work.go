package main

import "go.uber.org/zap/zapcore"

type workCommand struct{}

// Run runs workers until a signal, then hands back what they hold.
func (c *workCommand) Run(e *environment) (err error) {
	e.daemon = true
	a, err := e.open(zapcore.InfoLevel)
	if err != nil {
		return err
	}
	defer closing(a, &err)
	return a.Work(e)
}
