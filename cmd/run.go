package cmd

import "go.uber.org/zap/zapcore"

type runCommand struct {
	Once bool `help:"End when no replay can go on, and with a live side when what is there is counted and archived as archive --once does: exit code 0 when all are over, 3 when one is held back."`
}

// Run runs all roles in this process.
func (c *runCommand) Run(e *environment) error {
	e.daemon = !c.Once
	level := zapcore.InfoLevel
	if isTerminal(e.err) {
		level = zapcore.WarnLevel // the bar says it
	}
	a, err := e.open(level)
	if err != nil {
		return err
	}
	stop := showProgress(e, a)
	defer stop()
	return a.Run(e, c.Once)
}
