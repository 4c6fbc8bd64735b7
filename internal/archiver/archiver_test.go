package archiver_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/internal/archiver"
	"github.com/seed-56345083/reprise/internal/entries"
)

// rewrite gives an entry a line that only other producers can put there.
func (s *site) rewrite(id, line, archived string) {
	s.t.Helper()
	if _, err := s.ledger.DB().Write.ExecContext(s.t.Context(), `UPDATE entries SET line = ? WHERE id = ?`, []byte(line), id); err != nil {
		s.t.Fatal(err)
	}
	p := s.want[id]
	p.line = archived
	s.want[id] = p
}

// Lines of all kinds, and many more than a page, in several objects.
func TestEveryLineOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	odd := []string{
		"", " ", "\r", "a\r", "\x00\xff\xfe", "\xef\xbb\xbf{}", "\x1f\x8b\x08", "twice", "twice", strings.Repeat("long ", 50_000), "ünïcödé", "#", "\t",
	}
	for i, line := range odd {
		s.put(entries.Entry{ID: fmt.Sprint("odd-", i), Protocol: protocol, TS: began.Add(time.Duration(i%2) * time.Hour), Line: []byte(line)})
	}
	for line, archived := range map[string]string{"a\nb": "a b", "\n": "", "\n\n": "", "c\n": "c", "\nd\n\ne\n": " d  e", "f\r\n": "f\r"} {
		id := fmt.Sprintf("inner-%q", line)
		s.put(entries.Entry{ID: id, Protocol: protocol, TS: began})
		s.rewrite(id, line, archived)
	}
	s.fill(protocol, 1500)
	s.must(s.archiver(nil, small(20_000)).Once(t.Context(), true))
	s.wantArchived()
	total := 0
	for key, lines := range s.objects() {
		total += len(lines)
		if size := len(strings.Join(lines, "\n")); size >= 20_000 && len(lines) > 1 {
			t.Errorf("%s holds %d lines of %d bytes, more than there may be in an object of several", key, len(lines), size)
		}
	}
	if total != len(s.want) {
		t.Errorf("%d lines, want %d", total, len(s.want))
	}
}

// Several protocols, one of them without entries: each object holds one.
func TestProtocols(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.start("ssl")
	s.start("none")
	s.fill(protocol, 30)
	s.fill("ssl", 40)
	a := s.archiver(nil, func(o *archiver.Options) {
		o.Protocols = []archiver.Protocol{{Name: protocol}, {Name: "none"}, {Name: "ssl"}}
	})
	s.must(a.Once(t.Context(), true))
	s.wantArchived()
	if n := len(s.objects()); n != 2 {
		t.Errorf("%d objects, want 2", n)
	}
}

// A batch that is young and small is joined by the next pass; when it is old, full, or closed by force, it is written.
func TestWhenBatchesEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	unwritten := func() []entries.Batch {
		t.Helper()
		left, err := s.entries.Unwritten(t.Context(), protocol)
		s.must(err)
		return left
	}
	pass := func(change ...func(*archiver.Options)) {
		t.Helper()
		s.must(s.archiver(nil, change...).Once(t.Context(), false))
	}
	s.fill(protocol, 10)
	pass()
	pass()
	if left := unwritten(); len(left) != 1 || left[0].State != entries.Open || left[0].Entries != 10 || len(s.objects()) != 0 {
		t.Fatalf("a young batch: %+v, %d objects", left, len(s.objects()))
	}
	s.put(entries.Entry{ID: "more", Protocol: protocol, TS: began, Line: []byte("more")})
	pass()
	if left := unwritten(); len(left) != 1 || left[0].Entries != 11 {
		t.Fatalf("a batch that is joined again: %+v", left)
	}
	s.must(s.archiver(nil).Once(t.Context(), true))
	s.wantArchived()

	s.put(entries.Entry{ID: "old", Protocol: protocol, TS: began, Line: []byte("old")})
	pass(func(o *archiver.Options) { o.MaxAge = 1 })
	s.wantArchived()

	s.put(entries.Entry{ID: "large", Protocol: protocol, TS: began, Line: bytes.Repeat([]byte("x"), 100)})
	pass(small(100))
	s.wantArchived()
	if n := len(s.objects()); n != 3 {
		t.Errorf("%d objects, want 3", n)
	}

	// A pass without entries makes neither batches nor objects.
	s.must(s.archiver(nil).Once(t.Context(), true))
	s.wantArchived()
}

