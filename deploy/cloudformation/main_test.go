// Package cloudformation holds the stack's template to the program that runs in it: its tables and queues to what
// `reprise init --aws` makes, its roles to what `reprise config check --live` asks for, its alarms to the metrics that are
// there. What moto's CloudFormation makes is tried by running the program on it; what it leaves out is asserted by reading.
package cloudformation

import (
	"os"
	"testing"

	"github.com/seed-56345083/reprise/internal/realservers"
)

var removeProgram = func() {}

func TestMain(m *testing.M) {
	code := realservers.Run(m)
	removeProgram()
	os.Exit(code)
}

const templateFile = "reprise.yaml"
