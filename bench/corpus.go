package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/seed-56345083/reprise/internal/demo"
)

// corpus is a set of files of JSON lines, <protocol>-<number>.json in the folder plain, and the same with .gz in gzip.
type corpus struct {
	Made      string // of what, and with which settings
	Protocols []string
	Cutoff    string // in the middle of the time of the lines, in their own notation
	Objects   int
	Lines     int64
	Bytes     int64 // uncompressed
	Stored    int64 // as gzip
	dir       string
}

const (
	timeLayout = "2006-01-02T15:04:05.000000Z"
	hourLayout = "2006-01-02T15"
	// objectBytes is how large an object of the corpus is, uncompressed.
	objectBytes = 45_000_000
)

// stamp is the file that says that a corpus is complete.
const stamp = "corpus.json"

// maker is the script that makes a corpus of the real logs, beside their folder.
func (s settings) maker() string { return filepath.Join(s.source, "..", "bench", "make_corpus.py") }

// made says what a corpus of these settings is made of.
func (s settings) made() string {
	_, err := os.Stat(s.maker())
	_, err2 := os.Stat(filepath.Join(s.source, "zeek"))
	if errors.Join(err, err2) == nil {
		return fmt.Sprintf("real logs of Zeek, repeated %d times", s.repeats)
	}
	return fmt.Sprintf("dns of the demo's generator, repeated %d times", s.repeats)
}

// loadCorpus gives the corpus of an earlier run where it is the wanted one, else makes one. That is done by a process of its
// own: a process that is started counts as its own what its parent had of memory.
func loadCorpus(ctx context.Context, s settings) (corpus, error) {
	c, err := readCorpus(s)
	if err == nil && c.Made == s.made() {
		return c, nil
	}
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	cmd := command(ctx, self, "corpus")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return c, fmt.Errorf("making the corpus: %w", err)
	}
	return readCorpus(s)
}

func readCorpus(s settings) (corpus, error) {
	c := corpus{dir: filepath.Join(s.dir, "corpus")}
	text, err := os.ReadFile(filepath.Join(c.dir, stamp))
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(text, &c)
}

func makeCorpus(ctx context.Context, s settings) error {
	c := corpus{Made: s.made(), dir: filepath.Join(s.dir, "corpus")}
	began := time.Now()
	fmt.Fprintf(os.Stderr, "making the corpus: %s\n", c.Made)
	if err := os.RemoveAll(c.dir); err != nil {
		return err
	}
	for _, form := range forms {
		if err := os.MkdirAll(filepath.Join(c.dir, form), 0o755); err != nil {
			return err
		}
	}
	fill := c.fromDemo
	if strings.HasPrefix(c.Made, "real") {
		fill = c.fromLogs
	}
	if err := fill(ctx, s); err != nil {
		return err
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, stamp), text, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "made %v in %v; %d MB of disk in %s\n", c, time.Since(began).Round(time.Second), (c.Bytes+c.Stored)/1e6, c.dir)
	return nil
}

func (c corpus) String() string {
	return fmt.Sprintf("%d objects, %d lines, %d bytes, %d as gzip", c.Objects, c.Lines, c.Bytes, c.Stored)
}

// fromLogs has the script beside the real logs make the corpus.
func (c *corpus) fromLogs(ctx context.Context, s settings) error {
	c.Protocols = []string{"dns", "ssl", "weird", "analyzer", "rdp", "syslog"}
	first := time.Date(2018, 3, 24, 17, 25, 0, 0, time.UTC)
	c.Cutoff = first.Add(time.Duration(s.repeats/2) * time.Hour).Format(timeLayout)
	cmd := command(ctx, "python3", s.maker(), filepath.Join(s.source, "zeek"), filepath.Join(c.dir, "gzip"),
		"--raw", filepath.Join(c.dir, "plain"), "--repeats", strconv.Itoa(s.repeats), "--protocols", strings.Join(c.Protocols, ","))
	manifest, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("running %s: %w", s.maker(), err)
	}
	for row := range strings.Lines(string(manifest)) {
		var name string
		var lines, size, stored int64
		if _, err := fmt.Sscan(row, &name, &lines, &size, &stored); err != nil {
			return fmt.Errorf("reading the manifest of %s: %q: %w", s.maker(), row, err)
		}
		c.add(lines, size, stored)
	}
	return nil
}

func (c *corpus) add(lines, size, stored int64) {
	c.Objects++
	c.Lines += lines
	c.Bytes += size
	c.Stored += stored
}

