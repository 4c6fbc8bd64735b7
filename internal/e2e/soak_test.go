package e2e_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// soakPlan is how long lines come in, and how fast processes die.
type soakPlan struct {
	rate  int           // lines a second
	stage time.Duration // the least time of each stage
	kill  time.Duration // between two kills
}

// TestSoak is the whole life of a line under fire, for as long as it takes to replay twice: lines come in all the time, two
// consumers count them, an archiver moves them, three workers replay them with corrected definitions, somebody rolls
// back, and every second one of these processes is killed. In the end every generation that is whole has the rows of the
// test's own count of everything that ever came in, and so has a replay of what is then in the archive.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of work for all processors")
	}
	t.Parallel()
	s := newLiveSite(t, soakSide, soakWorker, soakFirst)
	soak(s, soakPlan{rate: 250, stage: 3 * time.Second, kill: time.Second})
}

// TestSoakOnAWS is TestSoak over a table's stream, SQS and S3.
func TestSoakOnAWS(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of work for all processors")
	}
	t.Parallel()
	s := newCloudSite(t, soakWorker, soakFirst, func(c *cloud) { c.live = soakSide })
	soak(s, soakPlan{rate: 30, stage: 5 * time.Second, kill: time.Second})
}

const (
	soakSide   = "live: {slots: 4}\narchiver: {max_age: 1s, max_bytes: 64KiB}"
	soakWorker = "slots: 2, visibility_timeout: 5s, chunk_time: 1s, reserve: 500ms, max_attempts: 50"
)

// The definitions: the second one corrects a condition of the first and adds a statistic.
const (
	soakFirst = `  shop:
    format: json
    timestamp: ts
    stats:
      orders: {by: [minute, country], measures: {orders: count, paid: sum(amount), most: max(amount)}}
      failures: {where: status >= 400, by: [country], measures: {orders: count}}
`
	soakSecond = `  shop:
    format: json
    timestamp: ts
    stats:
      orders: {by: [minute, country], measures: {orders: count, paid: sum(amount), most: max(amount)}}
      failures: {where: status >= 500, by: [country], measures: {orders: count}}
      paths: {by: [hour, path], measures: {orders: count, least: min(amount)}}
`
)

// soakRow is what the test counts of a row.
type soakRow struct{ orders, paid, most, least int64 }

func (r *soakRow) add(amount int64) {
	if r.orders == 0 {
		r.most, r.least = amount, amount
	}
	r.orders++
	r.paid += amount
	r.most, r.least = max(r.most, amount), min(r.least, amount)
}

// soakCount is the test's own count of everything that was given to ingest.
type soakCount struct {
	mu                           sync.Mutex
	orders, wrong, failed, paths map[string]*soakRow // by the row's dimensions as CSV has them
	lines                        int64
	random                       *rand.Rand
}

func newSoakCount(seed uint64) *soakCount {
	c := &soakCount{random: rand.New(rand.NewPCG(seed, 1))}
	for _, m := range []*map[string]*soakRow{&c.orders, &c.wrong, &c.failed, &c.paths} {
		*m = map[string]*soakRow{}
	}
	return c
}

// line makes a line, up to an hour late or a minute in the future, and counts it.
func (c *soakCount) line() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	late := time.Duration(c.random.Int64N(int64(61*time.Minute))) - time.Minute
	if c.random.IntN(3) > 0 {
		late /= 100
	}
	at := time.Now().UTC().Add(-late).Truncate(time.Millisecond)
	country := []string{"de", "fr", "it", "nl"}[c.random.IntN(4)]
	path := fmt.Sprintf("/p/%d", c.random.IntN(30))
	status := []int{200, 200, 200, 404, 500, 503}[c.random.IntN(6)]
	amount := c.random.Int64N(1_000_000)
	count := func(m map[string]*soakRow, key string) {
		if m[key] == nil {
			m[key] = &soakRow{}
		}
		m[key].add(amount)
	}
	c.lines++
	count(c.orders, at.Truncate(time.Minute).Format(time.RFC3339)+","+country)
	count(c.paths, at.Truncate(time.Hour).Format(time.RFC3339)+","+path)
	if status >= 400 {
		count(c.wrong, country)
	}
	if status >= 500 {
		count(c.failed, country)
	}
	return fmt.Sprintf(`{"ts":%q,"country":%q,"path":%q,"status":%d,"amount":%d}`+"\n", at.Format(rfc3339Millis), country, path, status, amount)
}

