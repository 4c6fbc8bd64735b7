package cmd

import "go.uber.org/zap/zapcore"

type workCommand struct{}

// Run runs workers until a signal, then hands back what they hold.
func (c *workCommand) Run(e *environment) error {
	e.daemon = true
	a, err := e.open(zapcore.InfoLevel)
	if err != nil {
		return err
	}
	return a.Work(e)
}
