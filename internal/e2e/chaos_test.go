package e2e_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestChaos ends one process after another with SIGKILL, workers and watchers, while objects are read and while they are
// folded; for each one a new one starts. The rows are those of the recount.
func TestChaos(t *testing.T) {
	t.Parallel()
	d := dialects()[0]
	s := newSite(t, "", "slots: 2, visibility_timeout: 1s, chunk_time: 130ms, reserve: 100ms, max_attempts: 100", d.protocol())
	c := newRecount(d)
	g := &generator{random: rand.New(rand.NewPCG(5, 6)), hosts: 40, odd: true}
	const objects = 24
	for i := range objects {
		store := codings()[i%len(codings())]
		s.put(fmt.Sprintf("logs/events/%02d%s", i, store.suffix), store.encode(t, c.object(g, 10_000, "\n", true)))
	}
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))

	roles := []string{"work", "watch", "work", "watch", "work"}
	processes := make([]*process, len(roles))
	for i, role := range roles {
		processes[i] = s.daemon(role)
	}
	ledger := database(s, "ledger.db")
	finished := func() (n int) { // asked without the program, whose start takes longer than an object
		t.Helper()
		query := "SELECT count(*) FROM cursors WHERE fold = 0 AND state = 'FINISHED'"
		if err := ledger.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	killed, folding := 0, false
	kill := func() {
		victim := killed % len(roles)
		processes[victim].kill()
		processes[victim] = s.daemon(roles[victim])
		killed++
	}
	s.until("the end, whatever is killed", func() bool {
		if n := finished(); n < objects {
			if n >= 2*killed {
				kill()
			}
			return false
		}
		st := s.status()
		if st.State == "FOLDING" && !folding {
			folding = true
			for range roles {
				kill()
			}
		}
		return st.State == "FINISHED"
	})
	if killed < objects/4 {
		t.Errorf("only %d processes were killed: make the archive larger", killed)
	}
	t.Logf("%d processes were killed; while folding: %t", killed, folding)
	if got := s.certified(); got.Lines != c.lines || got.Objects.Finished != objects {
		t.Errorf("the accounts are %+v, want %+v", got.Lines, c.lines)
	}
	c.compare(s)
	for _, p := range processes {
		p.stop(terminate)
	}
	checkTags(s)
}

// TestStartRace: of several starts at the same moment one wins, and the others name it.
func TestStartRace(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	type starter struct {
		p   *process
		out *bytes.Buffer
	}
	var starters []starter
	for range 4 {
		var out bytes.Buffer
		starters = append(starters, starter{s.daemonTo(&out, "start", "--cutoff", smallCutoff), &out})
	}
	var ids []string
	for _, st := range starters {
		if st.p.wait() == done {
			ids = append(ids, strings.TrimSpace(st.out.String()))
		}
	}
	if len(ids) != 1 {
		t.Fatalf("%d of %d starts win: %q", len(ids), len(starters), ids)
	}
	for _, st := range starters {
		if st.p.code != done && (st.p.code != failed || st.out.Len() > 0 || !strings.Contains(st.p.err.String(), ids[0])) {
			t.Errorf("a start that comes second: exit code %d, output %q, error %q", st.p.code, st.out.String(), st.p.err.String())
		}
	}
	s.must("run", "--once")
	if c := s.certified(); c.Lines.Counted != 5 {
		t.Errorf("%+v", c.Lines)
	}
}
