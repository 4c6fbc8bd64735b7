package e2e_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestProgress watches a replay while it runs: what status says adds up at every moment, and comes to show rates and
// the time left. Then ctrl-C ends the process that runs it, which gives back what it has, and the next one goes on.
func TestProgress(t *testing.T) {
	t.Parallel()
	const lines = 3 * largeLines                                                                                    // rates need seconds, also on a fast machine
	s, c := objectOf(t, lines, "slots: 1, visibility_timeout: 5s, chunk_time: 104ms, reserve: 100ms", codings()[2]) // slow: short chunks
	s.start("--cutoff", generatedCutoff.Format(time.RFC3339))
	before := s.status()
	if o := before.Objects; before.State != "RUNNING" || !o.ListedAll || o.Listed != 1 || o.Pending != 1 || before.Waits == "" ||
		before.Queue.Visible != 1 || before.SecondsLeft != nil || before.LinesPerSecond != 0 || before.Bytes.Read != 0 {
		t.Errorf("before anybody works: %+v", before)
	}

	runner := s.daemon("run")
	var st status
	s.until("rates and the time left", func() bool {
		last := st.Lines
		st = s.status()
		o, l := st.Objects, st.Lines
		if o.Pending+o.Processing+o.Finished+o.Failed != o.Listed || l.Read != l.Counted+l.AfterCutoff+l.Rejected ||
			l.Read < last.Read || st.Bytes.Read > st.Bytes.Listed || st.Protocols[0].Counted != l.Counted {
			t.Errorf("while it runs: %+v after %+v", st, last)
		}
		if st.State == "FINISHED" {
			t.Fatal("the replay was finished before its rate was shown: make it larger")
		}
		return st.State == "RUNNING" && st.LinesPerSecond > 0 && st.SecondsLeft != nil && st.Workers == 1
	})
	if st.Lines.Read == 0 || st.Bytes.Read == 0 || st.Waits == "" || *st.SecondsLeft <= 0 || *st.SecondsLeft > 1000 {
		t.Errorf("while it runs: %+v", st)
	}
	text := s.must("status")
	for _, row := range []string{"replay", "state", "waits for", "cutoff", "objects", "lines", "bytes", "rate", "time left", "events", "queue"} {
		if !regexp.MustCompile(`(?mi)^ *` + row + ` `).MatchString(text) {
			t.Errorf("status shows no %s:\n%s", row, text)
		}
	}

	runner.stop(interrupt)
	if o := s.objects()[0]; o.State != "PENDING" || o.NoProgress != 0 || o.Line == 0 || o.Line >= lines {
		t.Errorf("ctrl-C leaves %+v", o)
	}
	t.Logf("stopped at line %d, %.0f lines/s, %.1f s left", s.objects()[0].Line, st.LinesPerSecond, *st.SecondsLeft)
	if r := s.run("run", "--once"); r.code != done || r.out != "" {
		t.Errorf("run --once: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	c.checkAll(s)
}

// listedObjects are several pages of a listing.
const listedObjects = 3000

// TestStartKilled ends `reprise start` in the middle of the listing; the watcher lists the rest.
func TestStartKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", "slots: 8", smallProtocols)
	for i := range listedObjects {
		s.put(fmt.Sprintf("logs/shop/%02d/%04d.log", i%30, i), fmt.Appendf(nil, "{\"ts\":\"2026-03-01T10:00:00Z\",\"country\":\"c%d\",\"amount\":%d}\n", i%7, i))
	}
	inTime := false
	for range 10 { // a listing may be faster than the looks at it; then the next one
		if inTime = s.startKilled(); inTime {
			break
		}
		if err := os.RemoveAll(filepath.Join(s.dir, "state")); err != nil {
			t.Fatal(err)
		}
	}
	if !inTime {
		t.Fatal("the kill always came too late: make the archive larger")
	}

	watcher, worker := s.daemon("watch"), s.daemon("work")
	c := s.finished()
	watcher.stop(terminate)
	worker.stop(terminate)
	if o := c.Objects; o.Listed != listedObjects || o.Finished != listedObjects || c.Lines.Counted != listedObjects {
		t.Errorf("%+v, %+v", o, c.Lines)
	}
	want := [7][2]int64{}
	for i := range int64(listedObjects) {
		want[i%7][0]++
		want[i%7][1] += i
	}
	rows := parseCSV(t, s.must("stats", "shop", "orders", "--csv")).rows
	for i, row := range rows {
		if row[1] != fmt.Sprintf("c%d", i) || row[2] != text(want[i][0]) || row[3] != text(want[i][1]) {
			t.Errorf("row %d is %q, want %d", i, row, want[i])
		}
	}
	if len(rows) != len(want) {
		t.Errorf("%d rows", len(rows))
	}
	checkTags(s)
}

// startKilled starts a replay, kills the start when it has listed something, and reports whether it was still listing.
func (s *site) startKilled() bool {
	s.t.Helper()
	cmd := s.command("start", "--cutoff", smallCutoff)
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed, as asked for
	}()
	id, err := bufio.NewReader(out).ReadString('\n') // it comes before the listing
	if err != nil {
		s.t.Fatal(err)
	}
	s.until("a page to be listed", func() bool { return s.status().Objects.Listed > 0 })
	if err := cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	_ = cmd.Wait()
	st := s.status()
	if st.Replay != strings.TrimSpace(id) || st.State != "STARTING" && st.State != "RUNNING" {
		s.t.Fatalf("the killed start leaves %+v", st)
	}
	s.t.Logf("killed with %d objects listed", st.Objects.Listed)
	return st.State == "STARTING"
}

