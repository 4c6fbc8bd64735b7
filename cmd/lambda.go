package cmd

import (
	"fmt"

	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/app"
)

type lambdaCommand struct{}

// Run serves Lambda's runtime.
func (c *lambdaCommand) Run(e *environment) error {
	if !app.InLambda() {
		return fmt.Errorf("%w: this is no Lambda function (%s is not set); reprise live reads the stream by itself", app.ErrUsage, app.LambdaVariable)
	}
	e.daemon = true
	a, err := e.open(zapcore.InfoLevel)
	if err != nil {
		return err
	}
	return a.ServeLambda(e)
}
