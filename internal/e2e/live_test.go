package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// writtenHere is the name of an object of the archiver.
var writtenHere = regexp.MustCompile(`/e[0-9]+-[0-9A-Z]{26}\.ndjson\.gz$`)

// TestLive: lines of every format come in, are counted live, go to the archive, and are replayed from there, by processes
// of their own that come one after the other. At each step the rows are those of the test's own count.
func TestLive(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t, "live: {slots: 4}", "slots: 4, visibility_timeout: 5s, chunk_time: 1s, reserve: 100ms", allDialects())
	counts := newLiveCounts(11)
	counts.ingest(s, 700)
	s.call(call{"config check", exit(done), []string{"archived by reprise"}, nil})
	s.must("live", "--once")
	counts.compare(s)

	s.must("archive", "--once", "--force")
	s.archived(len(counts.all))
	counts.compare(s)

	if list := s.must("list"); strings.Contains(list, "0001") {
		t.Errorf("the list has a cutoff where there is none:\n%s", list)
	}
	id := s.start()
	counts.ingest(s, 300) // counted live, in both generations
	s.must("live", "--once")
	s.call(call{"start", exit(failed), nil, []string{"is being replayed", id}})
	s.archived(len(counts.all)) // nothing for a start that is refused
	s.call(call{"status", exit(done), []string{"every line counts, whatever its time"}, nil})
	counts.compare(s)
	s.must("run", "--once")
	if st := s.status(); st.Replay != id || st.State != "FINISHED" {
		t.Fatalf("the replay is %+v", st)
	}
	s.certified()
	counts.compare(s)
	s.must("archive", "--once", "--force")
	s.archived(2 * len(counts.all))
	counts.compare(s)

	// The second replay finds all of it in the archive.
	s.start()
	s.must("run", "--once")
	if c := s.certified(); c.Lines.Counted != counts.put() || c.Lines.Rejected+c.Lines.AfterCutoff != 0 {
		t.Errorf("the second replay has the accounts %+v, want %d lines counted", c.Lines, counts.put())
	}
	counts.compare(s)
}

// archived checks how many objects the archiver has written, and that their keys tell whose they are.
func (s *site) archived(want int) {
	s.t.Helper()
	var keys []string
	root := filepath.Join(s.archive, "logs")
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			keys = append(keys, path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(keys) != want || slices.ContainsFunc(keys, func(key string) bool { return !writtenHere.MatchString(key) }) {
		s.t.Errorf("the archive has %d objects, want %d: %q", len(keys), want, keys)
	}
}

// TestOldWay is the runbook for who stops everything: stop the stream, archive, clear, replay, start the stream. What
// producers put meanwhile waits in the incoming table.
func TestOldWay(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t, "live: {}\narchiver: {max_age: 1s}", "slots: 2", allDialects())
	counts := newLiveCounts(12)
	counts.ingest(s, 200)
	live := s.daemon("live")
	archiver := s.daemon("archive")
	s.until("everything to be counted", func() bool { return s.liveStatus().Unprocessed == 0 })

	live.stop(terminate)
	archiver.stop(terminate)
	s.must("archive", "--once", "--force")
	counts.ingest(s, 50) // waits
	s.start("--cutover", "immediate")
	s.must("run", "--once")
	live = s.daemon("live")
	counts.ingest(s, 20) // those above were counted by run; without these the consumer may not have begun when it is stopped
	s.until("everything to be counted", func() bool { return s.liveStatus().Unprocessed == 0 })
	live.stop(terminate)
	counts.compare(s)
	s.certified()
}

// TestNoLiveSide: what needs a live side says what to write, and begins nothing.
func TestNoLiveSide(t *testing.T) {
	t.Parallel()
	s := smallSite(t)
	for _, command := range []string{"live", "live --once", "archive", "archive --once --force", "ingest shop"} {
		s.refused(command, usage, "live: none", "live: {}", "REPRISE_LIVE={}")
	}
	s.goesOn("reprise.yaml")
}

// TestIngest: what is no line of the protocol is told with its number, and the rest goes in.
func TestIngest(t *testing.T) {
	t.Parallel()
	s := newLiveSite(t, "live: {}", "", smallProtocols)
	lines := strings.Split(strings.TrimSuffix(smallLog, "\n"), "\n")
	text := "\ufeff" + strings.Join(append(lines, strings.Repeat("x", 500<<10), `{"ts":"yesterday"}`, `{"ts":"2026-03-01T10:00:00Z","country":"it"}`), "\n")
	got, errs := s.ingest("shop", []byte(text))
	if want := (ingested{Lines: 11, Put: 7, Refused: 3, Blank: 1}); got != want {
		t.Errorf("ingest: %+v, want %+v", got, want)
	}
	for _, want := range []string{"line 7: ", "line 9: it is longer than 393216 bytes", "line 10: ", "3 of 11 lines are no lines of protocol shop"} {
		if !strings.Contains(errs, want) {
			t.Errorf("ingest says\n%s\nwithout %q", errs, want)
		}
	}
	s.call(call{"status", exit(done), []string{"none yet", "no consumer has read the stream yet", "7 entries to be counted, 7 to be archived"}, nil})
	s.must("live", "--once")
	s.call(call{"status", exit(done), []string{"nothing waits in the stream; last read 20", "0 entries to be counted, 7 to be archived"}, nil})
	rows := parseCSV(t, s.must("stats", "shop", "orders", "--csv")).rows
	if len(rows) != 6 || rows[3][1] != "it" || rows[3][2] != "1" {
		t.Errorf("the rows are %q", rows)
	}
	file := filepath.Join(s.dir, "more.log")
	s.write(file, []byte(`{"ts":"2026-03-01T10:00:00Z","country":"it"}`+"\r\n"))
	s.call(call{"ingest shop more.log", exit(done), nil, []string{"1 lines: 1 are in the incoming table, 0 refused, 0 blank"}})
	s.must("live", "--once")
	if rows := parseCSV(t, s.must("stats", "shop", "orders", "--csv")).rows; len(rows) != 6 || rows[3][2] != "2" {
		t.Errorf("the rows are %q", rows)
	}
	s.refused("ingest shops", usage, `protocol "shops" is not configured; configured: shop`)
	s.refused("ingest shop nowhere.log", usage, "nowhere.log")
	s.refused("archive --force", usage, "--once")
}
