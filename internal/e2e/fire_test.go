package e2e_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to look into the databases beside the code under test

	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/queue"
	"github.com/seed-56345083/reprise/queue/sqlitequeue"
)

// How much there is to do under fire.
const (
	fireSmall      = 28 // small objects of each of the two protocols
	fireSmallLines = 60_000
	fireLarge      = 2 // large objects of each
	fireLargeLines = 300_000
	fireHandOns    = 10 // of a large object at the least
	fireLimit      = 4 * time.Minute
)

// TestFire is exactly once under fire: four workers of which one is killed every second, the watcher too now and then, and
// a queue that sends one message in ten twice and loses one in twenty. The rows are those of the recount, the certificate
// closes, and nothing is left behind but what was planted.
func TestFire(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of work for all processors")
	}
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	counts := []*shortCount{newShortCount("json"), newShortCount("tsv")}
	s := newSite(t, "", "slots: 2, visibility_timeout: 2s, chunk_time: 1008ms, reserve: 1s", counts[0].protocol()+counts[1].protocol())
	large, planted := fireArchive(s, random, counts)
	foreign := foreignTags(s)
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
	meddle := startMeddler(s)

	began := time.Now()
	f := &fire{site: s, random: random, planted: len(planted)}
	f.run()
	meddle.stop()
	t.Logf("finished after %v: %d workers and %d watchers were killed, %d of the workers in the middle of a chunk", time.Since(began).Round(time.Second), f.workersKilled, f.watchersKilled, f.chunksKilled)
	if f.workersKilled < 10 || f.watchersKilled == 0 {
		t.Error("too few processes were killed: make the archive larger")
	}
	t.Logf("of %d messages %d were sent twice and %d were lost", meddle.messages, meddle.twice, meddle.lost)
	if meddle.twice < meddle.messages/15 || meddle.lost < meddle.messages/30 {
		t.Error("too few messages were meddled with")
	}
	s.until("the queue to be empty, and no letter of a healthy object to be left", func() bool {
		q := s.status().Queue
		return q.Visible+q.InFlight+q.Delayed == 0 && slices.Equal(deadLetters(s), planted)
	})
	f.stop()

	checkHandOns(t, f.log(), large)
	checkFire(s, counts, planted)
	checkForeignTags(s, foreign)
}

