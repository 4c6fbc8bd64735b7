package sqliteentries_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/sqliteentries"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/ledger/sqliteledger"
)

const (
	lines      = 400
	slots      = 2
	processes  = 4
	firstEpoch = 7
	raises     = 3

	// workerFile in the environment turns the test binary into a worker on that file.
	workerFile, workerName = "SQLITEENTRIES_TEST_FILE", "SQLITEENTRIES_TEST_WORKER"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(workerFile); path != "" {
		if err := work(path, os.Getenv(workerName)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func lineID(i int) string { return fmt.Sprintf("line %04d", i) }

// value and keyOf say what line i adds, and to which row.
func value(i int) int64  { return int64(1 + i*i%101) }
func keyOf(i int) string { return fmt.Sprint("key ", i%3) }

// TestProcesses lets four processes count and archive 400 lines in one file, kills one of them in the middle, and raises
// the epoch three times meanwhile. In the end each line is in one batch, and is counted in exactly the generations whose
// epoch is not above its batch's, in its mark and in the rows alike.
func TestProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, e := open(t, path)
	raise(t, l, firstEpoch)
	list := make([]entries.Entry, lines)
	for i := range list {
		list[i] = entries.Entry{ID: lineID(i), Protocol: "dns", TS: time.Unix(int64(1+i), 0), Line: []byte(strconv.FormatInt(value(i), 10))}
	}
	if _, err := e.Put(t.Context(), list); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	joined, done := make(chan struct{}, lines), make(chan error, processes)
	ready := make(chan struct{}, processes)
	var gates []io.Closer // open until all are ready: none is done before the last one begins
	for n := range processes {
		gates = append(gates, start(ctx, t, path, n, ready, joined, done))
	}
	for range processes {
		select {
		case <-ready:
		case <-ctx.Done():
			t.Fatal("the processes do not start")
		}
	}
	for _, gate := range gates {
		_ = gate.Close()
	}
	for n := range raises {
		for range 4 {
			select {
			case <-joined:
			case <-ctx.Done():
				t.Fatal("no line joins")
			}
		}
		raise(t, l, int64(firstEpoch+1+n))
	}
	for range processes {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	check(t, e)
}

// start runs a worker, the first of which is killed when it has said something six times.
func start(ctx context.Context, t *testing.T, path string, n int, ready, joined chan<- struct{}, done chan<- error) io.Closer {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), workerFile+"="+path, workerName+"="+fmt.Sprint(n))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		said := 0
		for text := bufio.NewScanner(out); text.Scan(); {
			switch text.Text() {
			case "ready":
				ready <- struct{}{}
			case "joined":
				joined <- struct{}{}
			}
			if said++; n == 0 && said == 6 {
				_ = cmd.Process.Kill() // SIGKILL
			}
		}
		err := cmd.Wait()
		if exit := (*exec.ExitError)(nil); n == 0 && errors.As(err, &exit) && !exit.Exited() {
			err = nil // killed, as it should be; or it was so slow that the others left it nothing to do
		}
		done <- err
	}()
	return in
}

// raise opens a generation.
func raise(t *testing.T, l ledger.Ledger, epoch int64) {
	t.Helper()
	p, err := l.Protocol(t.Context(), "dns")
	if err != nil {
		t.Fatal(err)
	}
	p.Epoch, p.Gens = epoch, append(p.Gens, epoch)
	if err := l.Write(t.Context(), ledger.Writes{Protocols: []ledger.Protocol{p}}); err != nil {
		t.Fatal(err)
	}
}

