package replay_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
)

var update = flag.Bool("update", false, "write the golden files")

// keptTexts are contents of objects by name: what is cut at, and what is not, at the bounds of a line, of max_line, of the
// reader's blocks and of the object. In their keys is whose objects they are.
func keptTexts() map[string]string {
	line := func(text string) string { return fmt.Sprintf(`{"ts":"2026-01-02T03:04:05Z","q":%q}`, text) }
	most := func(more int) string { // a line of max_line bytes, and so many more
		return line(strings.Repeat("m", keptMaxLine-len(line(""))+more))
	}
	late := `{"ts":"2200-01-02T03:04:05Z","q":"late"}`
	return map[string]string{
		"json/nothing":         "",
		"json/newline":         "\n",
		"json/ends":            line("a") + "\n" + line("b") + "\n",
		"json/open-end":        line("a") + "\n" + line("b"),
		"json/cut":             line("a") + "\n" + line("b")[:20],
		"json/blank":           "\n" + line("a") + "\n\n \n\t\r\n\r\n" + line("b") + "\n\n\n",
		"json/returns":         line("a") + "\r\n" + line("b") + "\r\r\n" + line("c") + "\r" + line("d") + "\n" + line("e") + "\r",
		"json/separators":      line("a") + "\u2028" + line("b") + "\x85" + line("c") + "\v" + line("d") + "\f" + line("e") + "\x1e" + line("f") + "\n",
		"json/nul":             line("a") + "\x00\n\x00" + line("b") + "\n" + line("c") + "\n\x00",
		"json/utf-8":           strings.ReplaceAll(line("x"), "x", "\xff\xfe") + "\n",
		"json/utf-16":          "\xff\xfe{\x00\"\x00\n\x00",
		"json/mark":            "\ufeff" + line("a") + "\n\ufeff" + line("b") + "\n",
		"json/mark-alone":      "\ufeff",
		"json/longest":         most(0) + "\n" + most(0) + "\r\n" + most(1) + "\n" + most(1) + "\r\n" + most(-1) + "\r\r\n" + line("a") + "\n",
		"json/long-end":        line("a") + "\n" + most(1),
		"json/longest-end":     line("a") + "\n" + most(0),
		"json/longest-return":  line("a") + "\n" + most(0) + "\r",
		"json/blocks":          line("a") + "\n" + strings.Repeat("x", 600<<10) + "\n" + line("b") + "\n" + strings.Repeat(" ", 300<<10) + "\n" + line("c") + "\n",
		"json/many":            strings.Repeat(line("one of many")+"\n"+late+"\nnot json\n\n", 700),
		"json/spaces-long":     strings.Repeat(" ", 2*keptMaxLine) + line("a") + "\n",
		"tsv/header":           "ts\tq\n2026-01-02T03:04:05Z\ta\n2200-01-02T03:04:05Z\tlate\nts\tq\n#c\n2026-01-02T03:04:05Z\tb\r\n2026-01-02T03:04:05Z\n\n",
		"tsv/no-header":        "2026-01-02T03:04:05Z\ta\n2026-01-02T03:04:05Z\tb\n",
		"tsv/mark":             "\ufeffts\tq\n2026-01-02T03:04:05Z\ta\n",
		"tsv/blank-first":      "\nts\tq\n2026-01-02T03:04:05Z\ta\n",
		"tsv/open-end":         "ts\tq\n2026-01-02T03:04:05Z\ta",
		"tsv/longest":          "ts\tq\n2026-01-02T03:04:05Z\t" + strings.Repeat("m", keptMaxLine-21) + "\n2026-01-02T03:04:05Z\t" + strings.Repeat("m", keptMaxLine-20) + "\n",
		"csv/quoted-newline":   "2026-01-02T03:04:05Z,\"a\nb\"\n2026-01-02T03:04:05Z,c\n",
		"combined/two":         `192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326 "-" "curl"` + "\n" + `192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /b HTTP/1.0" 304 -` + "\r\n",
		"regex/two":            "2026-01-02T03:04:05Z a\n2026-01-02T03:04:05Z\n 2026-01-02T03:04:05Z c\n",
		"json/e1-" + keptBatch: "\ufeff" + line("a") + "\n" + line("b") + "\n", // of our own archiver: no line of it is a first one
		"tsv/e1-" + keptBatch:  "ts\tq\n2026-01-02T03:04:05Z\ta\n",
	}
}

const (
	keptMaxLine = 4096
	keptBatch   = "01K00000000000000000000000.ndjson.gz"
)