// table makes what the program must print of one statistic.
func soakTable(rows map[string]*soakRow, columns string, values func(*soakRow) []int64) table {
	t := table{columns: strings.Split(columns, ",")}
	for key, r := range rows {
		row := strings.Split(key, ",")
		for _, v := range values(r) {
			row = append(row, strconv.FormatInt(v, 10))
		}
		t.rows = append(t.rows, row)
	}
	slices.SortFunc(t.rows, slices.Compare)
	return t
}

// compare holds a generation against the count; second says by which definition it counts. generation "" is the one that
// serves.
func (c *soakCount) compare(s *site, what string, second bool, generation string) {
	s.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	got := func(statistic string) table {
		args := []string{"stats", "shop", statistic, "--csv"}
		if generation != "" {
			args = append(args, "--generation", generation)
		}
		return parseCSV(s.t, s.must(args...))
	}
	orders := soakTable(c.orders, "minute,country,orders,paid,most", func(r *soakRow) []int64 { return []int64{r.orders, r.paid, r.most} })
	equal(s.t, what+": orders", got("orders"), orders, nil)
	count := func(r *soakRow) []int64 { return []int64{r.orders} }
	if !second {
		equal(s.t, what+": failures", got("failures"), soakTable(c.wrong, "country,orders", count), nil)
		return
	}
	equal(s.t, what+": failures", got("failures"), soakTable(c.failed, "country,orders", count), nil)
	paths := soakTable(c.paths, "hour,path,orders,least", func(r *soakRow) []int64 { return []int64{r.orders, r.least} })
	equal(s.t, what+": paths", got("paths"), paths, nil)
}

// producer gives lines to one ingest process at a steady rate until it is closed. While it rests, all that it gave is there
// soon.
type producer struct {
	*site
	count *soakCount
	in    io.WriteCloser
	rest  sync.Mutex
	over  chan struct{}
	once  sync.Once
	ended chan error
}

func produce(s *site, count *soakCount, rate int) *producer {
	s.t.Helper()
	p := &producer{site: s, count: count, over: make(chan struct{}), ended: make(chan error, 1)}
	cmd := s.command("ingest", "shop")
	var errs output
	cmd.Stderr = &errs
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if s.t.Failed() {
			s.t.Logf("reprise ingest:\n%s", errs.String())
		}
	})
	go func() {
		tick := time.NewTicker(time.Second / 10)
		defer tick.Stop()
		for {
			select {
			case <-p.over:
				_ = p.in.Close()
				p.ended <- cmd.Wait()
				return
			case <-tick.C:
				p.rest.Lock()
				for range rate / 10 {
					_, _ = io.WriteString(p.in, count.line()) // a process that is gone is seen when it is waited for
				}
				p.rest.Unlock()
			}
		}
	}()
	return p
}

// close ends the input, and ingest must end well. It may be called again.
func (p *producer) close() {
	p.t.Helper()
	p.once.Do(func() {
		close(p.over)
		if err := <-p.ended; err != nil {
			p.t.Errorf("ingest: %v", err)
		}
	})
}

