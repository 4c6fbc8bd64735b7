package model_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-56345083/reprise/internal/faults"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/live/model"
)

// many names the environment's variable with how many schedules of each cast are run; "all": every one in which two
// stop, which takes an hour.
const many = "REPRISE_SCHEDULES"

func schedules(t *testing.T) int {
	t.Helper()
	switch n := os.Getenv(many); n {
	case "":
	case "all":
		return math.MaxInt
	default:
		parsed, err := strconv.Atoi(n)
		if err != nil {
			t.Fatalf("%s: %v", many, err)
		}
		return parsed
	}
	if model.Raced || testing.Short() {
		return 1
	}
	return usual
}

// spareTime leaves a test out under the race detector, which finds nothing where one call is made at a time.
func spareTime(t *testing.T) {
	t.Helper()
	if os.Getenv(many) == "" && (model.Raced || testing.Short()) {
		t.Skip("a long test")
	}
}

// usual is how many schedules of a cast are run without the race detector.
const usual = 12

// The lines of a run: those of its beginning, and those that come while it goes on.
var (
	old  = []string{"old-1", "old-2", "batched"}
	news = []string{"new-1", "new-2", "new-3"}
)

// beginning makes a site in dir with two lines that are archived, and one that waits in an OPEN batch.
func beginning(t *testing.T, dir string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, dir)
		p := s.others()
		ctx := context.Background()
		s.check(p.driver.OpenLive(ctx, params().Protocols))
		p.count(p.put(old[:2]))
		s.check(p.archiver.Once(ctx, true))
		p.count(p.put(old[2:]))
		s.check(p.archiver.Once(ctx, false))
		if open, err := s.entries.Unwritten(ctx, protocol); err != nil || len(open) != 1 || open[0].Entries != 1 {
			t.Fatalf("the beginning has the batches %+v, %v", open, err)
		}
	})
}

// role is what an actor does.
type role struct {
	name string
	act  func(*process)
}

var (
	consumer = role{"consumer", func(p *process) { p.count(p.put(news[:2])) }}
	second   = role{"second consumer", func(p *process) { p.count(p.put(slices.Concat(news[1:2], old[2:]))) }}
	third    = role{"third consumer", func(p *process) { p.count(p.put(news[2:])) }}
	sweeper  = role{"sweeper", func(p *process) { _ = p.counter.Sweep(context.Background(), protocol) }}
	archives = role{"archiver", (*process).archive}
	another  = role{"second archiver", (*process).archive}
	operator = role{"operator", func(p *process) {
		if p.start() != "" {
			p.look()
		}
	}}
	watcher   = role{"watcher", (*process).look}
	undecided = role{"undecided operator", func(p *process) {
		if id := p.start(); id != "" {
			_ = p.driver.Look(context.Background())
			p.cancel(id)
		}
		if p.start() != "" {
			p.look()
		}
	}}
	tireless = role{"operator of two", func(p *process) {
		for range 2 {
			if p.start() != "" {
				p.look()
			}
		}
	}}
	backward = role{"operator who rolls back", func(p *process) {
		if p.start() != "" {
			p.look()
		}
		_, _ = p.driver.Rollback(context.Background(), []string{protocol})
	}}
)

// TestInterleavings runs the real counter, archiver and driver on SQLite, one call at a time: each to its end, but for two or
// three that stop before a write while others go on, and one call that goes wrong, drawn from a seed. Then others come
// to the end, and what is there is counted.
func TestInterleavings(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	beginning(t, from)
	for n, cast := range [][]role{
		{consumer, archives, operator},
		{consumer, second, third, operator},
		{archives, another, operator},
		{consumer, sweeper, undecided},
		{consumer, archives, undecided},
		{consumer, archives, tireless},
		{second, archives, backward},
		{consumer, another, operator, watcher},
	} {
		var names []string
		for _, r := range cast {
			names = append(names, r.name)
		}
		t.Run(strings.Join(names, ", "), func(t *testing.T) {
			t.Parallel()
			calls := interleave(t, from, cast, schedule{}, nil)
			if os.Getenv(many) == "all" {
				everySchedule(len(cast), writes(calls), func(sc schedule) { interleave(t, from, cast, sc, nil) })
				return
			}
			for seed := range schedules(t) {
				dice := rand.New(rand.NewPCG(uint64(seed), uint64(n))) //nolint:gosec // repeatable on purpose
				interleave(t, from, cast, draw(dice, calls, len(cast)), nil)
			}
		})
	}
}

// everySchedule makes all in which two actors stop.
func everySchedule(actors, writes int, run func(schedule)) {
	for first := range actors {
		for n := range writes {
			for second := range actors {
				for m := 0; second != first && m <= writes; m++ {
					run(schedule{legs: []leg{{first, n}, {second, m}}})
				}
			}
		}
	}
}

func writes(calls []made) (n int) {
	for _, c := range calls {
		if isWrite(c.name) {
			n++
		}
	}
	return n
}

// draw makes a schedule of a run that has about these calls.
func draw(dice *rand.Rand, calls []made, actors int) schedule {
	sc := schedule{at: dice.IntN(len(calls))}
	for range 2 + dice.IntN(4) {
		sc.legs = append(sc.legs, leg{dice.IntN(actors), dice.IntN(writes(calls))})
	}
	if dice.IntN(2) == 0 {
		sc.fault = []faults.Fault{faults.Before, faults.Reply, faults.DieBefore, faults.DieAfter}[dice.IntN(4)]
	}
	return sc
}

