// Package suites notes which contract's suite ran on which driver, and how it went. `make test` prints the table: a suite
// that was skipped because its server is missing must not look like one that passed.
package suites

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
)

// File names the environment's variable with the file that lines are added to; unset, nothing is noted.
const File = "SUITES_FILE"

// Suite is one run of a suite.
type Suite struct {
	passed, skipped, failed atomic.Int64
}

// Begin notes the run when t, and all its subtests with it, has ended: a line of tab-separated contract, driver, passed,
// skipped and failed tests.
func Begin(t testing.TB, contract, driver string) *Suite {
	s := &Suite{}
	file := os.Getenv(File)
	if file == "" {
		return s
	}
	t.Cleanup(func() {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			t.Errorf("noting the suite: %v", err)
			return
		}
		// One write: several test processes add to the file at once.
		_, err = fmt.Fprintf(f, "%s\t%s\t%d\t%d\t%d\n", contract, driver, s.passed.Load(), s.skipped.Load(), s.failed.Load())
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			t.Errorf("noting the suite: %v", err)
		}
	})
	return s
}

// Test counts one test of the suite when it has ended.
func (s *Suite) Test(t testing.TB) {
	t.Cleanup(func() {
		switch {
		case t.Failed():
			s.failed.Add(1)
		case t.Skipped():
			s.skipped.Add(1)
		default:
			s.passed.Add(1)
		}
	})
}
