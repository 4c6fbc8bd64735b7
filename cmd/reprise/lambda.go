package main

import "go.uber.org/zap/zapcore"

type lambdaCommand struct{}

// Run serves Lambda's runtime.
func (c *lambdaCommand) Run(e *environment) error {
	e.daemon = true
	a, err := e.open(zapcore.InfoLevel)
	if err != nil {
		return err
	}
	return a.ServeLambda(e)
}
