package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestLiveRun: one process does everything, is killed in the middle of a replay, and another one goes on, while lines come in
// all the time.
func TestLiveRun(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t, "live: {slots: 4}\narchiver: {max_age: 1s}", "slots: 4, visibility_timeout: 3s, chunk_time: 200ms, reserve: 100ms", allDialects())
	counts := newLiveCounts(13)
	runner := s.daemon("run")
	counts.ingest(s, 400)
	s.until("everything to be archived", func() bool { l := s.liveStatus(); return l.Unarchived == 0 && l.LagSeconds != nil })
	counts.compare(s)

	r := s.run("start")
	if r.code != done || strings.Count(r.err, "every line of objects begun before this start (epochs below 2) counts in the replay, everything else live") != len(counts.all) {
		t.Errorf("start: exit code %d\n%s", r.code, r.err)
	}
	counts.ingest(s, 100)
	runner.kill()
	counts.ingest(s, 100)
	runner = s.daemon("run")
	s.finished()
	s.until("everything to be archived", func() bool { return s.liveStatus().Unarchived == 0 })
	counts.compare(s)
	runner.stop(terminate)

	// What is there is a whole: a replay of all of it, without the live side's help, comes to the same rows.
	s.start()
	s.must("run", "--once")
	if c := s.certified(); c.Lines.Counted != counts.put() {
		t.Errorf("the second replay counts %d lines, want %d", c.Lines.Counted, counts.put())
	}
	counts.compare(s)
}

// TestOthers: where another program writes the archive, a line's own time decides whether it is the replay's or is counted
// live. The test is that program: what it archives late is found by the second listing.
func TestOthers(t *testing.T) {
	t.Parallel()
	protocols := strings.Replace(smallProtocols, "timestamp: ts", "timestamp: ts\n    archived_by: others", 1)
	// Entries that are older than late are taken for archived: those of 2099, which no replay counts, must not be before the start.
	s := newLiveSite(t, "live: {settle: 1s, late: 45s}", "visibility_timeout: 5s, reserve: 100ms", protocols)
	lines := func(year, n int) (text string) {
		for i := range n {
			text += fmt.Sprintf(`{"ts":"%d-03-01T10:00:%02dZ","country":"de"}`, year, i%60) + "\n"
		}
		return text
	}
	check := func(past, future string) {
		t.Helper()
		var got []string
		for _, row := range parseCSV(t, s.must("stats", "shop", "orders", "--csv")).rows {
			got = append(got, row[0][:4]+": "+row[2])
		}
		if want := "2026: " + past + ", 2099: " + future; strings.Join(got, ", ") != want {
			t.Errorf("the rows are %q, want %q", got, want)
		}
	}
	for command, want := range map[string]string{
		"start --gate rows": "rows -1%", "start --protocol nope": "nope", "start --cutoff 2099-01-01T00:00:00Z": "a cutoff lies in the past",
	} {
		s.refused(command, usage, want) // before anything is archived
	}
	s.ingest("shop", []byte(lines(2026, 500)+lines(2099, 70)))
	s.must("live", "--once")
	check("500", "70")
	s.put("logs/shop/1.log", []byte(lines(2026, 300)+lines(2099, 70)))
	r := s.run("start")
	if r.code != done || !strings.Contains(r.err, "others archive it, so the archive is listed again after ") {
		t.Errorf("start: exit code %d\n%s", r.code, r.err)
	}
	s.put("logs/shop/2.log", []byte(lines(2026, 200)))
	s.ingest("shop", []byte(lines(2026, 40)+lines(2099, 5)))
	s.put("logs/shop/3.log", []byte(lines(2026, 40)+lines(2099, 5)))
	if r := s.run("run", "--once"); r.code != done {
		t.Fatalf("run --once: exit code %d\n%s", r.code, r.err)
	}
	s.certified()
	check("540", "75")
}

// TestLiveKilled: whatever counts and archives is killed again and again, two of each at once. Nothing is lost, and nothing
// counts twice: neither live nor in what is then in the archive.
func TestLiveKilled(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t, "live: {slots: 3}\narchiver: {max_age: 1s, max_bytes: 64KiB}", "slots: 4, visibility_timeout: 5s, reserve: 100ms", allDialects())
	counts := newLiveCounts(14)
	roles := func() (all []*process) {
		for _, role := range []string{"live", "archive", "live", "archive"} {
			all = append(all, s.daemon(role))
		}
		return all
	}
	for round := range int64(4) {
		counts.ingest(s, 150)
		running := roles()
		// However much of the round's work is done by then: each time a little more.
		s.until("some to be archived", func() bool { return counts.put()-s.liveStatus().Unarchived >= counts.put()*(round+1)/6 })
		for _, p := range running {
			p.kill()
		}
	}
	running := roles()
	s.until("everything to be archived", func() bool { return s.liveStatus().Unarchived == 0 })
	for _, p := range running {
		p.stop(terminate)
	}
	counts.compare(s)
	s.start()
	s.must("run", "--once")
	if c := s.certified(); c.Lines.Counted != counts.put() {
		t.Errorf("the archive has %d lines, want %d", c.Lines.Counted, counts.put())
	}
	counts.compare(s)
}
