package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFollow: start --wait and status --watch end with the replay, with its outcome as their exit code.
func TestFollow(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	runner := s.daemon("run")
	var out bytes.Buffer
	follower := s.daemonTo(&out, "start", "--wait", "--cutoff", smallCutoff)
	if code := follower.wait(); code != done || len(strings.TrimSpace(out.String())) != 26 || !strings.Contains(follower.err.String(), "FINISHED") {
		t.Errorf("start --wait: exit code %d, output %q, error %q", code, out.String(), follower.err.String())
	}
	s.call(call{"status --watch", exit(done), nil, []string{"FINISHED"}})

	s.put("logs/shop/2.log.gz", []byte{0x1f, 0x8b, 8, 0})
	out.Reset()
	follower = s.daemonTo(&out, "start", "--wait", "--cutoff", smallCutoff)
	if code := follower.wait(); code != check || !strings.Contains(follower.err.String(), "FAILED") || !strings.Contains(follower.err.String(), "--accept-failed") {
		t.Errorf("start --wait of a replay that is held back: exit code %d, error %q", code, follower.err.String())
	}
	s.call(call{"status --watch", exit(check), nil, []string{"held back", "--accept-failed"}})
	s.acceptFailed()
	s.call(call{"status --watch", exit(done), nil, []string{"FINISHED"}})
	s.certified()
	runner.stop(terminate)
}

// TestInterrupted: ctrl-C ends every daemon well, also with nothing to do.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"run", "work", "watch"} {
		s := smallSite(t)
		p := s.daemon(role)
		s.until(role+" to have opened the databases", func() bool {
			_, err := os.Stat(filepath.Join(s.dir, "state", "tags.db"))
			return err == nil
		})
		p.stop(interrupt)
		s.call(call{"start --cutoff " + smallCutoff, exit(done), []string{"\n"}, nil}) // nothing is locked
	}
}