// Two processes have opened a batch each: force ends both.
func TestTwoOpenBatches(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 10)
	way := &tap{}
	way.before = func(_ int, name string) error {
		if name != "OpenBatch" {
			return nil
		}
		s.freeLease()
		return s.archiver(nil).Once(t.Context(), false)
	}
	s.must(s.archiver(way).Once(t.Context(), false))
	if left, err := s.entries.Unwritten(t.Context(), protocol); err != nil || len(left) != 2 {
		t.Fatalf("%+v, %v, want two batches", left, err)
	}
	s.put(entries.Entry{ID: "more", Protocol: protocol, TS: began, Line: []byte("more")})
	s.must(s.archiver(nil).Once(t.Context(), true))
	s.wantArchived()
}

func TestManyEntries(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 1000)
	a := s.archiver(nil)
	a.Small(300, 0)
	s.must(a.Once(t.Context(), true))
	s.wantArchived()
	var sizes []int
	for _, lines := range s.objects() {
		sizes = append(sizes, len(lines))
	}
	slices.Sort(sizes)
	if !slices.Equal(sizes, []int{100, 300, 300, 300}) {
		t.Errorf("objects of %d lines", sizes)
	}
}

// The configuration has moved the archive: what was opened under the old one is written there.
func TestOtherLayout(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 10)
	s.must(s.archiver(nil, func(o *archiver.Options) { o.Prefix = "old/" }).Once(t.Context(), false))
	s.put(entries.Entry{ID: "new", Protocol: protocol, TS: began, Line: []byte("new")})
	s.must(s.archiver(nil).Once(t.Context(), true))
	places := map[string]int{}
	for key, lines := range s.objects() {
		places[key[:strings.IndexByte(key, '/')]] += len(lines)
	}
	if len(places) != 2 || places["old"] != 10 || places["logs"] != 1 {
		t.Errorf("lines by prefix: %v", places)
	}
}

// Reading can begin at every member, and the lines there are those of the whole object.
func TestMembers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 400)
	a := s.archiver(nil)
	a.Small(0, 1000)
	s.must(a.Once(t.Context(), true))
	s.wantArchived()
	for key, want := range s.objects() {
		o, err := s.files.Stat(t.Context(), key)
		s.must(err)
		read := func(f archive.Frame, from int64) (frames []archive.Frame, got []string) {
			t.Helper()
			lines, err := archive.OpenLines(t.Context(), s.files, archive.LinesParams{Key: key, ETag: o.ETag, Size: o.Size, Frame: f, Line: from})
			s.must(err)
			defer func() { _ = lines.Close() }()
			for {
				line, err := lines.Next()
				if err != nil {
					return frames, got
				}
				got = append(got, string(line.Bytes))
				if f := lines.Frame(); len(frames) == 0 || frames[len(frames)-1] != f {
					frames = append(frames, f)
				}
			}
		}
		frames, whole := read(archive.Frame{}, 0)
		if !slices.Equal(whole, want) {
			t.Fatalf("%s is read as %d lines, want %d", key, len(whole), len(want))
		}
		if len(frames) < 5 {
			t.Fatalf("%d members of 1000 bytes: %+v", len(frames), frames)
		}
		for _, f := range frames {
			if _, got := read(f, f.Line); !slices.Equal(got, want[f.Line:]) {
				t.Errorf("from %+v on %d lines are read, want %d", f, len(got), len(want[f.Line:]))
			}
		}
	}
}

// claimed leaves a batch frozen and not written, and returns it.
func (s *site) claimed() entries.Batch {
	s.t.Helper()
	s.must(s.archiver(nil).Once(s.t.Context(), false))
	left, err := s.entries.Unwritten(s.t.Context(), protocol)
	s.must(err)
	if len(left) != 1 {
		s.t.Fatalf("%d batches", len(left))
	}
	b, err := s.entries.ClaimBatch(s.t.Context(), left[0].ID)
	s.must(err)
	return b
}

func (s *site) object(key string, data []byte) {
	s.t.Helper()
	_, err := s.files.Put(s.t.Context(), dirarchive.PutParams{Key: key, Body: bytes.NewReader(data), NoSync: true})
	s.must(err)
}

