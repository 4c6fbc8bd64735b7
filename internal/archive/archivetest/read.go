package archivetest

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
)

func params(o archive.Object) archive.OpenParams {
	return archive.OpenParams{Key: o.Key, ETag: o.ETag}
}

func testStat(t *testing.T, h Harness) {
	s := h.New(t)
	for _, key := range []string{"none", "a/none", "a"} {
		_, err := s.Stat(t.Context(), key)
		wantErr(t, "Stat of what was never there", err, archive.ErrNotFound, key)
	}
	put(t, s, "a/1")
	if o := stat(t, s, "a/1"); o.Size != 3 || o.Key != "a/1" || o.ETag == "" || o.Modified.IsZero() {
		t.Errorf("%+v", o)
	}
	for _, key := range []string{"a", "a/2", "a/1/b", "A/1"} {
		_, err := s.Stat(t.Context(), key)
		wantErr(t, "Stat beside an object", err, archive.ErrNotFound, key)
	}
	s.Put(t, "a/empty", nil)
	if o := stat(t, s, "a/empty"); o.Size != 0 || o.ETag == "" {
		t.Errorf("%+v", o)
	}
	s.Delete(t, "a/1")
	_, err := s.Stat(t.Context(), "a/1")
	wantErr(t, "Stat of a deleted object", err, archive.ErrNotFound, "a/1")
}

func testETag(t *testing.T, h Harness) {
	s := h.New(t)
	seen := map[string]bool{}
	for _, data := range []string{"one", "two", "six", "three"} {
		s.Put(t, "a/1", []byte(data))
		o := stat(t, s, "a/1")
		if again := stat(t, s, "a/1"); again.ETag != o.ETag {
			t.Errorf("the ETag of one version is %q and %q", o.ETag, again.ETag)
		}
		if seen[o.ETag] {
			t.Errorf("%q has the ETag of an earlier version", data)
		}
		seen[o.ETag] = true
	}
}

func testOpen(t *testing.T, h Harness) {
	s := h.New(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 20000)
	s.Put(t, "a/1", data)
	o := stat(t, s, "a/1")
	size := int64(len(data))
	for _, offset := range []int64{0, 1, 7, 65536, size / 2, size - 1, size} {
		for _, etag := range []string{"", o.ETag} {
			got := readAll(t, s, archive.OpenParams{Key: "a/1", ETag: etag, Offset: offset})
			if !bytes.Equal(got, data[offset:]) {
				t.Errorf("offset %d: %d bytes, want %d", offset, len(got), size-offset)
			}
		}
	}
	s.Put(t, "a/empty", nil)
	if got := readAll(t, s, params(stat(t, s, "a/empty"))); len(got) != 0 {
		t.Errorf("the empty object holds %q", got)
	}
	// A body that is not read to its end can be closed.
	body, err := s.Open(t.Context(), archive.OpenParams{Key: "a/1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
		t.Error(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
}

func testOpenErrors(t *testing.T, h Harness) {
	s := h.New(t)
	_, err := s.Open(t.Context(), archive.OpenParams{Key: "a/1"})
	wantErr(t, "Open of nothing", err, archive.ErrNotFound, "a/1")
	_, err = s.Open(t.Context(), archive.OpenParams{Key: "a/1", ETag: "x", Offset: 1})
	wantErr(t, "Open of a version of nothing", err, archive.ErrNotFound, "a/1")
	s.Put(t, "a/1", []byte("one"))
	old := stat(t, s, "a/1")
	s.Put(t, "a/1", []byte("two"))
	for _, offset := range []int64{0, 1, 3} {
		_, err = s.Open(t.Context(), archive.OpenParams{Key: "a/1", ETag: old.ETag, Offset: offset})
		wantErr(t, "Open of an overwritten version", err, archive.ErrChanged, "a/1")
	}
	if got := readAll(t, s, params(stat(t, s, "a/1"))); string(got) != "two" {
		t.Errorf("the new version holds %q", got)
	}
	s.Delete(t, "a/1")
	_, err = s.Open(t.Context(), params(old))
	wantErr(t, "Open of a deleted object", err, archive.ErrNotFound, "a/1")
}

// A body holds one version, or fails.
func testChangedWhileReading(t *testing.T, h Harness) {
	s := h.New(t)
	const size = 4 << 20
	one, two := bytes.Repeat([]byte("1"), size), bytes.Repeat([]byte("2"), size)
	changes := map[string]func(){"replaced": func() { s.Put(t, "a/1", two) }}
	if r, ok := s.(Rewriter); ok {
		changes["rewritten"] = func() { r.Rewrite(t, "a/1", two) }
	}
	for name, change := range changes {
		s.Put(t, "a/1", one)
		body, err := s.Open(t.Context(), params(stat(t, s, "a/1")))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		change()
		rest, err := io.ReadAll(body)
		if bytes.Contains(rest, []byte("2")) {
			t.Errorf("%s: the body mixes two versions", name)
		}
		switch {
		case err == nil && len(rest) != size-1000:
			t.Errorf("%s: the body ends after %d of %d bytes", name, len(rest), size-1000)
		case err != nil && !errors.Is(err, archive.ErrChanged):
			t.Errorf("%s: %v, want ErrChanged", name, err)
		case err == nil && name == "rewritten":
			t.Errorf("%s: not noticed", name)
		}
		_ = body.Close()
	}
}