// interleave runs a cast on a copy of the beginning, and returns the calls that it made. look is called after each. What
// is wrong ends the test.
func interleave(t *testing.T, from string, cast []role, sc schedule, look func(*site)) (calls []made) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := openSite(t, dir)
		var actors []*actor
		for _, r := range cast {
			actors = append(actors, newActor(func(p *faults.Plan) { r.act(s.process(r.name, p)) }))
		}
		calls = sc.run(t, actors, func() {
			if look != nil {
				look(s)
			}
		})
		s.settle(slices.Concat(old, news))
	})
	if t.Failed() {
		t.Fatalf("%v: %s", sc, tell(cast, calls))
	}
	if err := os.RemoveAll(dir); err != nil { // there are many
		t.Fatal(err)
	}
	return calls
}

// tell writes down what a cast did.
func tell(cast []role, calls []made) string {
	var b strings.Builder
	for i, c := range calls {
		if i == 0 || calls[i-1].actor != c.actor {
			b.WriteString("\n" + cast[c.actor].name + ":")
		}
		b.WriteString(" " + c.name)
	}
	return b.String()
}

// TestSleepers lets everybody sleep before each write while somebody else goes on to each of theirs: what each of the
// model's rules is about.
func TestSleepers(t *testing.T) {
	t.Parallel()
	spareTime(t)
	from := t.TempDir()
	beginning(t, from)
	for _, c := range []struct{ sleeper, other role }{{archives, operator}, {third, operator}, {archives, another}, {third, another}} {
		t.Run(c.sleeper.name+", "+c.other.name, func(t *testing.T) {
			t.Parallel()
			cast := []role{consumer, c.sleeper, c.other, second}
			calls := interleave(t, from, cast, schedule{}, nil)
			slept := writesOf(interleave(t, from, cast, schedule{legs: []leg{{0, toEnd}, {1, toEnd}}}, nil), 1)
			drove := writesOf(interleave(t, from, cast, schedule{legs: []leg{{0, toEnd}, {2, toEnd}}}, nil), 2)
			if slept < 2 || drove < 5 {
				t.Fatalf("the sleeper makes %d writes, the other %d: %s", slept, drove, tell(cast, calls))
			}
			step := 3
			if schedules(t) > usual {
				step = 1
			}
			for n := range slept {
				for m := 0; m <= drove; m++ {
					if m > 2 && m%step > 0 { // a start is one write, and most rules are about what comes next
						continue
					}
					interleave(t, from, cast, schedule{legs: []leg{{0, toEnd}, {1, n}, {2, m}, {3, toEnd}, {1, toEnd}}}, nil)
					interleave(t, from, cast, schedule{legs: []leg{{2, m}, {1, n}, {0, toEnd}, {2, toEnd}, {3, toEnd}}}, nil)
					interleave(t, from, cast, schedule{legs: []leg{{2, m}, {0, toEnd}, {1, n}, {2, 4}, {1, toEnd}}}, nil)
				}
			}
		})
	}
}

func writesOf(calls []made, actor int) int {
	return writes(slices.DeleteFunc(slices.Clone(calls), func(c made) bool { return c.actor != actor }))
}

// TestReadersSeeNoLess lets a consumer count at every moment between the sweep before a promotion and the promotion: what
// readers saw just before, they see just after.
func TestReadersSeeNoLess(t *testing.T) {
	t.Parallel()
	spareTime(t)
	from := t.TempDir()
	beginning(t, from)
	synctest.Test(t, func(t *testing.T) {
		if openSite(t, from).others().start() == "" {
			t.Fatal("there is no replay")
		}
	})
	cast := []role{watcher, consumer}
	alone := interleave(t, from, cast, schedule{}, nil)
	began, ended, all := writesBefore(alone, made{0, "entries.Unfinished"}), writesBefore(alone, made{1, "entries.Put"}), writes(alone)
	if began < 0 || ended-began < 2 || all-ended < 3 {
		t.Fatalf("the sweep comes after %d writes, the consumer after %d, and all are %d: %s", began, ended, all, tell(cast, alone))
	}
	for k := began; k <= ended; k++ {
		for j := range all - ended {
			var before ledger.Protocol
			interleave(t, from, cast, schedule{legs: []leg{{0, k}, {1, j}, {0, toEnd}}}, func(s *site) {
				now := s.meta()
				if before.Serving != 0 && before.Serving != now.Serving {
					s.wantNoLess(before.Serving, now.Serving)
				}
				before = now
			})
		}
	}
}

// writesBefore is how many writes were made before a call was made first; -1: it was not.
func writesBefore(calls []made, first made) int {
	i := slices.Index(calls, first)
	if i < 0 {
		return -1
	}
	return writes(calls[:i])
}

// wantNoLess wants everything that a generation shows in another one.
func (s *site) wantNoLess(before, now int64) {
	s.t.Helper()
	shown := s.counts(now, "lines")
	for text, n := range s.counts(before, "lines") {
		if shown[text] < n {
			s.t.Errorf("generation %d has %q %d times, and generation %d, which serves now, %d times", before, text, n, now, shown[text])
		}
	}
}
