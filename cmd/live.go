package cmd

import "go.uber.org/zap/zapcore"

type liveCommand struct {
	Once bool `help:"End when the stream is read to its present end and everything in the incoming table is counted."`
}

// Run counts lines of the incoming table as they come.
func (c *liveCommand) Run(e *environment) error {
	e.daemon = !c.Once
	a, err := e.open(zapcore.InfoLevel)
	if err != nil {
		return err
	}
	return a.Live(e, c.Once)
}