// lines are a batch's, in their order.
func (s *site) lines() string {
	ids := make([]string, 0, len(s.want))
	for id := range s.want {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(x, y string) int {
		if c := s.want[x].ts.Compare(s.want[y].ts); c != 0 {
			return c
		}
		return strings.Compare(x, y)
	})
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(s.want[id].line + "\n")
	}
	return text.String()
}

func zipped(level int, text string) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write([]byte(text)) // never fails
	_ = w.Close()
	return b.Bytes()
}

// What others archive is only marked, when it is old enough.
func TestOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	others := func(o *archiver.Options) { o.Protocols[0].Others = true }
	s.fill(protocol, 150)
	s.put(
		entries.Entry{ID: "young", Protocol: protocol, TS: time.Now(), Line: []byte("young")},
		entries.Entry{ID: "old", Protocol: protocol, TS: time.Now().Add(-16 * time.Minute), Line: []byte("old")},
	)
	s.must(s.archiver(nil, others).Once(t.Context(), true))
	for _, e := range s.all() {
		if (e.ID == "young") == e.Archived || e.Archived && !slices.Contains(e.Gens, 1) {
			t.Errorf("entry %s: archived %t, generations %d", e.ID, e.Archived, e.Gens)
		}
	}
	if n := len(s.objects()); n != 0 {
		t.Errorf("%d objects", n)
	}
	if left, err := s.entries.Unwritten(t.Context(), protocol); err != nil || len(left) > 0 {
		t.Errorf("batches are left: %+v, %v", left, err)
	}
	// From now on this program archives it: a batch that was opened for marking is not written to.
	s.put(entries.Entry{ID: "older", Protocol: protocol, TS: began, Line: []byte("older")})
	s.must(s.archiver(nil, others).Once(t.Context(), false))
	s.must(s.archiver(nil).Once(t.Context(), true))
	for key, lines := range s.objects() {
		if !slices.Equal(lines, []string{"young"}) {
			t.Errorf("%s holds %q", key, lines)
		}
	}
	for _, e := range s.all() {
		if !e.Archived {
			t.Errorf("entry %s is not archived", e.ID)
		}
	}
}

// What cannot be counted stays, and the rest goes on.
func TestUncounted(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]error{"passed over": nil, "error": errInjected} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.fill(protocol, 250)
			refused := map[string]bool{"dns-3": true, "dns-120": true}
			o := func(o *archiver.Options) {
				count := o.Count
				o.Count = func(ctx context.Context, name string, list []entries.Entry) error {
					good := slices.DeleteFunc(slices.Clone(list), func(e entries.Entry) bool { return refused[e.ID] })
					if err := count(ctx, name, good); err != nil || len(good) == len(list) {
						return err
					}
					return fails
				}
			}
			if err := s.archiver(nil, o).Once(t.Context(), true); !errors.Is(err, fails) {
				t.Errorf("%v, want %v", err, fails)
			}
			for _, e := range s.all() {
				if e.Archived == refused[e.ID] {
					t.Errorf("entry %s: archived %t", e.ID, e.Archived)
				}
			}
			clear(refused)
			s.must(s.archiver(nil, o).Once(t.Context(), true))
			s.wantArchived()
		})
	}
}

// A store that counts nothing ends a pass early, instead of failing page by page.
func TestCountingFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill(protocol, 1000)
	tries := 0
	err := s.archiver(nil, func(o *archiver.Options) {
		o.Count = func(context.Context, string, []entries.Entry) error { tries++; return errInjected }
	}).Once(t.Context(), true)
	if !errors.Is(err, errInjected) || tries != 15 {
		t.Errorf("%v after %d tries, want 3 in each of 5 passes", err, tries)
	}
	s.must(s.archiver(nil).Once(t.Context(), true))
	s.wantArchived()
}

// Nothing is archived that no generation counts.
func TestUnopened(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.put(entries.Entry{ID: "1", Protocol: "new", TS: began, Line: []byte("x")})
	o := func(o *archiver.Options) { o.Protocols = []archiver.Protocol{{Name: "new"}} }
	if err := s.archiver(nil, o).Once(t.Context(), true); err == nil || !strings.Contains(err.Error(), "no generation") {
		t.Errorf("%v, want an error that says what is missing", err)
	}
	if e := s.all()[0]; e.Archived || e.Batch != "" {
		t.Errorf("%+v", e)
	}
	s.start("new")
	s.must(s.archiver(nil, o).Once(t.Context(), true))
	s.wantArchived()
}
