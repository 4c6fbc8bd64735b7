package worker

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/queue"
)

// codecs are the kinds of objects; members of 700 lines do not fall together with looks at the clock.
func codecs(t *testing.T, lines []string) map[string][]byte {
	t.Helper()
	return map[string][]byte{
		"plain.log":  text(lines),
		"one.gz":     gzipped(t, lines, 0),
		"members.gz": gzipped(t, lines, 700),
		"frames.zst": zstandard(t, lines, 700),
	}
}

func TestWholeObject(t *testing.T) {
	t.Parallel()
	lines := makeLines(3000, 100)
	for name, content := range codecs(t, lines) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			key := "dns/" + name
			b.add(key, content)
			if n := b.drain(b.worker()); n != 1 {
				t.Errorf("%d messages were handled, want 1", n)
			}
			b.wantFinished(key, lines)
			b.wantIdle()
			c := b.cursor(key)
			if c.Epoch != 1 || len(c.Rejects) != ledger.MaxRejects || c.Rejects[0].Line != 7 || c.Bytes != int64(len(text(lines))) {
				t.Errorf("epoch %d, %d samples of bad lines, %d bytes", c.Epoch, len(c.Rejects), c.Bytes)
			}
		})
	}
}

// TestHandOn reads an object with a budget that is always used up: each chunk is the least that a chunk can be.
func TestHandOn(t *testing.T) {
	t.Parallel()
	lines := makeLines(14*lookEvery+3, 100)
	for name, content := range codecs(t, lines) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			key := "dns/" + name
			b.add(key, content)
			w := b.worker(shortest)
			ids := map[string]bool{}
			for n := int64(0); ; n++ {
				m, ok := b.receive(b.queue, w.o.Visibility)
				if !ok {
					break
				}
				task, err := queue.DecodeTask(m.Body)
				if want := n * lookEvery; err != nil || task.Line != want || b.cursor(key).Line != want {
					t.Fatalf("message %d: line %d (%v), want %d as in the cursor", n, task.Line, err, want)
				}
				if ids[m.ID] || m.Receives != 1 {
					t.Fatalf("message %d was received %d times: the old one came back", n, m.Receives)
				}
				ids[m.ID] = true
				b.handle(b.ctx, w, m)
			}
			if len(ids) != 15 {
				t.Errorf("%d chunks, want 15", len(ids))
			}
			b.wantFinished(key, lines)
			b.wantIdle()
			if c := b.cursor(key); c.Rows != int64(len(recount(lines).rows)) || c.Epoch != 15 {
				t.Errorf("%d rows, epoch %d", c.Rows, c.Epoch)
			}
		})
	}
}

// TestResumeAtFrame sees where the reads begin: at the member or frame that holds the next line, not at the start.
func TestResumeAtFrame(t *testing.T) {
	t.Parallel()
	lines := makeLines(10*lookEvery, 10)
	for name, content := range codecs(t, lines) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.add("dns/"+name, content)
			var offsets []int64
			w := b.worker(shortest, func(o *Options) {
				o.Archive = &faultyArchive{Archive: o.Archive, opens: func(p archive.OpenParams) error {
					offsets = append(offsets, p.Offset)
					return nil
				}}
			})
			b.drain(w)
			b.wantFinished("dns/"+name, lines)
			distinct := len(slices.Compact(slices.Clone(offsets)))
			want := map[string]int{"plain.log": len(offsets), "one.gz": 1, "members.gz": 4, "frames.zst": 4}[name]
			// The end of the last frame is a boundary too, where the object ends with a chunk.
			if !slices.IsSorted(offsets) || distinct < want || distinct > want+1 {
				t.Errorf("reads began at %v, want %d places", offsets, want)
			}
		})
	}
}

