package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
)

// steered is what the tests read of a replay's record, as pause, resume and cancel print it.
type steered struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Resumes string `json:"resumes"`
	Cleaned bool   `json:"cleaned"`
}

// A long object is work for several seconds, longer than workers take to see that a replay was paused.
const (
	longKey     = "logs/shop/long.log.gz"
	longMembers = 100
	memberLines = 80_000
	longLines   = longMembers * memberLines
)

func longSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t, "", "slots: 2, visibility_timeout: 3s, reserve: 500ms, chunk_time: 60s", strings.Replace(smallProtocols, "[hour, country]", "[country]", 1))
	two := `{"ts":"2026-03-01T10:00:00Z","country":"de","amount":3}` + "\n" + `{"ts":"2026-03-01T10:00:00Z","country":"at","price":1}` + "\n"
	member := codings()[1].encode(t, [][]byte{[]byte(strings.Repeat(two, memberLines/2))})
	s.put(longKey, bytes.Repeat(member, longMembers))
	return s
}

// longRows waits for the end and holds rows and accounts against what was put.
func (s *site) longRows() {
	s.t.Helper()
	if c := s.finished(); c.Objects.Finished != 1 || c.Lines != (accounts{Read: longLines, Counted: longLines}) {
		s.t.Errorf("%+v, %+v", c.Objects, c.Lines)
	}
	golden(s.t, s.must("stats", "shop", "orders", "--csv"), fmt.Sprintf(`country,orders,amount,price,prices,last,buyers
at,%[1]d,,1,"[%[1]d,0,0]",2026-03-01T10:00:00Z,0
de,%[1]d,%[2]d,,"[0,0,0]",2026-03-01T10:00:00Z,0
`, longLines/2, longLines/2*3))
}

// TestPause pauses a replay while a worker is in the middle of its object: the worker keeps what it has read and does no
// more until the replay is resumed; no attempt counts, and the rows are right.
func TestPause(t *testing.T) {
	t.Parallel()
	s := longSite(t)
	id := s.start("--cutoff", smallCutoff)
	s.daemon("watch")
	s.daemon("work")
	s.inWork(0)
	if r := read[steered](s, "pause", "--json"); r.ID != id || r.State != "PAUSED" || r.Resumes != "RUNNING" {
		t.Errorf("pause: %+v", r)
	}
	s.call(call{"pause " + id, exit(done), []string{id + " PAUSED\n"}, nil})
	s.call(call{"start", exit(failed), nil, []string{"shop", id}})
	s.call(call{"rollback shop", exit(failed), nil, []string{"shop", id}})
	var left object
	s.until("the worker to be idle", func() bool { left = s.objects()[0]; return left.State == "PENDING" })
	if left.Owner != "" || left.NoProgress != 0 || left.Line <= 0 || left.Line >= longLines {
		t.Errorf("given back is %+v", left)
	}
	for range 10 {
		st := s.status()
		if o := s.objects()[0]; st.State != "PAUSED" || st.Waits != "somebody to resume it" || o.Line != left.Line || o.State != "PENDING" || o.NoProgress != 0 {
			t.Fatalf("while PAUSED: %+v, %+v", st, o)
		}
	}
	if r := s.run("run", "--once"); r.code != check || !strings.Contains(r.err, id) || !strings.Contains(r.err, "resume") {
		t.Errorf("run --once of what is PAUSED: exit code %d\n%s", r.code, r.err)
	}
	if r := read[steered](s, "resume", "--json", id); r.State != "RUNNING" || r.Resumes != "" {
		t.Errorf("resume: %+v", r)
	}
	s.call(call{"resume", exit(done), []string{id + " RUNNING\n"}, nil})
	s.longRows()
	for _, command := range []string{"pause", "resume", "cancel", "redrive"} {
		s.call(call{command, exit(failed), nil, []string{id}})
		s.call(call{command + " nope", exit(usage), nil, []string{"there is no replay nope"}})
	}
	if st := s.status(); st.DeadLetters != 0 {
		t.Errorf("%d dead letters", st.DeadLetters)
	}
}