// fromDemo makes the corpus of the demo's DNS lines, repeated as the script does it: repeat k is k hours later.
func (c *corpus) fromDemo(ctx context.Context, s settings) error {
	c.Protocols = []string{"dns"}
	source := filepath.Join(c.dir, "demo")
	if _, err := demo.Generate(ctx, demo.Options{Dir: source, Seed: 1, Bytes: s.demo}); err != nil {
		return fmt.Errorf("making lines: %w", err)
	}
	lines, err := demoLines(source)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(source); err != nil {
		return err
	}
	middle, err := time.Parse(timeLayout, string(lineTime(lines[len(lines)/2])))
	if err != nil {
		return err
	}
	c.Cutoff = middle.Add(time.Duration(s.repeats/2) * time.Hour).Format(timeLayout)
	w := objectWriter{corpus: c}
	for k := range s.repeats {
		for _, l := range lines {
			if err := w.add(l, time.Duration(k)*time.Hour); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return w.close()
}

// stamped is how a line of the demo begins that is whole and has a time.
const stamped = `{"ts":"`

// demoLines reads the DNS lines, in the order of their time, but for those that the demo makes wrong on purpose: DuckDB refuses
// files that have any.
func demoLines(dir string) ([][]byte, error) {
	var lines [][]byte
	err := filepath.WalkDir(filepath.Join(dir, "logs", "dns"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".gz" {
			return err
		}
		text, err := gunzip(path)
		if errors.Is(err, io.ErrUnexpectedEOF) { // the demo has a corrupt object
			return nil
		}
		for l := range bytes.Lines(text) {
			l = bytes.TrimSpace(l)
			if bytes.HasPrefix(l, []byte(stamped)) && len(l) < 1<<16 && json.Valid(l) {
				lines = append(lines, l)
			}
		}
		return err
	})
	slices.SortStableFunc(lines, func(a, b []byte) int { return bytes.Compare(lineTime(a), lineTime(b)) })
	return lines, err
}

func lineTime(l []byte) []byte { return l[len(stamped) : len(stamped)+len(timeLayout)] }

func gunzip(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// objectWriter cuts lines into objects and writes each twice, plain and as gzip of one member.
type objectWriter struct {
	corpus *corpus
	buf    bytes.Buffer
	lines  int64
	hours  map[string]string // hour of a line and repeat -> hour moved on
}

// add appends a line, moved on, and with the name of its protocol in _path, as Zeek writes it.
func (w *objectWriter) add(l []byte, move time.Duration) error {
	hour, rest := string(l[len(stamped):len(stamped)+len(hourLayout)]), l[len(stamped)+len(hourLayout):]
	id := hour + move.String()
	moved, ok := w.hours[id]
	if !ok {
		at, err := time.Parse(hourLayout, hour)
		if err != nil {
			return fmt.Errorf("reading the time of %q: %w", l, err)
		}
		if w.hours == nil {
			w.hours = map[string]string{}
		}
		moved = at.Add(move).Format(hourLayout)
		w.hours[id] = moved
	}
	w.buf.WriteString(`{"_path":"dns","ts":"`)
	w.buf.WriteString(moved)
	w.buf.Write(rest)
	w.buf.WriteByte('\n')
	w.lines++
	if w.buf.Len() >= objectBytes {
		return w.flush()
	}
	return nil
}

func (w *objectWriter) close() error {
	if w.buf.Len() == 0 {
		return nil
	}
	return w.flush()
}

func (w *objectWriter) flush() error {
	name := fmt.Sprintf("dns-%03d.json", w.corpus.Objects)
	if err := os.WriteFile(filepath.Join(w.corpus.dir, "plain", name), w.buf.Bytes(), 0o644); err != nil {
		return err
	}
	stored, err := writeGzip(filepath.Join(w.corpus.dir, "gzip", name+".gz"), w.buf.Bytes(), 6)
	if err != nil {
		return err
	}
	w.corpus.add(w.lines, int64(w.buf.Len()), stored)
	w.buf.Reset()
	w.lines = 0
	return nil
}

// writeGzip writes a file of one gzip member and gives its size.
func writeGzip(path string, text []byte, level int) (int64, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		return 0, err
	}
	if _, err := z.Write(text); err != nil {
		return 0, err
	}
	if err := z.Close(); err != nil {
		return 0, err
	}
	return int64(out.Len()), os.WriteFile(path, out.Bytes(), 0o644)
}

// warm reads every file of a folder, so that the first run finds them in memory as the last one does.
func warm(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := discard(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func discard(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}

// command is a process that is asked to end when ctx does.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}