// TestHandOnManyRows hands an object on whose partial never fits into the cursor: each chunk seals its own.
func TestHandOnManyRows(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	// Host names that do not compress, so that a few thousand of them are more than a cursor holds.
	lines := make([]string, 20*lookEvery)
	for i := range lines {
		lines[i] = encode(record{TS: began, Host: fmt.Sprintf("%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)})), Bytes: int64(i)})
	}
	b.add("dns/a", text(lines))
	b.drain(b.worker(shortest))
	c := b.cursor("dns/a")
	if len(c.Segments) < 2 {
		t.Fatalf("%d segments: the partial was to outgrow the cursor more than once", len(c.Segments))
	}
	for i, s := range c.Segments[1:] {
		if s.From != c.Segments[i].To {
			t.Errorf("segment %+v does not go on where %+v ends", s, c.Segments[i])
		}
	}
	b.wantFinished("dns/a", lines)
	// Each line has a host of its own; the one minute is a row of every partial.
	partials := len(c.Segments)
	if len(c.Partial) > 0 {
		partials++
	}
	if want := int64(len(lines) + partials); c.Rows != want {
		t.Errorf("%d rows in %d partials, want %d", c.Rows, partials, want)
	}
}

func TestOddObjects(t *testing.T) {
	t.Parallel()
	pad := func(size int) string {
		r := record{TS: began, Host: "h", Bytes: 1}
		r.Pad = strings.Repeat("p", size-len(encode(r))-len(`,"pad":""`))
		return encode(r)
	}
	for name, lines := range map[string][]string{
		"empty":         {},
		"blank":         {"", "", ""},
		"one":           {encode(record{TS: began, Host: "h"})},
		"all bad":       {"x", "{", "[]"},
		"all late":      {encode(record{TS: cutoff.Add(1), Host: "h"})},
		"long lines":    {pad(1 << 20), pad(1 << 20), pad(1<<20 - 1)},
		"longest lines": {pad(100), pad(1<<20 + 1), pad(100), pad(3 << 20), pad(100)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			for kind, content := range map[string][]byte{
				"plain.log": text(lines), "no newline.log": bytes.TrimSuffix(text(lines), []byte("\n")), "members.gz": gzipped(t, lines, 2),
			} {
				switch {
				case kind == "no newline.log" && (len(lines) == 0 || lines[len(lines)-1] == ""):
					continue // then the last newline is a line of its own
				case kind == "members.gz" && len(lines) == 0:
					content = gzipped(t, []string{""}, 1)[:0] // an empty object of that name is corrupt: another test's
					kind = "empty.log"
				}
				b.add("dns/"+kind, content)
				b.drain(b.worker(shortest))
				b.wantFinished("dns/"+kind, lines)
			}
			b.wantIdle()
		})
	}
}

// TestLongLinesEndChunks has lines so long that a chunk of the usual number of them would hold a worker for long.
func TestLongLinesEndChunks(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	line := encode(record{TS: began, Host: "h", Pad: strings.Repeat("p", 1<<20-100)})
	lines := slices.Repeat([]string{line}, 12)
	b.add("dns/long.gz", gzipped(t, lines, 0))
	if n := b.drain(b.worker(shortest)); n != 3 {
		t.Errorf("12 MiB in lines of 1 MiB were read in %d chunks", n)
	}
	b.wantFinished("dns/long.gz", lines)
}

// TestRejects holds the share of bad lines that a protocol allows.
func TestRejects(t *testing.T) {
	t.Parallel()
	lines := []string{encode(record{TS: began, Host: "h"}), "bad", encode(record{TS: began, Host: "h"}), "", "worse"}
	for _, c := range []struct {
		share float64
		state ledger.State
	}{{1, ledger.Finished}, {0.5, ledger.Finished}, {0.49, ledger.Failed}, {0, ledger.Failed}} {
		t.Run(fmt.Sprint(c.share), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, func(r *ledger.Replay) { r.Protocols[0].Rejects = c.share })
			b.add("dns/a", text(lines))
			b.drain(b.worker())
			if c.state == ledger.Finished {
				b.wantFinished("dns/a", lines)
				return
			}
			if got := b.cursor("dns/a"); got.State != c.state || !strings.Contains(got.Error, "2 of 4, a share of 0.5; rejects allows up to ") {
				t.Errorf("%s because of %q", got.State, got.Error)
			}
		})
	}
}
