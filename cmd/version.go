package cmd

import (
	"fmt"
	"runtime"
)

type versionCommand struct{}

// Run prints the version.
func (c *versionCommand) Run(e *environment) error {
	_, err := fmt.Fprintf(e.out, "reprise %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
