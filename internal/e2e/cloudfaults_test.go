package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/realservers"
)

// callFaults are a fifth of all calls. One that hangs costs seconds, so there are few.
func callFaults() realservers.Faults {
	return realservers.Faults{Reset: 0.035, LoseReply: 0.05, Cut: 0.03, Status500: 0.04, Throttle: 0.04, Hang: 0.003}
}

// TestFaultsOnAWS puts a proxy in front of each service that spoils a fifth of the calls of workers, watcher and start:
// answers that are lost after the service has acted, cut off, or never come, and refusals. No process is killed, and none
// is stuck: the replay ends by itself, with the rows of the recount.
func TestFaultsOnAWS(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of work")
	}
	t.Parallel()
	var mu sync.Mutex
	hits := map[string]int{}
	hit := func(service string) func(string, *http.Request) {
		return func(fault string, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			hits[service+" "+fault]++
		}
	}
	counts := []*shortCount{newShortCount("json"), newShortCount("tsv")}
	protocols := counts[0].protocol() + counts[1].protocol()
	const worker = "slots: 4, visibility_timeout: 15s, chunk_time: 5050ms, reserve: 5s, drain: 60s"
	s := newCloudSite(t, worker, protocols, nil)
	s.behind(t, worker, protocols, func(service, base string) string {
		f := callFaults()
		f.Hit = hit(service)
		return realservers.Faulty(t, base, f)
	})

	const small = 6 // objects of each protocol
	random := rand.New(rand.NewPCG(21, 22))
	store := codings()
	for _, c := range counts {
		for i := range small {
			coding := store[i%len(store)]
			s.put(fmt.Sprintf("logs/%s/small-%02d%s", c.name, i, coding.suffix), coding.encode(t, c.object(random, 5000, true)))
		}
		s.put(fmt.Sprintf("logs/%s/large%s", c.name, store[2].suffix), store[2].encode(t, c.object(random, 200_000, true)))
	}
	foreign := foreignTags(s)
	s.start("--config", proxied, "--cutoff", generatedCutoff.Format(time.RFC3339))
	var daemons []*process
	for _, role := range []string{"watch", "work", "work"} {
		daemons = append(daemons, s.daemon(role, "--log-level", "debug", "--config", proxied))
	}
	got := s.finished()
	for _, p := range daemons {
		p.stop(terminate)
	}
	var all accounts
	for _, c := range counts {
		all.add(c.lines)
	}
	if got.Lines != all || got.Objects.Finished != 2*(small+1) {
		t.Errorf("the accounts are %+v of %+v, want %+v", got.Lines, got.Objects, all)
	}
	for _, c := range counts {
		c.compare(s)
	}
	checkForeignTags(s, foreign)
	if st := s.status(); st.DeadLetters != 0 || st.Queue.Visible+st.Queue.InFlight+st.Queue.Delayed != 0 {
		t.Errorf("the queue has %+v and %d dead letters", st.Queue, st.DeadLetters)
	}
	mu.Lock()
	defer mu.Unlock()
	sums := map[string]int{}
	for what, n := range hits {
		service, fault, _ := strings.Cut(what, " ")
		sums[service] += n
		sums[fault] += n
	}
	for _, what := range []string{"sqs", "s3", "dynamodb", "Reset", "LoseReply", "Cut", "Status500", "Throttle"} {
		if sums[what] < 5 {
			t.Errorf("%s: only %d faults, make the archive larger", what, sums[what])
		}
	}
	t.Logf("faults: %v, in sum %v; verdicts: %v", hits, sums, verdicts(daemons))
}

// verdicts counts what workers have said of their messages.
func verdicts(processes []*process) map[string]int {
	all := map[string]int{}
	for _, p := range processes {
		for _, m := range p.said() {
			all[m.Verdict]++
		}
	}
	return all
}

// proxied is the configuration of those who see the services through proxies.
const proxied = "proxied.yaml"

// behind writes a second configuration, of the same services behind proxies. The test's own looks do without them.
func (s *site) behind(t *testing.T, worker, protocols string, proxy func(service, base string) string) {
	t.Helper()
	c := *s.cloud
	c.at = endpoints{proxy("sqs", c.direct.sqs), proxy("s3", c.direct.s3), proxy("dynamodb", c.direct.dynamo)}
	s.writeConfig(proxied, c.places(), worker, protocols)
}

// operation names a call as the services' documentation does, nearly.
func operation(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndexByte(target, '.')+1:]
	}
	name := r.Method + " object"
	if strings.Count(strings.Trim(r.URL.Path, "/"), "/") == 0 {
		name = r.Method + " bucket"
	}
	for _, sub := range []string{"tagging", "list-type"} {
		if r.URL.Query().Has(sub) {
			name += "?" + sub
		}
	}
	return name
}

// callObjects is how many objects the calls are counted for.
const callObjects = 300

// TestCallsOnAWS counts the calls that a replay of small objects takes, from start to end, and logs them by the object.
// The bounds are those of a design that does what it has to do once: a loop that asks again and again breaks them.
func TestCallsOnAWS(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	calls := map[string]int{}
	worker := "slots: 8, visibility_timeout: 60s"
	s := newCloudSite(t, worker, smallProtocols, nil)
	s.behind(t, worker, smallProtocols, func(service, base string) string {
		return realservers.Faulty(t, base, realservers.Faults{Seed: 1, Only: func(r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			calls[service+" "+operation(r)]++
			return false
		}})
	})
	for i := range callObjects {
		s.put(fmt.Sprintf("logs/shop/%03d.log", i), []byte(smallLog))
	}
	phase := func(name string) map[string]int {
		mu.Lock()
		defer mu.Unlock()
		done := calls
		calls = map[string]int{}
		for _, operation := range slices.Sorted(maps.Keys(done)) {
			t.Logf("%-6s %-34s %6d, %6.2f an object", name, operation, done[operation], float64(done[operation])/callObjects)
		}
		return done
	}
	s.start("--config", proxied, "--cutoff", smallCutoff)
	started := phase("start")
	w := s.daemon("work", "--config", proxied)
	s.until("all objects to be finished", func() bool { return s.status().Objects.Finished == callObjects })
	s.until("the queue to be empty", func() bool { return len(s.cloud.bodies(t, s.cloud.queue)) == 0 })
	worked := phase("work")
	watcher := s.daemon("watch", "--config", proxied)
	c := s.finished()
	w.stop(terminate)
	watcher.stop(terminate)
	finished := phase("finish")
	if c.Objects.Finished != callObjects || c.Lines.Counted != 5*callObjects {
		t.Errorf("%+v, %+v", c.Objects, c.Lines)
	}
	for _, bound := range []struct {
		phase string
		calls map[string]int
		most  float64
	}{{"start", started, 6}, {"work", worked, 16}, {"finish", finished, 6}} {
		sum := 0
		for _, n := range bound.calls {
			sum += n
		}
		t.Logf("%s: %.2f calls an object", bound.phase, float64(sum)/callObjects)
		if float64(sum) > bound.most*callObjects {
			t.Errorf("%s: %.2f calls an object, want %.0f at the most", bound.phase, float64(sum)/callObjects, bound.most)
		}
	}
	checkTags(s)
}
