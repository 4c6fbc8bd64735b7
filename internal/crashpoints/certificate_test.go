package crashpoints_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-56345083/reprise/internal/faults"
)

// scenario is one transition of a replay, or of what is left of one.
type scenario struct {
	name  string
	pace  int            // see site
	lost  bool           // see site
	begin func(*site)    // brings a site to the beginning of the transition; nothing is cut
	act   func(*process) // the transition, made by the process that is cut
	acted func(*site)    // what is to be seen right after it, when nothing was cut; may be nil
	again func(*process) // what an operator does, who was told of an error, and looks first
	end   func(*site)    // lets the others come to the end, and looks at it
	must  []string       // calls without which it would not have been the transition
	// An operator who makes a command again while the first one only sleeps has asked for it twice. All else can also be
	// overtaken by others, who come to the end, and must not spoil it when it wakes up.
	command bool
}

// ways are the ways to be cut off at one call. Where a process dies, nothing that it calls afterwards is done; one that
// sleeps goes on with that very call when all is over.
var ways = []faults.Fault{faults.Before, faults.Reply, faults.DieBefore, faults.DieAfter, faults.Sleep}

// point is one call of a scenario: number n (from 0) of those of its name.
type point struct {
	name string
	n    int
}

func (p point) String() string { return fmt.Sprintf("%s #%d", p.name, p.n) }

// reads are the calls that change nothing. Whether such a call is made before its reply is lost, or not at all, makes no
// difference to anybody, so those two ways are one run. What is not named here is cut in all four.
var reads = []string{
	"ledger.Protocol", "ledger.Protocols", "ledger.Generation", "ledger.Replay", "ledger.Replays", "ledger.Cursor",
	"ledger.Scan", "ledger.Scan step", "ledger.Summarize", "ledger.Segment", "ledger.Rows", "ledger.Rows step", "ledger.Progress",
	"archive.List", "archive.List step", "archive.Stat", "archive.Open", "archive.Open step", "archive.Tags", "queue.Counts",
}

// cuts reports whether the scenario is cut at a point in this way.
func (sc *scenario) cuts(p point, way faults.Fault) bool {
	switch way {
	case faults.Before, faults.DieBefore:
		return true
	case faults.Sleep:
		return !sc.command
	default:
		return !slices.Contains(reads, p.name)
	}
}

// points are the calls of a run in their order.
func points(calls []string) []point {
	seen := map[string]int{}
	all := make([]point, len(calls))
	for i, name := range calls {
		all[i] = point{name, seen[name]}
		seen[name]++
	}
	return all
}

// TestCertificate cuts every scenario off at every call, in every way.
func TestCertificate(t *testing.T) {
	t.Parallel()
	c := &certificate{}
	t.Cleanup(func() { t.Log(c.String()) }) // when all that runs in parallel has ended
	for _, sc := range scenarios() {
		r := c.add(sc.name)
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			b := begin(t, sc)
			all := points(b.uncut(t))
			r.calls = all
			for _, way := range ways {
				for _, at := range all {
					if sc.cuts(at, way) {
						r.points++
					}
				}
			}
			for _, way := range ways {
				t.Run(way.String(), func(t *testing.T) {
					t.Parallel()
					for _, at := range all {
						if sc.cuts(at, way) {
							b.cut(t, at, way)
							c.recovered(r)
						}
					}
				})
			}
		})
	}
}

// beginning is a site as it is before the transition, closed: every run begins with a copy.
type beginning struct {
	sc   scenario
	dir  string
	root string
	story
}

func begin(t *testing.T, sc scenario) *beginning {
	t.Helper()
	b := &beginning{sc: sc, dir: t.TempDir(), root: filepath.Join(t.TempDir(), "archive")}
	if err := os.Mkdir(b.root, 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, b.dir, b.root, sc)
		sc.begin(s)
		b.story = s.story
		b.rows = map[string]table{}
		for name, objects := range b.objects {
			b.rows[name] = recount(objects...)
		}
		b.at = time.Now()
	})
	return b
}

