package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newLiveSite is a site whose configuration has a live side.
func newLiveSite(t *testing.T, settings, worker, protocols string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	s.archive = filepath.Join(s.dir, "archive")
	s.writeConfig("reprise.yaml", fmt.Sprintf("local: {dir: state, archive: %q}\n%s", s.archive, settings), worker, protocols)
	if err := os.MkdirAll(s.archive, 0o750); err != nil {
		t.Fatal(err)
	}
	return s
}

// allDialects is the protocols of every format.
func allDialects() string {
	var protocols strings.Builder
	for _, d := range dialects() {
		protocols.WriteString(d.protocol())
	}
	return protocols.String()
}

// ingested is what ingest --json prints.
type ingested struct {
	Lines   int64 `json:"lines"`
	Put     int64 `json:"put"`
	Refused int64 `json:"refused"`
	Blank   int64 `json:"blank"`
}

// ingest gives lines to reprise ingest on its standard input, and returns what it says of them, and of each refused line.
func (s *site) ingest(protocol string, text []byte) (ingested, string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	cmd := s.command("ingest", protocol, "--json")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &out, &errs
	code := exitCode(s.t, cmd.Run())
	var got ingested
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		s.t.Fatalf("ingest %s: exit code %d, %v\n%s%s", protocol, code, err, &out, &errs)
	}
	if want := map[bool]int{false: done, true: check}[got.Refused > 0]; code != want {
		s.t.Errorf("ingest %s: exit code %d, want %d\n%s", protocol, code, want, &errs)
	}
	return got, errs.String()
}

// liveCounts are the test's own counts of what is put into the incoming table, one for each format.
type liveCounts struct {
	g   *generator
	all []*recount
}

func newLiveCounts(seed uint64) *liveCounts {
	l := &liveCounts{g: &generator{random: rand.New(rand.NewPCG(seed, 2)), hosts: 300, odd: true}}
	for _, d := range dialects() {
		c := newRecount(d)
		c.all = true
		l.all = append(l.all, c)
	}
	return l
}

// ingest puts n lines of each format into the incoming table, good and odd ones, and holds what the program says of them
// against what was made.
func (l *liveCounts) ingest(s *site, n int) {
	s.t.Helper()
	for _, c := range l.all {
		before := c.lines
		text := bytes.Join(c.object(l.g, n, "\n", true), nil)
		got, errs := s.ingest(c.d.name, text)
		want := ingested{
			Put: c.lines.Counted - before.Counted, Refused: c.lines.Rejected - before.Rejected, Blank: c.lines.Blank - before.Blank,
		}
		want.Lines = want.Put + want.Refused + want.Blank
		if got != want {
			s.t.Errorf("ingest %s: %+v, want %+v", c.d.name, got, want)
		}
		if told := int64(strings.Count(errs, "\nline ") + strings.Count(errs[:min(len(errs), 5)], "line ")); told != want.Refused {
			s.t.Errorf("ingest %s tells of %d refused lines, want %d\n%s", c.d.name, told, want.Refused, errs)
		}
	}
}

// compare holds what is counted live, or replayed, against the test's own count.
func (l *liveCounts) compare(s *site) {
	s.t.Helper()
	for _, c := range l.all {
		c.compare(s)
	}
}

// put is how many lines are in the incoming table, or were, of all formats.
func (l *liveCounts) put() (n int64) {
	for _, c := range l.all {
		n += c.lines.Counted
	}
	return n
}

// liveStatus is what the tests read of the live side in status --json.
type liveStatus struct {
	LagSeconds  *float64
	Unprocessed int64
	Unarchived  int64
	Older       int // batches
}

func (s *site) liveStatus() (l liveStatus) {
	s.t.Helper()
	st := read[struct {
		Live struct {
			LagSeconds *float64 `json:"lag_seconds"`
			Protocols  []struct {
				Unprocessed int64 `json:"unprocessed"`
				Unarchived  int64 `json:"unarchived"`
				Older       int   `json:"older_batches"`
			} `json:"protocols"`
		} `json:"live"`
	}](s, "status", "--json")
	l.LagSeconds = st.Live.LagSeconds
	for _, p := range st.Live.Protocols {
		l.Unprocessed += p.Unprocessed
		l.Unarchived += p.Unarchived
		l.Older += p.Older
	}
	return l
}