// keptStart opens a replay of all formats.
func keptStart() replay.StartParams {
	p := replay.StartParams{Prefix: "logs/", Layout: "{protocol}/{rest}", Tags: "off", Epoch: 1}
	for name, format := range map[string]logline.Format{
		"json": {Name: "json"}, "tsv": {Name: "tsv", Columns: []string{"ts", "q"}, Header: true, Comment: "#"}, "csv": {Name: "csv", Columns: []string{"ts", "q"}},
		"combined": {Name: "combined"}, "regex": {Name: "regex", Pattern: `(?P<ts>\S+) (?P<q>.*)`},
	} {
		d := stats.Definition{
			Protocol: name, Format: format, Timestamp: "ts", MaxLine: keptMaxLine,
			Stats: []stats.Statistic{{Name: "lines", By: []string{"q"}, Measures: []stats.Measure{{Name: "n", Func: "count"}, {Name: "bytes", Func: "sum(@bytes)"}}}},
		}
		if name == "combined" {
			d.Timestamp, d.Stats[0].By = "", []string{"path"}
		}
		p.Protocols = append(p.Protocols, replay.ProtocolParams{Definition: d, Rejects: 1})
	}
	return p
}

// keptEncodings are ways in which a text may be stored. Whatever the way, it has the same lines.
func keptEncodings(t *testing.T, text []byte) map[string][]byte {
	t.Helper()
	var pieces [][]byte // cut where it has nothing to do with lines
	for i := range 7 {
		pieces = append(pieces, text[i*len(text)/7:(i+1)*len(text)/7])
	}
	gz := func(pieces ...[]byte) []byte {
		var b bytes.Buffer
		for _, p := range pieces {
			w := gzip.NewWriter(&b)
			if _, err := w.Write(p); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	zst := func(pieces ...[]byte) []byte {
		var b bytes.Buffer
		for _, p := range pieces {
			w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Write(p)
			if err := errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	skipped := append(binary.LittleEndian.AppendUint32([]byte{0x53, 0x2a, 0x4d, 0x18}, 3), 1, 2, 3)
	lines := bytes.SplitAfter(text, []byte("\n"))
	half := len(lines) / 2
	return map[string][]byte{
		"plain":   text,
		"gz":      gz(text),
		"by.gz":   gz(bytes.Join(lines[:half], nil), nil, bytes.Join(lines[half:], nil)),
		"any.gz":  gz(pieces...),
		"zst":     append(zst(text), skipped...),
		"any.zst": append(slices.Clone(skipped), zst(pieces...)...),
	}
}

// TestObjects holds what certain objects, stored in every way, come to by a worker's hand: which lines it cuts and unpacks, and
// what it counts of them. What an earlier version has counted is taken over by stats.Version alone (start --reuse).
func TestObjects(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	texts := keptTexts()
	for name, text := range texts {
		for encoding, b := range keptEncodings(t, []byte(text)) {
			s.putBytes("logs/"+name+"/"+encoding, b)
		}
	}
	stop := s.pool(none)
	r := s.start(s.operator(nil), keptStart())
	s.done(r.ID)
	stop()

	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		ways := map[string][]string{} // what an object comes to: how it is stored
		for encoding := range keptEncodings(t, []byte(texts[name])) {
			is := s.comesTo(r, "logs/"+name+"/"+encoding)
			ways[is] = append(ways[is], encoding)
		}
		for _, is := range slices.Sorted(maps.Keys(ways)) {
			slices.Sort(ways[is])
			fmt.Fprintf(&b, "== %s %s\n%s", name, strings.Join(ways[is], " "), is)
		}
	}
	// A version that a release has is never written again.
	file := filepath.Join("testdata", fmt.Sprintf("objects.%d", stats.Version))
	want, err := os.ReadFile(file)
	if os.IsNotExist(err) && *update {
		if err := os.MkdirAll("testdata", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%v; run go test -update for a new version", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("what objects come to has changed: raise stats.Version, so that no partial of the code before is taken over, and run go test -update\n%s", diff)
	}
}

// comesTo tells all that a later replay would take over of an object.
func (s *system) comesTo(r ledger.Replay, key string) string {
	s.t.Helper()
	c := s.cursor(r.ID, key)
	part, _ := r.Protocol(c.Protocol)
	g, err := s.ledger.Generation(context.Background(), c.Protocol, part.Generation)
	if err != nil {
		s.t.Fatal(err)
	}
	d, err := stats.DecodeDefinition(g.Definition)
	if err != nil {
		s.t.Fatal(err)
	}
	program, err := stats.Compile(d)
	if err != nil {
		s.t.Fatal(err)
	}
	sum := program.NewPartial()
	if len(c.Partial) > 0 {
		if err := sum.MergeBlob(c.Partial, nil); err != nil {
			s.t.Fatal(err)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s at line %d: read %d, counted %d, after cutoff %d, rejected %d, blank %d, bytes %d; its partial: %d lines, %d segments\n",
		c.State, c.Line, c.Read, c.Counted, c.AfterCutoff, c.Rejected, c.Blank, c.Bytes, sum.Lines(), len(c.Segments))
	for _, reject := range c.Rejects {
		fmt.Fprintf(&b, "rejected %d\n", reject.Line)
	}
	for row := range sum.Rows() {
		fmt.Fprintf(&b, "%.80q %s\n", row.DimsJSON(), row.MeasuresJSON())
	}
	return b.String()
}