// TestCancel cancels a replay while a worker is in the middle of its object: tags and messages go, nothing is to be
// read, and the next start does it all anew.
func TestCancel(t *testing.T) {
	t.Parallel()
	s := longSite(t)
	first := s.start("--cutoff", smallCutoff)
	s.daemon("watch")
	s.daemon("work")
	s.inWork(0)
	if r := read[steered](s, "cancel", "--json"); r.ID != first || r.State != "CANCELLED" {
		t.Errorf("cancel: %+v", r)
	}
	s.call(call{"cancel", exit(done), []string{first + " CANCELLED\n"}, nil})
	s.until("the clean-up", func() bool { return read[steered](s, "cancel", "--json", first).Cleaned })
	s.call(call{"resume", exit(failed), nil, []string{first, "CANCELLED"}})
	s.call(call{"stats shop orders --generation 1", exit(usage), nil, []string{"generation 1", "given up"}})
	a, err := dirarchive.New(t.Context(), dirarchive.Options{Root: s.archive, Tags: filepath.Join(s.dir, "state", "tags.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	s.until("the worker to leave it", func() bool {
		tags, err := a.Tags(t.Context(), longKey)
		q := s.status().Queue
		return err == nil && len(tags) == 0 && q.Visible+q.InFlight+q.Delayed == 0
	})
	second := s.start("--cutoff", smallCutoff)
	s.longRows()
	if st := s.status(); st.Replay != second || second == first || st.Protocols[0].Generation != 2 || st.DeadLetters != 0 {
		t.Errorf("%+v", st)
	}
	if tags, err := a.Tags(t.Context(), longKey); err != nil || len(tags) > 0 {
		t.Errorf("tags %v, %v", tags, err)
	}
}

type redriven struct {
	Key   string `json:"key"`
	Error string `json:"error"`
	Now   string `json:"now"`
	Again bool   `json:"again"`
	Size  int64  `json:"size"`
}

// TestRedrive puts a corrupt object right and redrives it, then goes back to the statistics before, compares the two, and
// gives one of them up.
func TestRedrive(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	s.start("--cutoff", smallCutoff)
	s.must("run", "--once")
	old := s.must("stats", "shop", "orders", "--csv")
	s.call(call{"rollback shop", exit(failed), nil, []string{"shop", "no generation before"}})
	s.call(call{"diff shop", exit(usage), nil, []string{"shop", "one generation only"}})

	const bad = "logs/shop/2.log.gz"
	s.put(bad, []byte{0x1f, 0x8b, 8, 0})
	id := s.start("--cutoff", smallCutoff)
	if r := s.run("run", "--once"); r.code != check || !strings.Contains(r.err, "FAILED") {
		t.Fatalf("run --once: exit code %d\n%s", r.code, r.err)
	}
	mended := codings()[1].encode(t, [][]byte{[]byte(`{"ts":"2026-03-01T10:00:00Z","country":"fr","amount":3,"price":1,"buyer":"c"}` + "\n")})
	s.put(bad, mended)
	dry := read[[]redriven](s, "redrive", "--dry-run", "--json")
	if len(dry) != 1 || dry[0].Key != bad || dry[0].Error == "" || dry[0].Size != int64(len(mended)) || !dry[0].Again {
		t.Errorf("dry run: %+v", dry)
	}
	s.call(call{"redrive --dry-run", exit(done), []string{bad + ": would be PENDING (was: "}, []string{"1 of 1 would begin again"}})
	s.call(call{"certify", exit(check), []string{"+ 1 FAILED", "FAILED: " + bad}, []string{"do not close"}})
	if st := s.status(); st.Objects.Failed != 1 || st.DeadLetters != 1 || st.Queue.Visible != 0 {
		t.Errorf("after a dry run: %+v", st)
	}
	s.call(call{"redrive --key logs/shop/none", exit(usage), nil, []string{"logs/shop/none", id}})
	s.call(call{"redrive " + id + " --key " + bad, exit(done), []string{bad + ": PENDING (was: "}, []string{"1 "}})
	if got := read[[]redriven](s, "redrive", "--json"); len(got) != 0 {
		t.Errorf("a second redrive: %+v", got)
	}
	if st := s.status(); st.Objects.Failed != 0 || st.Objects.Pending != 1 || st.DeadLetters != 0 || st.Queue.Visible != 1 {
		t.Errorf("after a redrive: %+v", st)
	}
	s.must("run", "--once")
	if c := s.certified(); c.Objects.LeftOut != 0 || c.Objects.Finished != 2 || c.Lines.Counted != 6 || c.Accepted != nil {
		t.Errorf("%+v, %+v", c.Objects, c.Lines)
	}
	const row = `2026-03-01T10:00:00Z,fr,1,3,1,"[1,0,0]",2026-03-01T10:00:00Z,1` + "\n"
	whole := strings.Replace(old, "2026-03-01T11:", row+"2026-03-01T11:", 1)
	golden(t, s.must("stats", "shop", "orders", "--csv"), whole)

	checkDiff(s, 2, 1)
	s.call(call{"diff shop orders", exit(done), []string{"orders", `["2026-03-01T10:00:00Z","fr"]: orders=1 amount=3`, "| no such row"}, nil})
	s.call(call{"diff shop nothing", exit(usage), nil, []string{`"nothing"`}})
	s.call(call{"diff shop --generation 9", exit(usage), nil, []string{"no generation 9"}})

	var changed []struct{ Serving, Previous int64 }
	if err := json.Unmarshal([]byte(s.must("rollback", "shop", "--json")), &changed); err != nil || len(changed) != 1 || changed[0].Serving != 1 || changed[0].Previous != 2 {
		t.Errorf("rollback: %+v, %v", changed, err)
	}
	golden(t, s.must("stats", "shop", "orders", "--csv"), old)
	golden(t, s.must("stats", "shop", "orders", "--csv", "--generation", "2"), whole)
	checkDiff(s, 1, 2)
	s.call(call{"rollback shop nobody", exit(usage), nil, []string{"nobody"}})
	s.call(call{"rollback shop", exit(done), []string{"shop", "serving"}, nil})
	golden(t, s.must("stats", "shop", "orders", "--csv"), whole)
	s.call(call{"purge shop", exit(done), []string{"shop", "purging", "1"}, nil})
	s.call(call{"purge shop", exit(failed), nil, []string{"no generation before"}})
	s.call(call{"rollback shop", exit(failed), nil, []string{"no generation before"}})
	s.must("run", "--once")
	golden(t, s.must("stats", "shop", "orders", "--csv"), whole)
	s.call(call{"stats shop orders --generation 1", exit(usage), nil, []string{"removed"}})
}

// checkDiff compares the two generations of TestRedrive: generation 2 has one row more.
func checkDiff(s *site, a, b int64) {
	s.t.Helper()
	diffs := read[[]struct {
		Statistic string
		A, B      int64
		RowsA     int64 `json:"rows_a"`
		RowsB     int64 `json:"rows_b"`
		OnlyA     int64 `json:"only_a"`
		OnlyB     int64 `json:"only_b"`
		Differ    int64
		Columns   []string
		Samples   []struct {
			Key  string
			A, B []string
		}
	}](s, "diff", "shop", "--json")
	if len(diffs) != 1 || len(diffs[0].Samples) != 1 {
		s.t.Fatalf("diff: %+v", diffs)
	}
	d, sample := diffs[0], diffs[0].Samples[0]
	if d.Statistic != "orders" || d.A != a || d.B != b || d.RowsA+d.RowsB != 9 || d.OnlyA != a-1 || d.OnlyB != b-1 || d.Differ != 0 ||
		len(d.Columns) != 8 || sample.Key != `["2026-03-01T10:00:00Z","fr"]` || (sample.A == nil) == (sample.B == nil) || (sample.A == nil) != (a == 1) {
		s.t.Errorf("diff: %+v", d)
	}
}
