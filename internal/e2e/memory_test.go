package e2e_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// The tests of memory use the default configuration's, of which this is what matters: memory: 64MiB.
const (
	memoryLimit  = 200 << 20 // of a process
	printLimit   = 260 << 20 // of one that prints manyRows, all of which it holds to sort them
	largeSize    = 1 << 30   // of an object, uncompressed
	manyRows     = 1_000_000 // of a statistic, in one object
	smallObjects = 100_000
)

// memorySite is a site for a process whose memory is measured.
func memorySite(t *testing.T, slots int, protocols string) *site {
	t.Helper()
	if testing.Short() {
		t.Skip("a gigabyte to read")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skipf("a process's memory is read in /proc: %v", err)
	}
	return newSite(t, "", fmt.Sprintf("slots: %d", slots), protocols)
}

// memory follows how much memory a process has ever had, for as long as it runs.
type memory struct {
	ended chan struct{}
	peak  int64 // bytes; to be read when it has ended
}

func watchMemory(p *process) *memory {
	m := &memory{ended: make(chan struct{})}
	file := fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)
	go func() {
		defer close(m.ended)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			peak := highWater(file)
			if peak == 0 {
				return
			}
			m.peak = peak
		}
	}()
	return m
}

// highWater reads the most memory that a process has had, in bytes; 0 when it has ended.
func highWater(file string) int64 {
	status, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kilobytes << 10
		}
	}
	return 0 // ended, and nobody has waited for it yet
}

// check holds the peak of a process that has ended against a limit.
func (m *memory) check(t *testing.T, what string, limit int64) {
	t.Helper()
	<-m.ended
	t.Logf("%s: at most %d MB", what, m.peak>>20)
	if m.peak == 0 || m.peak > limit {
		t.Errorf("%s took %d MB, want at most %d", what, m.peak>>20, limit>>20)
	}
}

// finishMeasured takes the replay to its end with one worker and one watcher, whose memory is limited, and returns the
// certificate.
func (s *site) finishMeasured(what string) certificate {
	s.t.Helper()
	began := time.Now()
	worker, watcher := s.daemon("work"), s.daemon("watch")
	workers, watchers := watchMemory(worker), watchMemory(watcher)
	s.until("the fold", func() bool { return s.status().State != "RUNNING" })
	s.t.Logf("%s: at most %d MB until the fold", what, highWater(fmt.Sprintf("/proc/%d/status", worker.cmd.Process.Pid))>>20)
	c := s.finished()
	s.t.Logf("%s: %v", what, time.Since(began).Round(time.Millisecond))
	worker.stop(terminate)
	watcher.stop(terminate)
	workers.check(s.t, "the worker of "+what, memoryLimit)
	watchers.check(s.t, "the watcher of "+what, memoryLimit)
	return c
}

// TestMemoryLargeObject reads an object of a gigabyte in one gzip member.
func TestMemoryLargeObject(t *testing.T) {
	t.Parallel()
	s := memorySite(t, 4, `
  big:
    format: tsv
    columns: [t, name, n, rest]
    timestamp: t
    layout: unix_ms
    stats:
      names: {by: [hour, name], measures: {lines: count, n_sum: sum(n), size: "sum(@bytes)"}}
`)
	// A block of lines over and over: quick to compress, and easy to count.
	random := rand.New(rand.NewPCG(13, 14))
	type sums struct{ lines, n, size int64 }
	want := map[string]*sums{}
	var block bytes.Buffer
	for block.Len() < 1<<20 {
		name, n := fmt.Sprintf("k%d", random.IntN(9)), random.Int64N(1000)
		line := fmt.Sprintf("%d\t%s\t%d\t%s", generatedCutoff.UnixMilli(), name, n, strings.Repeat("x", random.IntN(2000)))
		block.WriteString(line + "\n")
		if want[name] == nil {
			want[name] = &sums{}
		}
		want[name].lines++
		want[name].n += n
		want[name].size += int64(len(line))
	}
	times := int64(largeSize/block.Len() + 1)
	writeRepeated(s, "logs/big/1.log.gz", block.Bytes(), times)
	s.start()
	c := s.finishMeasured("a large object")

	lines := int64(0)
	rows := table{columns: []string{"hour", "name", "lines", "n_sum", "size"}}
	for i := range 9 {
		name := fmt.Sprintf("k%d", i)
		v := want[name]
		lines += v.lines * times
		rows.rows = append(rows.rows, []string{generatedCutoff.Truncate(time.Hour).Format(time.RFC3339), name, text(v.lines * times), text(v.n * times), text(v.size * times)})
	}
	if c.Lines.Counted != lines || c.Lines.Read != lines || c.Objects.Finished != 1 {
		t.Errorf("the accounts are %+v, want %d", c.Lines, lines)
	}
	equal(t, "names", parseCSV(t, s.must("stats", "big", "names", "--csv")), rows, nil)
}

