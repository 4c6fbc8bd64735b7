package e2e_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// corpusCutoff is the cutoff of the reference results NAME.cutoff.csv; a line at the cutoff counts.
const corpusCutoff = "2018-03-24T17:25:00Z"

// corpusProtocols say what the reference computed (expected/queries.sql).
const corpusProtocols = `
  dns:
    format: json
    timestamp: ts
    stats:
      queries:
        by: [minute, qtype_name, rcode_name]
        measures: {queries: count, answered: count(rtt), rtt_sum: sum(rtt), rtt_min: min(rtt), rtt_max: max(rtt)}
      failures:
        where: rcode != 0
        by: [query]
        measures: {queries: count, clients_exact: distinct(id.orig_h)}
  ssl:
    format: json
    timestamp: ts
    stats:
      handshakes:
        by: [minute, version, id.resp_p]
        measures: {handshakes: count, established: sum(established), first: min(ts), last: max(ts)}
  weird:
    format: json
    timestamp: ts
    stats:
      names:
        by: [hour, name]
        measures: {events: count}
`

// corpusParts is into how many objects a protocol's lines are cut, of growing size.
const corpusParts = 5

// TestCorpus replays real logs of three protocols as one archive, and compares every row with what another program
// computed: with and without a cutoff, with one worker process and with four, however the objects are compressed.
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := cmp.Or(os.Getenv("REPRISE_CORPUS"), "../../../shared/corpus")
	if _, err := os.Stat(dir); err != nil {
		// Not a matter of REPRISE_REQUIRE: the logs are no part of the project.
		t.Skipf("the reference logs are not at hand (REPRISE_CORPUS names their folder): %v", err)
	}
	protocols := map[string][][]byte{}
	for _, name := range []string{"dns", "ssl", "weird"} {
		protocols[name] = readLines(t, filepath.Join(dir, "zeek", name+".json.gz"))
	}
	for _, c := range codings() {
		archive := storeCorpus(t, c, protocols)
		for _, workers := range []int{1, 4} {
			for _, cutoff := range []string{"", corpusCutoff} {
				name := fmt.Sprintf("%s/%d workers", c.name, workers)
				if cutoff != "" {
					name += "/cutoff"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					replayCorpus(t, dir, archive, workers, cutoff)
				})
			}
		}
	}
}

func replayCorpus(t *testing.T, dir, archive string, workers int, cutoff string) {
	s := newSite(t, archive, "slots: 2, visibility_timeout: 20s, reserve: 5s", corpusProtocols)
	var args []string
	suffix := ".csv"
	if cutoff != "" {
		args, suffix = []string{"--cutoff", cutoff}, ".cutoff.csv"
	}
	s.start(args...)
	daemons := []*process{s.daemon("watch")}
	for range workers {
		daemons = append(daemons, s.daemon("work"))
	}
	c := s.finished()
	for _, d := range daemons {
		d.stop(terminate)
	}
	if a := c.Lines; c.Objects.Finished != 3*corpusParts || a.Rejected+a.Blank != 0 || a.AfterCutoff > 0 != (cutoff != "") {
		t.Errorf("%d objects are finished, the accounts are %+v", c.Objects.Finished, a)
	}
	for _, name := range []string{"dns queries", "dns failures", "ssl handshakes", "weird names"} {
		protocol, statistic, _ := strings.Cut(name, " ")
		want, err := os.ReadFile(filepath.Join(dir, "expected", protocol+"."+statistic+suffix))
		if err != nil {
			t.Fatal(err)
		}
		got := parseCSV(t, s.must("stats", protocol, statistic, "--csv"))
		equal(t, name, got, parseCSV(t, string(want)), map[string]float64{
			"rtt_sum": floatTolerance, "clients_exact": distinctTolerance,
		})
	}
}

// storeCorpus writes an archive of several objects for each protocol. Replays share it: only their tags are their own.
func storeCorpus(t *testing.T, c coding, protocols map[string][][]byte) string {
	t.Helper()
	archive := t.TempDir()
	s := &site{t: t, archive: archive}
	for name, lines := range protocols {
		begin := 0
		for part := range corpusParts {
			end := len(lines) * (part + 1) * (part + 1) / (corpusParts * corpusParts)
			s.put(fmt.Sprintf("logs/%s/2018/03/24/%d%s", name, part, c.suffix), c.encode(t, lines[begin:end]))
			begin = end
		}
	}
	return archive
}

// readLines reads a compressed file into its lines, each with its newline.
func readLines(t *testing.T, file string) [][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}
