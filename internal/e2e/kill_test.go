package e2e_test

import (
	"math/rand/v2"
	"testing"
	"time"
)

// largeLines are the lines of a large object: work for seconds.
const largeLines = 350_000

const largeKey = "logs/events/large.log.gz"

// largeObject makes a site whose archive is one large object, and its count.
func largeObject(t *testing.T, worker string, store coding) (*site, *recount) {
	t.Helper()
	return objectOf(t, largeLines, worker, store)
}

func objectOf(t *testing.T, lines int, worker string, store coding) (*site, *recount) {
	t.Helper()
	d := dialects()[0]
	s := newSite(t, "", worker, d.protocol())
	c := newRecount(d)
	g := &generator{random: rand.New(rand.NewPCG(3, 4)), hosts: 40, odd: true}
	s.put(largeKey, store.encode(t, c.object(g, lines, "\n", true)))
	return s, c
}

// inWork waits until a worker has the large object and has come as far as line, and returns what it is like then.
func (s *site) inWork(line int64) (o object) {
	s.t.Helper()
	s.until("a worker in the middle of the object", func() bool {
		o = s.objects()[0]
		if o.State == "FINISHED" {
			s.t.Fatal("the object was finished before anything could happen: make it larger")
		}
		return o.State == "PROCESSING" && o.Line >= line
	})
	return o
}

// checkAll holds accounts and rows against the count.
func (c *recount) checkAll(s *site) {
	s.t.Helper()
	if got := s.finished(); got.Lines != c.lines || got.Objects.Finished != 1 {
		s.t.Errorf("the accounts are %+v, want %+v", got.Lines, c.lines)
	}
	c.compare(s)
}

// TestKilled ends workers in the middle of an object as lost machines do, twice, once before the first commit: what
// they had not committed leaves no trace, and others go on.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		store coding
		chunk string
	}{
		{codings()[1], "400ms"}, // without frames to resume at: every chunk reads from the start and skips
		{codings()[2], "250ms"},
	} {
		t.Run(test.store.name, func(t *testing.T) {
			t.Parallel()
			s, c := largeObject(t, "slots: 2, visibility_timeout: 1s, reserve: 100ms, chunk_time: "+test.chunk, test.store)
			s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
			s.daemon("watch")

			first := s.daemon("work")
			o := s.inWork(0)
			first.kill()
			left := s.objects()[0]
			if left.State == "FINISHED" || left.Line < o.Line {
				t.Fatalf("after the first kill the object is %s at line %d", left.State, left.Line)
			}

			second := s.daemon("work")
			o = s.inWork(left.Line + 1)
			second.kill()
			if now := s.objects()[0]; now.State == "FINISHED" || now.Line < o.Line || now.Line >= largeLines {
				t.Fatalf("the second kill came too late: the object is %s at line %d", now.State, now.Line)
			}
			t.Logf("killed at line %d and after line %d", left.Line, o.Line)

			s.daemon("work")
			c.checkAll(s)
		})
	}
}

// TestStopped asks a worker to end in the middle of an object: it commits what it has and gives the object back at
// once, and no attempt is counted.
func TestStopped(t *testing.T) {
	t.Parallel()
	// Neither the visibility timeout nor the end of a chunk can bring the object back within the test's patience.
	s, c := largeObject(t, "slots: 2, visibility_timeout: 10m, chunk_time: 10m, drain: 20s", codings()[1])
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
	s.daemon("watch")

	first := s.daemon("work")
	before := s.inWork(0)
	asked := time.Now()
	first.stop(terminate)
	if took := time.Since(asked); took > 20*time.Second {
		t.Errorf("the worker ends after %v", took)
	}
	o := s.objects()[0]
	if before.Line != 0 || o.State != "PENDING" || o.NoProgress != 0 || o.Owner != "" || o.Line <= 0 || o.Line >= largeLines ||
		o.Read+o.Blank != o.Line || o.Read != o.Counted+o.AfterCutoff+o.Rejected {
		t.Errorf("given back is %+v", o)
	}
	if q := s.status().Queue; q.Visible != 1 || q.InFlight != 0 || q.Delayed != 0 {
		t.Errorf("the message is not visible at once: %+v", q)
	}
	t.Logf("stopped at line %d, within %v", o.Line, time.Since(asked))

	second := s.daemon("work")
	c.checkAll(s)
	second.stop(terminate)
}
