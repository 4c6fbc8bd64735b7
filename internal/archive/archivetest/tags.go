package archivetest

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
)

type tagMap = map[string]string

func wantTags(tb testing.TB, a archive.Archive, key string, want tagMap) {
	tb.Helper()
	got, err := a.Tags(tb.Context(), key)
	if err != nil || got == nil || !maps.Equal(got, want) {
		tb.Errorf("tags of %s: %v (nil: %t), %v, want %v", key, got, got == nil, err, want)
	}
}

// merge changes tags of a/1.
func merge(tb testing.TB, a archive.Archive, set tagMap, remove ...string) {
	tb.Helper()
	if err := a.MergeTags(tb.Context(), "a/1", set, remove); err != nil {
		tb.Errorf("MergeTags(%v, %v): %v", set, remove, err)
	}
}

func testTags(t *testing.T, h Harness) {
	s := h.New(t)
	_, err := s.Tags(t.Context(), "a/1")
	wantErr(t, "Tags of nothing", err, archive.ErrNotFound, "a/1")
	err = s.MergeTags(t.Context(), "a/1", tagMap{"k": "v"}, nil)
	wantErr(t, "MergeTags of nothing", err, archive.ErrNotFound, "a/1")
	put(t, s, "a/1", "a/2")
	before := stat(t, s, "a/1")
	wantTags(t, s, "a/1", tagMap{})
	merge(t, s, nil)
	merge(t, s, nil, "none")
	wantTags(t, s, "a/1", tagMap{})
	merge(t, s, tagMap{"team": "dns logs", "cost": ""})
	merge(t, s, tagMap{"REPLAY": "PENDING", "REPLAY_LINE": "0", "STATE_CHANGE": "2024-02-29T23:59:59Z"})
	merge(t, s, tagMap{"REPLAY": "PROCESSING"})
	merge(t, s, tagMap{"REPLAY": "PROCESSING"}) // nothing changes
	want := tagMap{"team": "dns logs", "cost": "", "REPLAY": "PROCESSING", "REPLAY_LINE": "0", "STATE_CHANGE": "2024-02-29T23:59:59Z"}
	wantTags(t, s, "a/1", want)
	wantTags(t, s, "a/2", tagMap{})
	merge(t, s, tagMap{"größe": "+-=._:/@ ä"}, "REPLAY", "REPLAY_LINE", "STATE_CHANGE", "none")
	wantTags(t, s, "a/1", tagMap{"team": "dns logs", "cost": "", "größe": "+-=._:/@ ä"})
	merge(t, s, nil, "team", "cost", "größe")
	wantTags(t, s, "a/1", tagMap{})
	if after := stat(t, s, "a/1"); after.ETag != before.ETag {
		t.Errorf("tags have changed the ETag from %s to %s", before.ETag, after.ETag)
	}
}

func testTagLimits(t *testing.T, h Harness) {
	s := h.New(t)
	put(t, s, "a/1")
	ten := tagMap{}
	for i := range archive.MaxTags {
		ten[fmt.Sprintf("k%d", i)] = "v"
	}
	merge(t, s, ten)
	wantTags(t, s, "a/1", ten)
	err := s.MergeTags(t.Context(), "a/1", tagMap{"eleventh": "v", "k0": "changed"}, nil)
	wantErr(t, "an eleventh tag", err, archive.ErrTooManyTags, "a/1")
	wantTags(t, s, "a/1", ten)
	merge(t, s, tagMap{"eleventh": "v"}, "k0")
	delete(ten, "k0")
	ten["eleventh"] = "v"
	wantTags(t, s, "a/1", ten)
	longest := strings.Repeat("ä", 256)
	if h.TagsInBytes {
		longest = longest[:256]
	}
	merge(t, s, tagMap{"k1": longest})
	ten["k1"] = longest
	for _, bad := range []tagMap{{"": "v"}, {strings.Repeat("k", 129): "v"}, {"k1": strings.Repeat("v", 257)}, {"k1": "a\nb"}, {"k1": "a,b"}} {
		if err := s.MergeTags(t.Context(), "a/1", bad, nil); err == nil || !strings.Contains(err.Error(), "a/1") {
			t.Errorf("%.60q: %v", bad, err)
		}
	}
	wantTags(t, s, "a/1", ten)
}

// Tags belong to a version: neither overwriting an object nor deleting it and putting a new one keeps them.
func testTagsOfNewVersion(t *testing.T, h Harness) {
	s := h.New(t)
	s.Put(t, "a/1", []byte("one"))
	merge(t, s, tagMap{"k": "v"})
	s.Put(t, "a/1", []byte("two"))
	wantTags(t, s, "a/1", tagMap{})
	merge(t, s, tagMap{"l": "w"})
	wantTags(t, s, "a/1", tagMap{"l": "w"})
	s.Delete(t, "a/1")
	_, err := s.Tags(t.Context(), "a/1")
	wantErr(t, "Tags of a deleted object", err, archive.ErrNotFound, "a/1")
	err = s.MergeTags(t.Context(), "a/1", nil, []string{"l"})
	wantErr(t, "MergeTags of a deleted object", err, archive.ErrNotFound, "a/1")
	s.Put(t, "a/1", []byte("two"))
	wantTags(t, s, "a/1", tagMap{})
}

func testTagsAtOnce(t *testing.T, h Harness) {
	s := h.New(t)
	put(t, s, "a/1", "a/2")
	if !h.AtomicTags {
		t.Skip("the driver does not promise it")
	}
	want := tagMap{}
	var wg sync.WaitGroup
	for i := range archive.MaxTags {
		key := fmt.Sprintf("k%d", i)
		want[key] = "4"
		wg.Go(func() {
			for n := range 5 {
				for _, object := range []string{"a/1", "a/2"} {
					if err := s.MergeTags(t.Context(), object, tagMap{key: fmt.Sprint(n)}, nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	wantTags(t, s, "a/1", want)
	wantTags(t, s, "a/2", want)
}
