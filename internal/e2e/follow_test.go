package e2e_test

import (
	"bytes"
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

// TestRelay takes a replay to its end with one process at a time: each does its part, has nothing more to do, and ends
// well at ctrl-C.
func TestRelay(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	s.start("--cutoff", smallCutoff)
	for _, leg := range []struct {
		role string
		done func(status) bool
	}{
		{"work", func(st status) bool { return st.Objects.Finished == 1 && st.Queue.InFlight == 0 }},
		{"watch", func(st status) bool { return st.State == "FOLDING" && st.Queue.Visible == 1 }},
		{"work", func(st status) bool { return st.Fold.Parts == 1 && st.Fold.Finished == 1 && st.Queue.InFlight == 0 }},
		{"run", func(st status) bool { return st.State == "FINISHED" }},
	} {
		p := s.daemon(leg.role)
		s.until(leg.role+" to do its part", func() bool { return leg.done(s.status()) })
		p.stop(interrupt)
	}
	s.certified()
}
