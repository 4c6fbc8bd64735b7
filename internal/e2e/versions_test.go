package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// otherProtocol is the protocol json of shortCount as a later configuration has it: a statistic of the same name with other
// dimensions, measures and lines, and one that is new.
const otherProtocol = `
  json:
    format: json
    timestamp: t
    layout: unix_ms
    stats:
      hits:
        where: n < 500
        by: [name]
        measures: {quantity: count, largest: max(n)}
      days:
        by: [day]
        measures: {lines: count}
`

// TestTwoDefinitions: a replay is begun by workers of one configuration and ended by workers of another, after a while in
// which both work. Its generation is counted by its own definition; the next one by the other.
func TestTwoDefinitions(t *testing.T) {
	t.Parallel()
	c := newShortCount("json")
	s := newSite(t, "", "slots: 2, visibility_timeout: 2s, chunk_time: 210ms, reserve: 200ms", c.protocol())
	random := rand.New(rand.NewPCG(11, 12))
	for i := range 8 {
		store := codings()[i%len(codings())]
		s.put(fmt.Sprintf("logs/json/%d%s", i, store.suffix), store.encode(t, c.object(random, 120_000, true)))
	}
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))

	file := filepath.Join(s.dir, "reprise.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old := []*process{s.daemon("work", "--log-level", "debug")}
	s.until("chunks of the old workers", func() bool { return chunks(old) >= 3 })
	// The file changes below a process that runs; those that begin from now on have another definition.
	before, _, found := strings.Cut(string(text), "protocols:")
	if !found {
		t.Fatalf("the configuration is\n%s", text)
	}
	s.write(file, []byte(before+"protocols:"+otherProtocol))
	young := []*process{s.daemon("work", "--log-level", "debug")}
	both := chunks(old)
	s.until("chunks of both", func() bool { return chunks(young) >= 3 && chunks(old) > both })
	old[0].kill()
	if st := s.status(); st.Objects.Finished == st.Objects.Listed {
		t.Fatal("everything was read before the last old worker was killed: make the archive larger")
	}
	watcher := s.daemon("watch")
	if got := s.finished(); got.Lines != c.lines || got.Objects.Finished != c.objects {
		t.Errorf("the accounts are %+v, want %+v", got.Lines, c.lines)
	}
	t.Logf("%d chunks with the first definition's workers, %d with the other's", chunks(old), chunks(young))
	c.compare(s) // by a program with the other configuration
	s.call(call{"stats json days", exit(failed, usage), nil, []string{"days"}})

	// The next replay uses what is configured now, and the rows of the one before stay as they are.
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
	if got := s.finished(); got.Lines != c.lines {
		t.Errorf("the accounts of the second are %+v, want %+v", got.Lines, c.lines)
	}
	c.compareOther(s)
	c.compare(s, "--generation", "1")
	for _, p := range append(young, watcher) {
		p.stop(terminate)
	}
	checkTags(s)
}

// chunks is how many chunks processes have committed.
func chunks(processes []*process) (n int) {
	for _, p := range processes {
		for _, m := range p.said() {
			if strings.HasPrefix(m.Object, "logs/") && (m.Verdict == "hand on" || m.Verdict == "done" && m.Reason == "") {
				n++
			}
		}
	}
	return n
}

// compareOther holds the rows of otherProtocol against the count.
func (c *shortCount) compareOther(s *site) {
	s.t.Helper()
	hits := table{columns: []string{"name", "quantity", "largest"}}
	for name, v := range c.low {
		hits.rows = append(hits.rows, []string{name, text(v.lines), text(v.most)})
	}
	slices.SortFunc(hits.rows, slices.Compare[[]string])
	days := table{columns: []string{"day", "lines"}}
	lines := map[string]int64{}
	for key, v := range c.hits {
		lines[key.hour[:10]+"T00:00:00Z"] += v.lines
	}
	for day, n := range lines {
		days.rows = append(days.rows, []string{day, text(n)})
	}
	slices.SortFunc(days.rows, slices.Compare[[]string])
	equal(s.t, "the other hits", parseCSV(s.t, s.must("stats", "json", "hits", "--csv")), hits, nil)
	equal(s.t, "days", parseCSV(s.t, s.must("stats", "json", "days", "--csv")), days, nil)
}

