package demo_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/seed-56345083/reprise/internal/demo"
)

const testBytes = 4 << 20

// archive makes a small archive once for all tests that only read it.
var archive = sync.OnceValues(func() (demo.Manifest, string) {
	dir, err := os.MkdirTemp("", "demo")
	if err != nil {
		panic(err)
	}
	m, err := demo.Generate(context.Background(), demo.Options{Dir: dir, Seed: 7, Bytes: testBytes})
	if err != nil {
		panic(err)
	}
	return m, dir
})

func TestMain(m *testing.M) {
	code := m.Run()
	_, dir := archive()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// objects reads every object below dir: its bytes as stored, and its lines.
func objects(t *testing.T, dir string, each func(key string, stored, text []byte, err error)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		stored, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		key, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text, err := decompress(path, stored)
		each(filepath.ToSlash(key), stored, text, err)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// decompress uses the standard library where it can: another reader than the product's.
func decompress(path string, b []byte) ([]byte, error) {
	switch filepath.Ext(path) {
	case ".gz":
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case ".zst":
		r, err := zstd.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	return b, nil
}

func TestArchiveIsWhatTheManifestSays(t *testing.T) {
	t.Parallel()
	m, dir := archive()
	var count, members int
	var stored, size, lines int64
	var corrupt []string
	suffixes := map[string]int{}
	objects(t, dir, func(key string, raw, text []byte, err error) {
		count++
		stored += int64(len(raw))
		suffixes[filepath.Ext(key)]++
		members += max(0, bytes.Count(raw, []byte{0x1f, 0x8b, 0x08})-1)
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %v", key, err)
			}
			corrupt = append(corrupt, key)
			return
		}
		size += int64(len(text))
		lines += int64(bytes.Count(text, []byte("\n")))
		if !bytes.HasSuffix(text, []byte("\n")) {
			lines++
		}
	})
	if count != m.Objects || stored != m.Stored || size != m.Bytes || lines != m.Lines {
		t.Errorf("found %d objects, %d and %d bytes, %d lines; the manifest says %d, %d, %d, %d",
			count, stored, size, lines, m.Objects, m.Stored, m.Bytes, m.Lines)
	}
	if len(m.Corrupt) != 1 || len(corrupt) != 1 || corrupt[0] != m.Corrupt[0].Key || m.Corrupt[0].Reason == "" {
		t.Errorf("corrupt are %q, the manifest says %v", corrupt, m.Corrupt)
	}
	if suffixes[".zst"] < 2 || suffixes[".log"] < 2 || suffixes[".gz"] < 100 || members < 50 {
		t.Errorf("suffixes %v, %d members more", suffixes, members)
	}
}

func TestAccountsClose(t *testing.T) {
	t.Parallel()
	m, _ := archive()
	var sum demo.Accounts
	for name, a := range m.Protocols {
		if a.Lines != a.Counted+a.AfterCutoff+a.Rejected+a.Blank {
			t.Errorf("%s does not close: %+v", name, a)
		}
		if a.Counted == 0 || a.AfterCutoff == 0 || a.Rejected < 2 || a.Blank == 0 {
			t.Errorf("%s lacks a kind of line: %+v", name, a)
		}
		sum.Lines += a.Lines
		sum.Counted += a.Counted
		sum.AfterCutoff += a.AfterCutoff
	}
	if sum.Lines != m.Lines || sum.Counted != m.Counted || sum.AfterCutoff != m.AfterCutoff {
		t.Errorf("protocols add up to %+v, the manifest says %+v", sum, m.Accounts)
	}
	if part := float64(m.AfterCutoff) / float64(m.Lines); part < 0.01 || part > 0.1 {
		t.Errorf("%.1f %% of the lines are after the cutoff", 100*part)
	}
	if m.Bytes < testBytes*9/10 || m.Bytes > testBytes*15/10 {
		t.Errorf("made %d bytes of %d", m.Bytes, testBytes)
	}
}

// The lines are counted again here from the objects, by searching for words in them: coarse, but it knows nothing of
// how they were made.
func TestExpectedAddsUp(t *testing.T) {
	t.Parallel()
	m, _ := archive()
	for _, e := range m.Expected {
		if len(e.Rows) < 10 {
			t.Errorf("%s %s has %d rows", e.Protocol, e.Statistic, len(e.Rows))
		}
		var lines int64
		for _, row := range e.Rows {
			var n int64
			if _, err := fmt.Sscan(row[e.Dims()], &n); err != nil || n < 1 {
				t.Fatalf("%s %s has a row without lines: %q", e.Protocol, e.Statistic, row)
			}
			lines += n
		}
		counted := m.Protocols[e.Protocol].Counted
		whole := e.Statistic == "queries" || e.Statistic == "traffic" || e.Statistic == "requests"
		if whole && lines != counted || !whole && (lines == 0 || lines >= counted) {
			t.Errorf("%s %s adds up to %d lines of %d", e.Protocol, e.Statistic, lines, counted)
		}
	}
}

func hashOf(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	objects(t, dir, func(key string, stored, _ []byte, _ error) {
		fmt.Fprintf(h, "%s %d\n", key, len(stored))
		h.Write(stored)
	})
	return fmt.Sprintf("%x", h.Sum(nil))
}

// Not parallel: it changes GOMAXPROCS.
func TestGenerateIsDeterministic(t *testing.T) { //nolint:paralleltest // see above
	first, dir := archive()
	for _, procs := range []int{1, 3} {
		before := runtime.GOMAXPROCS(procs)
		again := t.TempDir()
		second, err := demo.Generate(t.Context(), demo.Options{Dir: again, Seed: 7, Bytes: testBytes})
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(first, second); d != "" {
			t.Errorf("GOMAXPROCS %d: another manifest:\n%s", procs, d[:min(len(d), 2000)])
		}
		if hashOf(t, dir) != hashOf(t, again) {
			t.Errorf("GOMAXPROCS %d: other bytes", procs)
		}
	}
	other := t.TempDir()
	if _, err := demo.Generate(t.Context(), demo.Options{Dir: other, Seed: 8, Bytes: testBytes}); err != nil {
		t.Fatal(err)
	}
	if hashOf(t, dir) == hashOf(t, other) {
		t.Error("two seeds give the same bytes")
	}
}

func TestGenerateReportsProgress(t *testing.T) {
	t.Parallel()
	var last, calls int64
	_, err := demo.Generate(t.Context(), demo.Options{Dir: t.TempDir(), Bytes: demo.MinBytes, Progress: func(done, total int64) {
		calls++
		if done > total || total < demo.MinBytes {
			t.Errorf("progress %d of %d", done, total)
		}
		last = max(last, done)
	}})
	if err != nil || calls == 0 || last == 0 {
		t.Errorf("%d calls, up to %d: %v", calls, last, err)
	}
}

func TestGenerateRefusesAndStops(t *testing.T) {
	t.Parallel()
	if _, err := demo.Generate(t.Context(), demo.Options{Dir: t.TempDir(), Bytes: 1000}); err == nil || !strings.Contains(err.Error(), "too few") {
		t.Errorf("1000 bytes: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := demo.Generate(ctx, demo.Options{Dir: dir, Bytes: testBytes}); !errors.Is(err, ctx.Err()) {
		t.Errorf("cancelled: %v", err)
	}
	objects(t, dir, func(key string, _, _ []byte, _ error) { t.Errorf("%s is left over", key) })
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := demo.Generate(t.Context(), demo.Options{Dir: file, Bytes: demo.MinBytes}); err == nil {
		t.Error("a file was taken for a folder")
	}
}

func BenchmarkGenerate(b *testing.B) {
	const bytes = 32 << 20
	b.SetBytes(bytes)
	for b.Loop() {
		if _, err := demo.Generate(b.Context(), demo.Options{Dir: b.TempDir(), Bytes: bytes}); err != nil {
			b.Fatal(err)
		}
	}
}

// Where an object ends depends on the seed: many seeds meet the rare ends.
func TestManySeedsCountTheirLines(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		dir := t.TempDir()
		m, err := demo.Generate(t.Context(), demo.Options{Dir: dir, Seed: seed, Bytes: demo.MinBytes})
		if err != nil {
			t.Fatal(err)
		}
		var lines int64
		objects(t, dir, func(_ string, _, text []byte, err error) {
			for range bytes.Lines(text) {
				if err == nil {
					lines++
				}
			}
		})
		if lines != m.Lines {
			t.Errorf("seed %d: %d lines, the manifest says %d", seed, lines, m.Lines)
		}
	}
}
