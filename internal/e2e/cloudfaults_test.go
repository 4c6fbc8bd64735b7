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

// callBounds are the most calls that one object may take, where they do not depend on how long something takes. Each is a
// tenth above what there is to do, for calls that had no answer on a busy machine.
var callBounds = map[string]map[string]float64{
	"start": {
		"dynamodb PutItem": 1.1, "dynamodb UpdateItem": 0.1, "dynamodb GetItem": 0.1, "sqs SendMessageBatch": 0.2,
		"s3 GET object?tagging": 1.1, "s3 PUT object?tagging": 1.1,
	},
	"work": {
		// The replay is read about once a second; where that is slow, more of the reads after a tag are needed.
		"dynamodb GetItem":    1.5,
		"dynamodb UpdateItem": 2.2, "dynamodb PutItem": 0.1, "sqs DeleteMessageBatch": 0.5, "sqs SendMessageBatch": 0.1,
		"s3 GET object": 1.1, "s3 HEAD object": 0.1, "s3 GET object?tagging": 2.2, "s3 PUT object?tagging": 2.2,
	},
	"finish": {
		"dynamodb PutItem": 0.1, "s3 GET object": 0.1, "s3 GET object?tagging": 1.1, "s3 PUT object?tagging": 0.1, "s3 DELETE object?tagging": 1.1,
	},
}

// TestCallsOnAWS counts the calls that a replay of small objects takes, from start to end, and logs them by the object.
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
	planned := s.plan("--cutoff", smallCutoff)
	all := map[string]int{}
	phase := func(name string) {
		mu.Lock()
		defer mu.Unlock()
		sum := 0
		for _, operation := range slices.Sorted(maps.Keys(calls)) {
			each := float64(calls[operation]) / callObjects
			t.Logf("%-6s %-30s %5d, %5.2f an object", name, operation, calls[operation], each)
			if most, ok := callBounds[name][operation]; ok && each > most {
				t.Errorf("%s: %.2f %s an object, want %.1f at the most", name, each, operation, most)
			}
			sum += calls[operation]
			all[operation] += calls[operation]
		}
		t.Logf("%-6s %.2f calls an object", name, float64(sum)/callObjects)
		calls = map[string]int{}
	}
	s.start("--config", proxied, "--cutoff", smallCutoff)
	phase("start")
	w := s.daemon("work", "--config", proxied)
	s.until("all objects to be finished", func() bool { return s.status().Objects.Finished == callObjects })
	s.until("the queue to be empty", func() bool { return len(s.cloud.bodies(t, s.cloud.queue)) == 0 })
	phase("work")
	watcher := s.daemon("watch", "--config", proxied)
	c := s.finished()
	w.stop(terminate)
	watcher.stop(terminate)
	phase("finish")
	for _, c := range planned.Calls { // what a plan reckons with is what was counted
		made := map[string]int{
			"S3 GET of objects": all["s3 GET object"], "S3 PUT of tags": all["s3 PUT object?tagging"], "S3 GET of tags": all["s3 GET object?tagging"],
			"DynamoDB write units of cursors": all["dynamodb PutItem"] + all["dynamodb UpdateItem"], // each of one unit
			"SQS requests":                    all["sqs SendMessageBatch"] + all["sqs ReceiveMessage"] + all["sqs DeleteMessageBatch"],
		}
		if n, ok := made[c.What]; ok && (float64(n) < 0.95*c.Number.Low || float64(n) > 1.1*c.Number.High) {
			t.Errorf("%s: %d were made, the plan says %v", c.What, n, c.Number)
		}
	}
	if c.Objects.Finished != callObjects || c.Lines.Counted != 5*callObjects {
		t.Errorf("%+v, %+v", c.Objects, c.Lines)
	}
	checkTags(s)
}