// fire is the processes under fire.
type fire struct {
	*site
	random         *rand.Rand
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
	limit := time.NewTimer(fireLimit)
	defer limit.Stop()
	kill := time.NewTicker(time.Second)
	defer kill.Stop()
	look := time.NewTicker(400 * time.Millisecond)
	defer look.Stop()
	for seconds := 1; ; {
		select {
		case <-limit.C:
			f.t.Fatalf("waited %v for the end\n%s", fireLimit, f.site.run("status").out)
		case <-kill.C:
			victim, busy := f.victim()
			f.workers[victim].kill()
			if busy && f.held(f.workers[victim]) > 0 {
				f.chunksKilled++
			}
			f.workers[victim] = f.begin("work")
			f.workersKilled++
			// A watcher waits for the lease of the one before, and then for ten seconds to find out that messages were lost.
			if seconds%30 == 6 {
				f.watcher.kill()
				f.watcher = f.begin("watch")
				f.watchersKilled++
			}
			seconds++
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

// said is what a worker's log says of one message.
type said struct {
	Message string `json:"msg"`
	Object  string `json:"object"`
	Line    int64  `json:"line"`
	Verdict string `json:"verdict"`
	Attempt int    `json:"attempt"`
	Reason  string `json:"reason"`
}

// said reads a process's log. What a killed process had half written is no line.
func (p *process) said() []said {
	var all []said
	for line := range bytes.Lines([]byte(p.err.String())) {
		var one said
		if json.Unmarshal(line, &one) == nil && one.Message == "message" {
			all = append(all, one)
		}
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
func checkFire(s *site, counts []*shortCount, planted []string) {
	s.t.Helper()
	var all accounts
	objects := int64(0)
	for _, c := range counts {
		all.Read += c.lines.Read
		all.Counted += c.lines.Counted
		all.AfterCutoff += c.lines.AfterCutoff
		all.Rejected += c.lines.Rejected
		all.Blank += c.lines.Blank
		objects += c.objects
	}
	if all.Read < 2_000_000 || objects < 60 {
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
func fireArchive(s *site, random *rand.Rand, counts []*shortCount) (large, planted []string) {
	s.t.Helper()
	store := codings()
	members := coding{"members", ".gz", 8000, gzipWriter}
	for _, c := range counts {
		for i := range fireSmall {
			coding := store[i%len(store)]
			s.put(fmt.Sprintf("logs/%s/small-%02d%s", c.name, i, coding.suffix), coding.encode(s.t, c.object(random, fireSmallLines, true)))
		}
		for i := range fireLarge {
			key, coding := fmt.Sprintf("logs/%s/large-%d.gz", c.name, i), []coding{store[1], members}[i%2]
			s.put(key, coding.encode(s.t, c.object(random, fireLargeLines, true)))
			large = append(large, key)
		}
	}
	c := counts[0]
	cut := store[1].encode(s.t, c.object(random, fireSmallLines, false))
	flipped := members.encode(s.t, c.object(random, 2*fireSmallLines, false))
	flipped[len(flipped)*7/12] ^= 0xff // in the middle of a member: in a header it might mean nothing
	junk := slices.Concat(members.encode(s.t, c.object(random, fireSmallLines, false)), []byte("something else"))
	for i, content := range [][]byte{cut[:len(cut)*3/4], flipped, junk} {
		key := fmt.Sprintf("logs/%s/planted-%d.gz", c.name, i)
		s.put(key, content)
		planted = append(planted, key)
	}
	return large, planted
}

// shortCount is the test's own count of a protocol of short lines.
type shortCount struct {
	name    string // of the protocol and of its format
	objects int64
	lines   accounts
	hits    map[shortKey]*shortSums
	high    map[string]*shortSums
	low     map[string]*shortSums // for another definition of the same lines: n < 500
}

type shortKey struct{ hour, name string }

type shortSums struct{ lines, sum, least, most, below, middle, above int64 }

func newShortCount(format string) *shortCount {
	return &shortCount{name: format, hits: map[shortKey]*shortSums{}, high: map[string]*shortSums{}, low: map[string]*shortSums{}}
}

// shortNames are the values of the dimension name.
const shortNames = 60

func (c *shortCount) protocol() string {
	columns := ""
	if c.name == "tsv" {
		columns = "columns: [t, name, n]"
	}
	return fmt.Sprintf(`
  %s:
    format: %s
    %s
    timestamp: t
    layout: unix_ms
    stats:
      hits:
        by: [hour, name]
        measures: {lines: count, n_sum: sum(n), n_min: min(n), n_max: max(n), ns: "histogram(n, 100, 500)"}
      high:
        where: n > 900
        by: [name]
        measures: {lines: count, n_sum: sum(n)}
`, c.name, c.name, columns)
}

// object makes an object of n lines, a few of them odd, and counts them unless the object is one that must fail.
func (c *shortCount) object(random *rand.Rand, n int, counts bool) [][]byte {
	if counts {
		c.objects++
	}
	hours := make([]string, 4)
	first := generatedBegin.Truncate(time.Hour)
	for i := range hours {
		hours[i] = first.Add(time.Duration(i) * time.Hour).Format(time.RFC3339)
	}
	names := make([]string, shortNames)
	for i := range names {
		names[i] = fmt.Sprintf("k%02d", i)
	}
	begin, cutoff := generatedBegin.UnixMilli(), generatedCutoff.UnixMilli()
	lines := make([][]byte, 0, n)
	for range n {
		at := begin + random.Int64N(int64(120*time.Minute/time.Millisecond))
		name, value := names[random.IntN(len(names))], random.Int64N(1000)
		odd := random.IntN(400)
		lines = append(lines, c.line(at, name, value, odd))
		if !counts {
			continue
		}
		switch {
		case odd == 1:
			c.lines.Blank++
			continue
		case odd == 0:
			c.lines.Rejected++
		case at > cutoff:
			c.lines.AfterCutoff++
		default:
			c.lines.Counted++
			c.add(hours[(at-first.UnixMilli())/time.Hour.Milliseconds()], name, value)
		}
		c.lines.Read++
	}
	return lines
}

// line writes a line; 0 and 1 are odd ones: one that does not parse, and an empty one.
func (c *shortCount) line(at int64, name string, value int64, odd int) []byte {
	line := make([]byte, 0, 40)
	switch {
	case odd == 0:
		line = append(line, "{broken"...)
	case odd == 1:
	case c.name == "tsv":
		line = strconv.AppendInt(line, at, 10)
		line = append(append(append(line, '\t'), name...), '\t')
		line = strconv.AppendInt(line, value, 10)
	default:
		line = strconv.AppendInt(append(line, `{"t":`...), at, 10)
		line = append(append(append(line, `,"name":"`...), name...), `","n":`...)
		line = append(strconv.AppendInt(line, value, 10), '}')
	}
	return append(line, '\n')
}

func (c *shortCount) add(hour, name string, value int64) {
	key := shortKey{hour, name}
	if c.hits[key] == nil {
		c.hits[key] = &shortSums{least: value, most: value}
	}
	c.hits[key].add(value)
	for _, narrow := range []struct {
		rows map[string]*shortSums
		ok   bool
	}{{c.high, value > 900}, {c.low, value < 500}} {
		if !narrow.ok {
			continue
		}
		if narrow.rows[name] == nil {
			narrow.rows[name] = &shortSums{least: value, most: value}
		}
		narrow.rows[name].add(value)
	}
}

func (s *shortSums) add(value int64) {
	s.lines++
	s.sum += value
	s.least, s.most = min(s.least, value), max(s.most, value)
	switch {
	case value <= 100:
		s.below++
	case value <= 500:
		s.middle++
	default:
		s.above++
	}
}

// compare holds the rows that the program prints against the count.
func (c *shortCount) compare(s *site, args ...string) {
	s.t.Helper()
	hits := table{columns: []string{"hour", "name", "lines", "n_sum", "n_min", "n_max", "ns"}}
	for key, v := range c.hits {
		hits.rows = append(hits.rows, []string{key.hour, key.name, text(v.lines), text(v.sum), text(v.least), text(v.most),
			fmt.Sprintf("[%d,%d,%d]", v.below, v.middle, v.above)})
	}
	high := table{columns: []string{"name", "lines", "n_sum"}}
	for name, v := range c.high {
		high.rows = append(high.rows, []string{name, text(v.lines), text(v.sum)})
	}
	for name, want := range map[string]table{"hits": hits, "high": high} {
		slices.SortFunc(want.rows, slices.Compare[[]string])
		got := parseCSV(s.t, s.must(append([]string{"stats", c.name, name, "--csv"}, args...)...))
		equal(s.t, c.name+" "+name, got, want, nil)
	}
}

// meddler sends one message in ten twice and loses one in twenty, of all that the queue has ever had.
type meddler struct {
	q      *sqlitequeue.Queue
	cancel context.CancelFunc
	ended  chan error

	messages, twice, lost int64 // to be read when it has ended
}

func startMeddler(s *site) *meddler {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	m := &meddler{q: openQueue(s, "work"), cancel: cancel, ended: make(chan error, 1)}
	go func() { m.ended <- m.run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-m.ended; err != nil {
			s.t.Errorf("meddling with the queue: %v", err)
		}
		_ = m.q.Close()
	})
	return m
}

// stop ends it, so that its numbers can be read.
func (m *meddler) stop() {
	m.cancel()
	m.ended <- <-m.ended // for the test's cleanup
}

func (m *meddler) run(ctx context.Context) error {
	// Not more often: what is received counts, and at ten receives the queue takes a message for a dead letter.
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		messages, err := m.q.Receive(ctx, queue.ReceiveParams{Max: 2, Visibility: time.Second})
		for _, message := range messages {
			if err = m.meddle(context.WithoutCancel(ctx), message); err != nil {
				break
			}
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (m *meddler) meddle(ctx context.Context, message queue.Message) error {
	n, err := strconv.ParseInt(message.ID, 10, 64) // messages are numbered
	if err != nil {
		return err
	}
	m.messages = max(m.messages, n)
	switch {
	case m.lost < m.messages/20:
		m.lost++
		err = m.q.Delete(ctx, []string{message.Receipt})
	case m.twice < m.messages/10:
		m.twice++
		err = m.q.Send(ctx, []queue.Outgoing{{Body: message.Body}})
		fallthrough
	default:
		err = errors.Join(err, m.q.ChangeVisibility(ctx, []queue.Change{{Receipt: message.Receipt}}))
	}
	if errors.Is(err, queue.ErrStaleReceipt) { // it took longer than the visibility timeout
		return nil
	}
	return err
}

// openQueue opens a queue of the site beside the program.
func openQueue(s *site, name string) *sqlitequeue.Queue {
	s.t.Helper()
	q, err := sqlitequeue.Open(s.t.Context(), sqlitequeue.Options{Path: filepath.Join(s.dir, "state", "queue.db"), Name: name})
	if err != nil {
		s.t.Fatal(err)
	}
	return q
}

// database opens one of the site's databases as it lies there, without the code under test.
func database(s *site, file string) *sql.DB {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "state", file)+"?_pragma=busy_timeout(20000)")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = db.Close() })
	return db
}

// deadLetters are the objects that the dead-letter queue has letters of.
func deadLetters(s *site) []string {
	s.t.Helper()
	db := database(s, "queue.db")
	defer func() { _ = db.Close() }() // it is asked for again and again
	rows, err := db.QueryContext(s.t.Context(), "SELECT body FROM messages WHERE queue = 'dead-letters'")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	keys := map[string]bool{}
	for rows.Next() {
		var body []byte
		var task queue.Task
		if err := rows.Scan(&body); err != nil {
			s.t.Fatal(err)
		}
		if err := json.Unmarshal(body, &task); err != nil {
			s.t.Errorf("a dead letter is %q", body)
		}
		keys[task.Key] = true
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(keys))
}

// foreignTags gives some objects tags of other people.
func foreignTags(s *site) map[string]map[string]string {
	s.t.Helper()
	foreign := map[string]map[string]string{}
	a := openArchive(s)
	n := 0
	for o, err := range a.List(s.t.Context(), "", "") {
		if err != nil {
			s.t.Fatal(err)
		}
		foreign[o.Key] = map[string]string{}
		if n++; n%4 == 0 {
			foreign[o.Key] = map[string]string{"team": "sales", "number": text(int64(n))}
			if err := a.MergeTags(s.t.Context(), o.Key, foreign[o.Key], nil); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return foreign
}

// checkForeignTags: of the tags, those of other people are left, and nothing else.
func checkForeignTags(s *site, foreign map[string]map[string]string) {
	s.t.Helper()
	a := openArchive(s)
	for key, want := range foreign {
		if tags, err := a.Tags(s.t.Context(), key); err != nil || !maps.Equal(tags, want) {
			s.t.Errorf("%s has the tags %v, %v; want %v", key, tags, err, want)
		}
	}
	if len(foreign) == 0 {
		s.t.Error("there is no object")
	}
}

func openArchive(s *site) *dirarchive.Archive {
	s.t.Helper()
	a, err := dirarchive.New(s.t.Context(), dirarchive.Options{Root: s.archive, Tags: filepath.Join(s.dir, "state", "tags.db")})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = a.Close() })
	return a
}
