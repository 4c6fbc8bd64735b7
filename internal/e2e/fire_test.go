package e2e_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// fireHandOns is how often a large object is handed on at the least.
const fireHandOns = 10

// firePlan is how much there is to do under fire, and how much fire.
type firePlan struct {
	small, smallLines int // objects of each of the two protocols
	large, largeLines int
	lines, objects    int64         // of all protocols, at the least
	kill              time.Duration // between two kills of workers
	idle              int           // of the kills that would hit a worker without work, every so many is made
	watcher           [2]int        // which of these kills hit the watcher too: every so many, and with which remainder
	killed            int           // workers, at the least
	limit             time.Duration
}

// TestFire is exactly once under fire: four workers of which one is killed every second, the watcher too now and then, and
// a queue that sends one message in ten twice and loses one in twenty. The rows are those of the recount, the certificate
// closes, and nothing is left behind but what was planted.
func TestFire(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of work for all processors")
	}
	t.Parallel()
	counts := []*shortCount{newShortCount("json"), newShortCount("tsv")}
	s := newSite(t, "", "slots: 2, visibility_timeout: 2s, chunk_time: 1008ms, reserve: 1s", counts[0].protocol()+counts[1].protocol())
	// A watcher waits for the lease of the one before, and then for ten seconds to find out that messages were lost.
	underFire(s, counts, firePlan{
		small: 28, smallLines: 60_000, large: 2, largeLines: 300_000, lines: 2_000_000, objects: 60,
		kill: time.Second, idle: 1, watcher: [2]int{30, 6}, killed: 10, limit: 4 * time.Minute,
	})
}

// underFire runs a replay under fire.
func underFire(s *site, counts []*shortCount, plan firePlan) {
	t := s.t
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	large, planted := fireArchive(s, random, counts, plan)
	foreign := foreignTags(s)
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
	stopMeddling := meddle(s)

	began := time.Now()
	f := &fire{site: s, random: random, planted: len(planted), plan: plan}
	f.run()
	meddled := stopMeddling()
	t.Logf("finished after %v: %d workers and %d watchers were killed, %d of the workers in the middle of a chunk", time.Since(began).Round(time.Second), f.workersKilled, f.watchersKilled, f.chunksKilled)
	if f.workersKilled < plan.killed || f.watchersKilled == 0 {
		t.Error("too few processes were killed: make the archive larger")
	}
	t.Logf("of %d messages %d were sent twice and %d were lost", meddled.messages, meddled.twice, meddled.lost)
	if meddled.twice < meddled.messages/15 || meddled.lost < meddled.messages/30 {
		t.Error("too few messages were meddled with")
	}
	s.until("the queue to be empty, and no letter of a healthy object to be left", func() bool {
		q := s.status().Queue
		return q.Visible+q.InFlight+q.Delayed == 0 && slices.Equal(deadLetters(s), planted)
	})
	f.stop()

	checkHandOns(t, f.log(), large)
	checkFire(s, counts, planted, plan)
	checkForeignTags(s, foreign)
}

// fire is the processes under fire.
type fire struct {
	*site
	random         *rand.Rand
	plan           firePlan
	ledger         *sql.DB
	planted        int // objects that must fail
	workers        []*process
	watcher        *process
	all            []*process
	workersKilled  int
	watchersKilled int
	chunksKilled   int
}

func (f *fire) begin(role string) *process {
	p := f.daemon(role, "--log-level", "debug")
	f.all = append(f.all, p)
	return p
}

// run kills one process after another until the replay is FINISHED.
func (f *fire) run() {
	f.t.Helper()
	for range 4 {
		f.workers = append(f.workers, f.begin("work"))
	}
	f.watcher = f.begin("watch")
	limit := time.NewTimer(f.plan.limit)
	defer limit.Stop()
	kill := time.NewTicker(f.plan.kill)
	defer kill.Stop()
	look := time.NewTicker(400 * time.Millisecond)
	defer look.Stop()
	for kills := 0; ; {
		select {
		case <-limit.C:
			f.t.Fatalf("waited %v for the end\n%s", f.plan.limit, f.site.run("status").out)
		case <-kill.C:
			kills++
			victim, busy := f.victim()
			if !busy && kills%f.plan.idle != 0 {
				continue
			}
			f.workers[victim].kill()
			if busy && f.held(f.workers[victim]) > 0 {
				f.chunksKilled++
			}
			f.workers[victim] = f.begin("work")
			f.workersKilled++
			if kills%f.plan.watcher[0] == f.plan.watcher[1] {
				f.watcher.kill()
				f.watcher = f.begin("watch")
				f.watchersKilled++
			}
		case <-look.C:
			switch st := f.status(); {
			case st.State == "FINISHED":
				return
			case st.State == "RUNNING" && st.Objects.Pending+st.Objects.Processing == 0 && st.Objects.Failed == int64(f.planted):
				// A copy of the message of a failed object is its redrive, so that this may have to be said again.
				if r := f.site.run("finish", "--accept-failed"); r.code != done && r.code != check {
					f.t.Errorf("finish --accept-failed: exit code %d\n%s", r.code, r.err)
				}
			}
		}
	}
}