// settled waits, while nothing comes in, until as much is counted as came in; a line that counts twice is then seen in the rows.
func (c *soakCount) settled(s *site) {
	s.t.Helper()
	s.until("everything to be counted", func() bool {
		stats := s.run("stats", "shop", "orders", "--csv")
		if stats.code != done { // a server that is busy with all the rest; the next look asks again
			return false
		}
		var n int64
		for _, row := range parseCSV(s.t, stats.out).rows {
			one, err := strconv.ParseInt(row[2], 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			n += one
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return n >= c.lines && s.liveStatus().Unprocessed == 0
	})
}

// soakers are the processes of a soak, of which one dies again and again, and is followed by another.
type soakers struct {
	*site
	roles  []string
	killed map[string]int
	over   chan struct{}
	once   sync.Once
	ended  chan struct{}
	all    []*process
}

func soakersOf(s *site, random *rand.Rand, every time.Duration) *soakers {
	c := &soakers{
		site: s, roles: []string{"live", "live", "archive", "work", "work", "work", "watch"}, killed: map[string]int{},
		over: make(chan struct{}), ended: make(chan struct{}),
	}
	for _, role := range c.roles {
		c.all = append(c.all, s.daemon(role))
	}
	go func() {
		defer close(c.ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-c.over:
				return
			case <-tick.C:
				i := random.IntN(len(c.roles))
				c.killed[c.roles[i]]++
				c.all[i].kill()
				c.all[i] = s.daemon(c.roles[i])
			}
		}
	}()
	return c
}

// spare ends the killing. It may be called again.
func (c *soakers) spare() {
	c.once.Do(func() { close(c.over) })
	<-c.ended
}

// stop ends the killing, and then all processes, which must end well.
func (c *soakers) stop() {
	c.t.Helper()
	c.spare()
	for _, p := range c.all {
		p.stop(terminate)
	}
	c.t.Logf("killed: %v", c.killed)
}

func soak(s *site, plan soakPlan) {
	t := s.t
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	count := newSoakCount(seed)
	second := filepath.Join(s.dir, "second.yaml")
	first, err := os.ReadFile(filepath.Join(s.dir, "reprise.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(second, []byte(strings.Replace(string(first), soakFirst, soakSecond, 1)))

	p := produce(s, count, plan.rate)
	defer p.close()
	c := soakersOf(s, random, plan.kill)
	defer c.spare() // also where the test gives up
	came := func(more int) {
		t.Helper()
		count.mu.Lock()
		want := count.lines + int64(more)
		count.mu.Unlock()
		s.until("lines to come in", func() bool {
			count.mu.Lock()
			defer count.mu.Unlock()
			return count.lines >= want
		})
	}
	// check stops the input, but nobody else, and holds what serves against the count.
	check := func(what string, byTheSecond bool) {
		t.Helper()
		p.rest.Lock()
		defer p.rest.Unlock()
		count.settled(s)
		count.compare(s, what, byTheSecond, "")
	}
	some := int(plan.stage.Seconds() * float64(plan.rate))

	came(2 * some)
	check("before the replay", false)
	came(some)
	s.start("--config", second)
	s.until("the replay to be FINISHED", func() bool { return s.status().State == "FINISHED" })
	s.certified()
	check("after the replay", true)
	came(some)
	s.must("rollback", "shop")
	check("rolled back", false)
	came(some)
	s.start("--config", second)
	s.until("the second replay to be FINISHED", func() bool { return s.status().State == "FINISHED" })
	s.certified()
	came(some)
	p.close()
	count.settled(s)
	c.stop()
	s.must("live", "--once") // nothing is left to whoever was killed last
	count.compare(s, "in the end", true, "")
	count.compare(s, "the generation before", false, "1")

	s.must("archive", "--once", "--force")
	s.start("--config", second)
	s.must("run", "--once")
	if got := s.certified(); got.Lines.Counted != count.lines || got.Lines.Rejected+got.Lines.AfterCutoff != 0 {
		t.Errorf("the archive has the lines %+v, want %d", got.Lines, count.lines)
	}
	count.compare(s, "replayed from the archive", true, "")
	t.Logf("%d lines", count.lines)
}