// TestDemo runs the demo, which kills one of its own workers, with a small archive.
func TestDemo(t *testing.T) {
	t.Parallel()
	s := &site{t: t, dir: t.TempDir()}
	r := s.run("demo", "--mb", "5", "--workers", "2")
	if r.code != done {
		t.Fatalf("demo: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	for _, statistic := range []string{"dns queries", "dns failures", "web traffic", "web pages", "app requests", "app slow"} {
		protocol, name, _ := strings.Cut(statistic, " ")
		if !regexp.MustCompile(`(?m)^ *` + protocol + ` +` + name + ` +[1-9][0-9]* +equal *$`).MatchString(r.out) {
			t.Errorf("%s is not equal", statistic)
		}
	}
	if !strings.Contains(r.out, "the accounts close") || !strings.Contains(r.err, "SIGKILL") || !strings.Contains(r.err, "--accept-failed") {
		t.Error("the story is not told to its end")
	}
	if t.Failed() {
		t.Logf("%s%s", r.out, r.err)
	}
}

// TestTwoProtocols: a protocol that is being replayed holds up its own replays alone, and the replays of two protocols
// run beside each other.
func TestTwoProtocols(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", "", smallProtocols+strings.Replace(smallProtocols, "shop:", "store:", 1))
	s.put("logs/shop/1.log", []byte(smallLog))
	s.put("logs/store/1.log", []byte(smallLog))
	first := s.start("--protocol", "shop", "--cutoff", smallCutoff)
	s.call(call{"start", exit(failed), nil, []string{"shop", first}})
	s.call(call{"start -p shop", exit(failed), nil, []string{"shop", first}})
	second := s.start("--protocol", "store", "--cutoff", smallCutoff)
	s.must("run", "--once")
	for _, id := range []string{first, second} {
		s.call(call{"status " + id, exit(done), []string{"FINISHED", "5 counted"}, nil})
		s.call(call{"certify " + id, exit(done), []string{"the accounts close"}, nil})
	}
	s.call(call{"stats store orders --csv", exit(done), []string{"2026-03-01T10:00:00Z,de,2,9007199254740994,"}, nil})
}