// victim is a random worker: of those that have an object in work, where there are any.
func (f *fire) victim() (i int, busy bool) {
	order := f.random.Perm(len(f.workers))
	for _, i := range order {
		if f.held(f.workers[i]) > 0 {
			return i, true
		}
	}
	return order[0], false
}

// held is how many cursors a process has in work, or has left so when it was killed.
func (f *fire) held(p *process) (n int) {
	f.t.Helper()
	if f.cloud != nil {
		return f.cloud.held(f.t, p.cmd.Process.Pid)
	}
	if f.ledger == nil {
		f.ledger = database(f.site, "ledger.db")
	}
	owner := fmt.Sprintf("%%-%d-%%", p.cmd.Process.Pid)
	query := "SELECT count(*) FROM cursors WHERE state = 'PROCESSING' AND owner LIKE ?"
	if err := f.ledger.QueryRowContext(f.t.Context(), query, owner).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// stop ends what still runs, as an operator does.
func (f *fire) stop() {
	f.t.Helper()
	for _, p := range append(f.workers, f.watcher) {
		p.stop(terminate)
	}
}

// log is what all workers have said of their messages.
func (f *fire) log() []said {
	var all []said
	for _, p := range f.all {
		all = append(all, p.said()...)
	}
	return all
}

// checkHandOns counts how often the large objects were handed on: every time by a commit and a new message.
func checkHandOns(t *testing.T, log []said, large []string) {
	t.Helper()
	handOns, all := map[string]int{}, 0
	verdicts := map[string]int{}
	for _, m := range log {
		verdicts[m.Verdict]++
		if m.Verdict == "hand on" {
			handOns[m.Object]++
			all++
		}
	}
	for _, key := range large {
		if handOns[key] < fireHandOns {
			t.Errorf("%s was handed on %d times, want %d", key, handOns[key], fireHandOns)
		}
		t.Logf("%s was handed on %d times", key, handOns[key])
	}
	t.Logf("%d hand-ons of all objects; verdicts: %v", all, verdicts)
}

// checkFire holds certificate, objects and rows against the recount.
func checkFire(s *site, counts []*shortCount, planted []string, plan firePlan) {
	s.t.Helper()
	var all accounts
	objects := int64(0)
	for _, c := range counts {
		all.add(c.lines)
		objects += c.objects
	}
	if all.Read < plan.lines || objects < plan.objects {
		s.t.Errorf("only %d lines in %d objects", all.Read, objects)
	}
	got := s.certified()
	o := got.Objects
	slices.Sort(o.Failed)
	if got.Lines != all || o.Finished != objects || o.Listed != objects+int64(len(planted)) || !slices.Equal(o.Failed, planted) {
		s.t.Errorf("the accounts are %+v of %+v, want %+v of %d objects and %q", got.Lines, o, all, objects, planted)
	}
	for _, o := range s.objects() {
		if slices.Contains(planted, o.Key) != (o.State == "FAILED") {
			s.t.Errorf("%s is %s: %s", o.Key, o.State, o.Error)
		}
	}
	for _, c := range counts {
		c.compare(s)
	}
}

// fireArchive fills the archive and names the large and the corrupt objects.
func fireArchive(s *site, random *rand.Rand, counts []*shortCount, plan firePlan) (large, planted []string) {
	s.t.Helper()
	store := codings()
	members := coding{"members", ".gz", 8000, gzipWriter}
	for _, c := range counts {
		for i := range plan.small {
			coding := store[i%len(store)]
			s.put(fmt.Sprintf("logs/%s/small-%02d%s", c.name, i, coding.suffix), coding.encode(s.t, c.object(random, plan.smallLines, true)))
		}
		for i := range plan.large {
			key, coding := fmt.Sprintf("logs/%s/large-%d.gz", c.name, i), []coding{store[1], members}[i%2]
			s.put(key, coding.encode(s.t, c.object(random, plan.largeLines, true)))
			large = append(large, key)
		}
	}
	c := counts[0]
	cut := store[1].encode(s.t, c.object(random, plan.smallLines, false))
	flipped := members.encode(s.t, c.object(random, 2*plan.smallLines, false))
	flipped[len(flipped)*7/12] ^= 0xff // in the middle of a member: in a header it might mean nothing
	junk := slices.Concat(members.encode(s.t, c.object(random, plan.smallLines, false)), []byte("something else"))
	for i, content := range [][]byte{cut[:len(cut)*3/4], flipped, junk} {
		key := fmt.Sprintf("logs/%s/planted-%d.gz", c.name, i)
		s.put(key, content)
		planted = append(planted, key)
	}
	return large, planted
}