// writeRepeated writes an object of one gzip member, a block over and over.
func writeRepeated(s *site, key string, block []byte, times int64) {
	s.t.Helper()
	file := filepath.Join(s.archive, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		s.t.Fatal(err)
	}
	f, err := os.Create(file)
	if err != nil {
		s.t.Fatal(err)
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	for range times {
		if err == nil {
			_, err = z.Write(block)
		}
	}
	if err == nil {
		err = z.Close()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// TestMemoryManyRows counts a statistic of a million rows in one object: it is sealed, folded and printed. There are
// more slots than parts of the fold: were they folded side by side, each with rows of its own, this would be above the limit.
func TestMemoryManyRows(t *testing.T) {
	t.Parallel()
	s := memorySite(t, 8, `
  wide:
    format: tsv
    columns: [t, name, n]
    timestamp: t
    layout: unix_ms
    stats:
      names: {by: [name], measures: {lines: count, n_sum: sum(n)}}
`)
	// Each name once, in no order, and every tenth once more at the end: in another segment.
	var content bytes.Buffer
	line := func(i int) {
		fmt.Fprintf(&content, "%d\tname-%07d\t%d\n", generatedCutoff.UnixMilli(), i, i)
	}
	for _, i := range rand.New(rand.NewPCG(15, 16)).Perm(manyRows) {
		line(i)
	}
	for i := 0; i < manyRows; i += 10 {
		line(i)
	}
	s.put("logs/wide/1.log", content.Bytes())
	s.start()
	c := s.finishMeasured("many rows")
	if c.Lines.Counted != manyRows+manyRows/10 || c.Objects.Finished != 1 {
		t.Errorf("the accounts are %+v", c.Lines)
	}

	var out bytes.Buffer
	printer := s.daemonTo(&out, "stats", "wide", "names", "--csv")
	printing := watchMemory(printer)
	if code := printer.wait(); code != done {
		t.Fatalf("stats: exit code %d\n%s", code, printer.err.String())
	}
	printing.check(t, "printing many rows", printLimit)
	rows := csv.NewReader(&out)
	if header, err := rows.Read(); err != nil || strings.Join(header, ",") != "name,lines,n_sum" {
		t.Errorf("the header is %q, %v", header, err)
	}
	for i := range manyRows {
		lines := 1
		if i%10 == 0 {
			lines = 2
		}
		row, err := rows.Read()
		if want := fmt.Sprintf("name-%07d,%d,%d", i, lines, i*lines); err != nil || strings.Join(row, ",") != want {
			t.Fatalf("row %d is %q, %v; want %s", i, row, err, want)
		}
	}
	if row, err := rows.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("there is one row more: %q, %v", row, err)
	}
}

// TestMemoryListing lists a hundred thousand small objects and enqueues them.
func TestMemoryListing(t *testing.T) {
	t.Parallel()
	s := memorySite(t, 4, smallProtocols)
	// Few files under many names each: quick to make, and within what file systems allow of links to one file.
	const files = 50
	name := func(i int) string {
		return filepath.Join(s.archive, "logs", "shop", fmt.Sprintf("%02d", i%files), fmt.Sprintf("%06d.log", i))
	}
	for i := range smallObjects {
		if i < files {
			s.write(name(i), []byte(`{"ts":"2026-03-01T10:00:00Z","country":"de","amount":2}`+"\n"))
		} else if err := os.Link(name(i%files), name(i)); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	var out bytes.Buffer
	starter := s.daemonTo(&out, "start", "--cutoff", smallCutoff)
	starting := watchMemory(starter)
	if code := starter.wait(); code != done {
		t.Fatalf("start: exit code %d\n%s", code, starter.err.String())
	}
	t.Logf("start of %d objects: %v", smallObjects, time.Since(began).Round(time.Millisecond))
	starting.check(t, "start", memoryLimit)
	if st := s.status(); st.State != "RUNNING" || !st.Objects.ListedAll || st.Objects.Listed != smallObjects || st.Objects.Pending != smallObjects ||
		st.Queue.Visible != smallObjects {
		t.Errorf("%+v", st)
	}
}