// TestUnknownDefinition: workers that cannot compile a generation's definition claim nothing and say so, however often the
// message comes; no attempt is counted. A worker that can takes the replay to its end.
func TestUnknownDefinition(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	s.write(filepath.Join(s.dir, "reprise.yaml"), fmt.Appendf(nil,
		"local: {dir: state, archive: %q}\nworker: {slots: 2, visibility_timeout: 1s, reserve: 500ms, max_attempts: 2}\nprotocols:\n%s", s.archive, smallProtocols))
	s.start("--cutoff", smallCutoff)
	db := database(s, "ledger.db")
	var record string
	if err := db.QueryRowContext(t.Context(), "SELECT record FROM generations WHERE protocol = 'shop'").Scan(&record); err != nil {
		t.Fatal(err)
	}
	edited := withAggregator(t, record, 1000)
	if _, err := db.ExecContext(t.Context(), "UPDATE generations SET record = ?", edited); err != nil {
		t.Fatal(err)
	}

	worker, watcher := s.daemon("work"), s.daemon("watch")
	refused := 0
	s.until("the worker to have seen the message more often than a dead letter is", func() bool {
		refused = 0
		for _, m := range worker.said() { // without debug: it is told as a warning
			switch {
			case m.Verdict != "wait", m.Attempt != 0, !strings.Contains(m.Reason, "aggregator 1000"), !strings.Contains(m.Reason, "generation 1 of shop"):
				t.Fatalf("the worker says %+v", m)
			}
			refused++
		}
		return refused > 12
	})
	t.Logf("refused %d times", refused)
	var epoch, attempts, changed int64
	var state, owner string
	query := "SELECT epoch, no_progress, state, owner, state_change FROM cursors"
	if err := db.QueryRowContext(t.Context(), query).Scan(&epoch, &attempts, &state, &owner, &changed); err != nil {
		t.Fatal(err)
	}
	if epoch != 0 || attempts != 0 || state != "PENDING" || owner != "" {
		t.Errorf("the cursor is %s with the epoch %d, %d attempts and the owner %q", state, epoch, attempts, owner)
	}
	if st := s.status(); st.State != "RUNNING" || st.DeadLetters != 0 || st.Objects.Pending != 1 || st.Queue.Visible+st.Queue.InFlight+st.Queue.Delayed != 1 {
		t.Errorf("%+v", st)
	}

	// Another release comes. The definition that could not be compiled was not remembered either.
	if _, err := db.ExecContext(t.Context(), "UPDATE generations SET record = ?", record); err != nil {
		t.Fatal(err)
	}
	if got := s.finished(); got.Lines.Counted != 5 {
		t.Errorf("%+v", got.Lines)
	}
	golden(t, s.must("stats", "shop", "orders"), "@stats.txt")
	worker.stop(terminate)
	watcher.stop(terminate)
}

// withAggregator gives the definition in a generation's record another version of the aggregator.
func withAggregator(t *testing.T, record string, version int) string {
	t.Helper()
	var generation map[string]any
	if err := json.Unmarshal([]byte(record), &generation); err != nil {
		t.Fatal(err)
	}
	encoded, _ := generation["definition"].(string)
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	var definition map[string]any
	if err := json.Unmarshal(text, &definition); err != nil || definition["aggregator"] == nil {
		t.Fatalf("the definition is %s, %v", text, err)
	}
	definition["aggregator"] = version
	if text, err = json.Marshal(definition); err != nil {
		t.Fatal(err)
	}
	generation["definition"] = text
	edited, err := json.Marshal(generation)
	if err != nil {
		t.Fatal(err)
	}
	return string(edited)
}
