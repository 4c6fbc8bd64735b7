// Package archivetest is the contract of [archive.Archive] as tests: every driver, and every decorator around one,
// passes Run. A new promise of the contract begins here.
package archivetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/suites"
)

// Store is one archive under test and the means to change it behind the contract's back.
type Store interface {
	archive.Archive
	// Put writes an object, over the one that is there.
	Put(tb testing.TB, key string, data []byte)
	// Delete removes an object.
	Delete(tb testing.TB, key string)
}

// Rewriter is a Store whose objects can be written to while a body is open, so that the body would mix two versions.
type Rewriter interface {
	// Rewrite changes an object in place.
	Rewrite(tb testing.TB, key string, data []byte)
}

// Harness makes archives of one driver.
type Harness struct {
	// Driver names what is tested, and on what: "sqsqueue on fauxqs".
	Driver string
	// New returns an archive without objects that nobody else uses; tb.Cleanup takes it away again. Tests run in
	// parallel, each on one of its own.
	New func(tb testing.TB) Store
	// AtomicTags says that concurrent MergeTags of one object in one process lose nothing.
	AtomicTags bool
	// KeyBesideFolder says that "a" and "a/b" can both be keys.
	KeyBesideFolder bool
	// TagsInBytes says that the service counts what a tag may hold in bytes, not in characters as S3 does.
	TagsInBytes bool
	// Many is how many objects make a large listing; default 2,500, which is more than two pages of S3.
	Many int
}

// Run tests one driver.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Many == 0 {
		h.Many = 2500
	}
	suite := suites.Begin(t, "archive", h.Driver)
	for _, c := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"ListOrder", testListOrder},
		{"ListRange", testListRange},
		{"ListEarlyStop", testListEarlyStop},
		{"ListMany", testListMany},
		{"ListTellsWhatStatTells", testListStat},
		{"Keys", testKeys},
		{"Stat", testStat},
		{"ETag", testETag},
		{"Open", testOpen},
		{"OpenErrors", testOpenErrors},
		{"ChangedWhileReading", testChangedWhileReading},
		{"Create", testCreate},
		{"CreateAtOnce", testCreateAtOnce},
		{"CreateLarge", testCreateLarge},
		{"Tags", testTags},
		{"TagLimits", testTagLimits},
		{"TagsOfNewVersion", testTagsOfNewVersion},
		{"TagsAtOnce", testTagsAtOnce},
		{"Cancelled", testCancelled},
		{"Lines", testLines},
		{"LinesOfChangedObject", testLinesChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			suite.Test(t)
			c.test(t, h)
		})
	}
}

// list returns the keys of a listing.
func list(tb testing.TB, a archive.Archive, prefix, after string) []string {
	tb.Helper()
	var keys []string
	for o, err := range a.List(tb.Context(), prefix, after) {
		if err != nil {
			tb.Fatalf("List(%q, %q): %v", prefix, after, err)
		}
		keys = append(keys, o.Key)
	}
	return keys
}

// within is the oracle of a listing.
func within(keys []string, prefix, after string) []string {
	var in []string
	for _, k := range keys {
		if len(k) >= len(prefix) && k[:len(prefix)] == prefix && k > after {
			in = append(in, k)
		}
	}
	slices.Sort(in)
	return in
}

func put(tb testing.TB, s Store, keys ...string) {
	tb.Helper()
	for _, k := range keys {
		s.Put(tb, k, []byte(k))
	}
}

func stat(tb testing.TB, a archive.Archive, key string) archive.Object {
	tb.Helper()
	o, err := a.Stat(tb.Context(), key)
	if err != nil {
		tb.Fatalf("Stat(%q): %v", key, err)
	}
	return o
}

func readAll(tb testing.TB, a archive.Archive, p archive.OpenParams) []byte {
	tb.Helper()
	body, err := a.Open(tb.Context(), p)
	if err != nil {
		tb.Fatalf("Open(%+v): %v", p, err)
	}
	data, err := io.ReadAll(body)
	if err = errors.Join(err, body.Close()); err != nil {
		tb.Fatalf("reading %+v: %v", p, err)
	}
	return data
}

// wantErr checks for a sentinel in an error that names its key.
func wantErr(tb testing.TB, what string, err, want error, key string) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Errorf("%s: %v, want %v", what, err, want)
	} else if !bytes.Contains([]byte(err.Error()), []byte(key)) {
		tb.Errorf("%s: %v does not name %s", what, err, key)
	}
}

func testCancelled(t *testing.T, h Harness) {
	s := h.New(t)
	put(t, s, "a/1", "a/2")
	ctx, cancel := context.WithCancel(t.Context())
	body, err := s.Open(ctx, archive.OpenParams{Key: "a/1"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	cancel()
	_, statErr := s.Stat(ctx, "a/1")
	_, openErr := s.Open(ctx, archive.OpenParams{Key: "a/1"})
	_, tagsErr := s.Tags(ctx, "a/1")
	var listErr error
	for _, listErr = range s.List(ctx, "", "") {
		if listErr == nil {
			t.Error("a cancelled listing goes on")
		}
	}
	for what, err := range map[string]error{
		"Stat": statErr, "Open": openErr, "Tags": tagsErr, "List": listErr,
		"MergeTags": s.MergeTags(ctx, "a/1", map[string]string{"k": "v"}, nil),
		"Create":    s.Create(ctx, "a/3", []byte("three")),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", what, err)
		}
	}
	if tags, err := s.Tags(t.Context(), "a/1"); err != nil || len(tags) != 0 {
		t.Errorf("cancelled MergeTags has written %v, %v", tags, err)
	}
	if _, err := s.Stat(t.Context(), "a/3"); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("cancelled Create has left an object, or %v", err)
	}
}

// Bench measures a driver: what a listed object, an opened object and a merged tag cost.
func Bench(b *testing.B, h Harness) {
	b.Helper()
	s := h.New(b)
	const objects = 1000
	for i := range objects {
		s.Put(b, fmt.Sprintf("dns/%02d/%04d", i%10, i), []byte("one\ntwo\n"))
	}
	b.Run("List", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if n := len(list(b, s, "", "")); n != objects {
				b.Fatalf("%d objects", n)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/objects, "ns/object")
	})
	b.Run("Open", func(b *testing.B) {
		o := stat(b, s, "dns/00/0000")
		b.ReportAllocs()
		for b.Loop() {
			readAll(b, s, archive.OpenParams{Key: o.Key, ETag: o.ETag})
		}
	})
	b.Run("MergeTags", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if err := s.MergeTags(b.Context(), "dns/00/0000", map[string]string{"REPLAY_LINE": fmt.Sprint(i)}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Lines", func(b *testing.B) { benchLines(b, s) })
}