// run does f with a copy of the beginning, in a bubble of virtual time that begins when the beginning ended.
func (b *beginning) run(t *testing.T, f func(s *site)) {
	t.Helper()
	dir := t.TempDir()
	copySite(t, dir, b.dir)
	synctest.Test(t, func(t *testing.T) {
		pass(time.Until(b.at))
		s := open(t, dir, b.root, b.sc)
		s.story = b.story
		f(s)
	})
	if err := os.RemoveAll(dir); err != nil { // there are thousands of them
		t.Error(err)
	}
}

// uncut runs the scenario without a fault, to its end, and returns its calls.
func (b *beginning) uncut(t *testing.T) (calls []string) {
	t.Helper()
	plan := faults.Count()
	b.run(t, func(s *site) {
		b.sc.act(s.process("first", plan))
		calls = plan.Calls()
		if s.said != nil {
			s.t.Errorf("without a fault: %v", s.said)
		}
		if b.sc.acted != nil {
			b.sc.acted(s)
		}
		b.finish(s)
	})
	for _, name := range b.sc.must {
		if !slices.Contains(calls, name) {
			t.Errorf("%s is never called, so that is not what it should be:\n%s", name, strings.Join(calls, "\n"))
		}
	}
	return calls
}

// cut runs the scenario with a fault at one point.
func (b *beginning) cut(t *testing.T, at point, way faults.Fault) {
	t.Helper()
	b.run(t, func(s *site) {
		defer func() {
			if s.t.Failed() {
				s.t.Logf("that was %s, %s", at, way)
			}
		}()
		plan := faults.At(at.name, at.n, way)
		first := s.process("first", plan)
		if way == faults.Sleep {
			b.overtake(s, first)
		} else {
			b.sc.act(first)
		}
		if !plan.Hit() {
			s.t.Errorf("the point was not reached: the calls differ from run to run. They were\n%s", strings.Join(plan.Calls(), "\n"))
		}
		b.finish(s)
	})
	if t.Failed() {
		t.FailNow()
	}
}

// overtake has the others come to the end while the first process sleeps, and then wakes it.
func (b *beginning) overtake(s *site, first *process) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.sc.act(first)
	}()
	defer func() {
		first.plan.Wake()
		<-done
	}()
	s.until("the point", func() bool {
		select {
		case <-done:
			return true
		default:
			return first.plan.Hit()
		}
	})
	b.finish(s)
}

func (b *beginning) finish(s *site) {
	if b.sc.again != nil && s.said != nil {
		b.sc.again(s.process("operator", nil))
	}
	b.sc.end(s)
}

// certificate is what the test has to say.
type certificate struct {
	mu      sync.Mutex
	results []*result
}

type result struct {
	name      string
	calls     []point
	points    int
	recovered int
}

func (c *certificate) add(name string) *result {
	r := &result{name: name}
	c.results = append(c.results, r)
	return r
}

func (c *certificate) recovered(r *result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.recovered++
}

// String is the table, and below it the list of the points: each call with how often it is made.
func (c *certificate) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var table, list strings.Builder
	row := func(name string, calls, points, recovered int) {
		fmt.Fprintf(&table, "%-22s %6d %7d %10d\n", name, calls, points, recovered)
	}
	fmt.Fprintf(&table, "\n%-22s %6s %7s %10s\n", "scenario", "calls", "points", "recovered")
	var calls, points, recovered int
	for _, r := range c.results {
		if r.calls == nil { // not asked for
			continue
		}
		row(r.name, len(r.calls), r.points, r.recovered)
		calls, points, recovered = calls+len(r.calls), points+r.points, recovered+r.recovered
		fmt.Fprintf(&list, "%s: %s\n", r.name, counted(r.calls))
	}
	row("total", calls, points, recovered)
	return table.String() + "\n" + list.String()
}

// counted writes each name once, with the number of its calls.
func counted(calls []point) string {
	most := map[string]int{}
	for _, p := range calls {
		most[p.name] = max(most[p.name], p.n+1)
	}
	var names []string
	for name, n := range most {
		names = append(names, fmt.Sprintf("%s %d", name, n))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