// check recounts what was put.
func check(t *testing.T, e *sqliteentries.Entries) {
	t.Helper()
	ctx := t.Context()
	batches, err := e.Unwritten(ctx, "dns")
	if err != nil {
		t.Fatal(err)
	}
	epochs, memberOf := map[string]int64{}, map[string]string{}
	for _, b := range batches {
		epochs[b.ID] = b.Epoch
		for m, err := range e.Members(ctx, b) {
			if err != nil {
				t.Fatal(err)
			}
			if memberOf[m.ID] != "" {
				t.Errorf("%s is in %s and in %s", m.ID, memberOf[m.ID], b.ID)
			}
			memberOf[m.ID] = b.ID
		}
	}
	want, perEpoch := map[int64]map[string]int64{}, map[int64]int{}
	for g := int64(firstEpoch); g <= firstEpoch+raises; g++ {
		want[g] = map[string]int64{}
	}
	for i := range lines {
		list, err := e.Read(ctx, []string{lineID(i)})
		if err != nil || len(list) != 1 {
			t.Fatalf("line %d: %v, %v", i, list, err)
		}
		n := list[0]
		if n.Batch == "" || n.Batch != memberOf[n.ID] {
			t.Errorf("%s names batch %q and is in %q", n.ID, n.Batch, memberOf[n.ID])
		}
		var gens []int64
		for g := int64(firstEpoch); g <= epochs[n.Batch]; g++ {
			gens = append(gens, g)
			want[g][keyOf(i)] += value(i)
		}
		perEpoch[epochs[n.Batch]]++
		if !slices.Equal(n.Gens, gens) {
			t.Errorf("%s, in batch %s of epoch %d, is counted in %v", n.ID, n.Batch, epochs[n.Batch], n.Gens)
		}
	}
	got := map[int64]map[string]int64{}
	for g := range want {
		got[g] = map[string]int64{}
		for r, err := range e.LiveParts(ctx, "dns", g, "sums") {
			if err != nil {
				t.Fatal(err)
			}
			got[g][r.Key] += number(r.State)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("sums by generation (-want +got):\n%s", d)
	}
	t.Logf("lines by the epoch of their batch: %v", perEpoch)
}

func number(b []byte) int64 {
	n, _ := strconv.ParseInt(string(b), 10, 64) // none: 0
	return n
}

// work counts and archives until every line is in a batch, and says what it has done.
func work(path, name string) error {
	ctx := context.Background()
	l, err := sqliteledger.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	e, err := sqliteentries.Open(ctx, l)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil { // until the test lets all of them begin
		return err
	}
	for n := 0; ; n++ {
		p, err := l.Protocol(ctx, "dns")
		if err != nil {
			return err
		}
		w := worker{e: e, gens: p.Gens, batch: entries.Batch{ID: fmt.Sprintf("%s-%02d", name, n), Protocol: "dns", Epoch: p.Epoch}}
		err = e.OpenBatch(ctx, w.batch)
		if err == nil {
			err = w.run(ctx)
		}
		if !errors.Is(err, entries.ErrEpoch) {
			return err
		}
	}
}

// worker works under one epoch.
type worker struct {
	e     *sqliteentries.Entries
	gens  []int64
	batch entries.Batch
}

func (w *worker) run(ctx context.Context) error {
	for left := true; left; {
		left = false
		for _, n := range rand.Perm(lines / 8) {
			var ids []string
			for i := n * 8; i < n*8+8; i++ {
				ids = append(ids, lineID(i))
			}
			open, err := w.page(ctx, ids)
			if err != nil {
				return err
			}
			left = left || open
		}
	}
	return nil
}

// page counts a page of lines where that is needed and lets them join. It reports whether some are in no batch.
func (w *worker) page(ctx context.Context, ids []string) (open bool, err error) {
	for _, g := range w.gens {
		if err := w.count(ctx, g, ids); err != nil && !lost(err) {
			return true, err
		}
	}
	list, err := w.e.Read(ctx, ids)
	if err != nil {
		return true, err
	}
	j := entries.Join{Batch: w.batch, Gens: w.gens, Bytes: 1}
	for _, n := range list {
		lacks := slices.ContainsFunc(w.gens, func(g int64) bool { return !slices.Contains(n.Gens, g) })
		if n.Batch == "" {
			open = true
			if !lacks {
				j.Members = append(j.Members, entries.Member{ID: n.ID, TS: n.TS})
			}
		}
	}
	if len(j.Members) == 0 {
		return open, nil
	}
	joined, err := w.e.Join(ctx, j)
	if lost(err) {
		return true, nil
	}
	if err == nil {
		w.batch = joined
		fmt.Println("joined")
	}
	return true, err
}

// count counts in one generation what is in no batch and lacks it.
func (w *worker) count(ctx context.Context, gen int64, ids []string) error {
	list, err := w.e.Read(ctx, ids)
	if err != nil {
		return err
	}
	c := entries.Count{Part: ledger.Part{Protocol: "dns", Generation: gen, Name: entries.LivePart(rand.N(slots))}}
	add := map[string]int64{}
	var keys []entries.RowKey
	for _, n := range list {
		if n.Batch != "" || slices.Contains(n.Gens, gen) {
			continue
		}
		i, err := strconv.Atoi(strings.TrimPrefix(n.ID, "line "))
		if err != nil {
			return err
		}
		c.Entries = append(c.Entries, entries.Counted{ID: n.ID})
		if _, ok := add[keyOf(i)]; !ok {
			keys = append(keys, entries.RowKey{Statistic: "sums", Day: "-", Key: keyOf(i)})
		}
		add[keyOf(i)] += number(n.Line)
	}
	if len(c.Entries) == 0 {
		return nil
	}
	if c.Rows, err = w.e.LiveRows(ctx, c.Part, keys); err != nil {
		return err
	}
	for i := range c.Rows {
		r := &c.Rows[i]
		r.State = []byte(strconv.FormatInt(number(r.State)+add[r.Key], 10))
	}
	err = w.e.Count(ctx, c)
	if err == nil {
		fmt.Println("counted")
	}
	return err
}

// lost says that somebody else was faster.
func lost(err error) bool {
	return errors.Is(err, entries.ErrStale) || errors.Is(err, entries.ErrConflict)
}
