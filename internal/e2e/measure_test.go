package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// The tests of this file measure, and so run only where MEASURE is set: MEASURE=1 go test -run TestMeasure -v -timeout 30m ./internal/e2e
func measuring(t *testing.T) {
	t.Helper()
	if os.Getenv("MEASURE") == "" {
		t.Skip("a measurement: set MEASURE=1")
	}
}

// TestMeasureBacklog lists and enqueues 100,000 objects on AWS's interfaces: the rate, and the memory of start (Linux: in KiB).
func TestMeasureBacklog(t *testing.T) {
	measuring(t)
	const objects = 100_000
	s := newCloudSite(t, "slots: 8, visibility_timeout: 60s", smallProtocols, nil)
	group, _ := errgroup.WithContext(t.Context())
	group.SetLimit(32)
	for i := range objects {
		group.Go(func() error { s.put(fmt.Sprintf("logs/shop/%03d/%06d.log", i/1000, i), []byte(smallLog)); return nil })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	cmd := s.command("start", "--cutoff", smallCutoff)
	cmd.Env = append(cmd.Env, "REPRISE_ARCHIVE_TAGS=off")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("start took %v, %.0f objects/s, at most %d MB", took.Round(time.Second), objects/took.Seconds(),
		cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss>>10)
	t.Logf("queue %+v", s.status().Queue)
}

// TestMeasureBackends replays one archive on both backends, in turn: what the services cost beside the work itself.
func TestMeasureBackends(t *testing.T) {
	measuring(t)
	const objects, lines, worker = 40, 100_000, "slots: 2"
	c := newShortCount("json")
	local, aws := newSite(t, "", worker, c.protocol()), newCloudSite(t, worker, c.protocol(), nil)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range objects {
		key, content := fmt.Sprintf("logs/json/%03d.gz", i), codings()[1].encode(t, c.object(random, lines, true))
		local.put(key, content)
		aws.put(key, content)
	}
	for round := range 3 {
		for _, s := range []struct {
			name string
			*site
		}{{"local", local}, {"aws", aws}} {
			s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
			began := time.Now()
			s.must("run", "--once")
			took := time.Since(began)
			t.Logf("round %d, %s: %v, %.2f million lines/s", round, s.name, took.Round(time.Millisecond), objects*lines/took.Seconds()/1e6)
			c.compare(s.site)
		}
	}
}
