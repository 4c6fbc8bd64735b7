package archivetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
)

func testCreate(t *testing.T, h Harness) {
	s := h.New(t)
	for key, data := range map[string][]byte{
		"a/new": []byte("one\ntwo\n"), "a/b/c/d": {0, 0xff, '\r', '\n'}, "a/empty": nil, "dns/e5-x é.ndjson.gz": []byte("é"),
	} {
		if err := s.Create(t.Context(), key, data); err != nil {
			t.Fatal(err)
		}
		o := stat(t, s, key)
		if got := readAll(t, s, params(o)); !bytes.Equal(got, data) || o.Size != int64(len(data)) {
			t.Errorf("%s holds %q, %d bytes, want %q", key, got, o.Size, data)
		}
		if tags, err := s.Tags(t.Context(), key); err != nil || len(tags) != 0 {
			t.Errorf("%s is new and has the tags %v, %v", key, tags, err)
		}
	}
	if got, want := list(t, s, "", ""), []string{"a/b/c/d", "a/empty", "a/new", "dns/e5-x é.ndjson.gz"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}

	// What is there stays as it is: its bytes, its version, its tags.
	if err := s.MergeTags(t.Context(), "a/new", map[string]string{"k": "v"}, nil); err != nil {
		t.Fatal(err)
	}
	s.Put(t, "a/put", []byte("somebody's"))
	for key, data := range map[string]string{"a/new": "one\ntwo\n", "a/put": "somebody's", "a/empty": ""} {
		before := stat(t, s, key)
		for _, other := range []string{data, "other", ""} {
			wantErr(t, "Create over an object", s.Create(t.Context(), key, []byte(other)), archive.ErrExists, key)
		}
		if after := stat(t, s, key); after.ETag != before.ETag || string(readAll(t, s, params(after))) != data {
			t.Errorf("%s was %+v and is %+v", key, before, after)
		}
	}
	if tags, err := s.Tags(t.Context(), "a/new"); err != nil || tags["k"] != "v" {
		t.Errorf("tags %v, %v", tags, err)
	}
	s.Delete(t, "a/new")
	if err := s.Create(t.Context(), "a/new", []byte("again")); err != nil {
		t.Errorf("Create after Delete: %v", err)
	}
	if got := string(readAll(t, s, archive.OpenParams{Key: "a/new"})); got != "again" {
		t.Errorf("after Delete and Create: %q", got)
	}
	if err := s.Create(t.Context(), "", []byte("x")); err == nil {
		t.Error("an object without a key was created")
	}
}

// Of many writers of one key, one creates it, and whoever is told that it exists finds it whole.
func testCreateAtOnce(t *testing.T, h Harness) {
	s := h.New(t)
	body := func(i int) []byte { return bytes.Repeat([]byte(fmt.Sprintf("%04d\n", i)), 20000) }
	var mu sync.Mutex
	var wg sync.WaitGroup
	var made []int
	for i := range 8 {
		wg.Go(func() {
			err := s.Create(t.Context(), "dns/a/b/once", body(i))
			if err != nil && !errors.Is(err, archive.ErrExists) {
				t.Error(err)
				return
			}
			if got := readAll(t, s, archive.OpenParams{Key: "dns/a/b/once"}); len(got) != len(body(i)) {
				t.Errorf("found with %d bytes of %d", len(got), len(body(i)))
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				made = append(made, i)
			}
		})
	}
	wg.Wait()
	// None, where the one who made it lost the reply and was then told that it exists.
	if len(made) > 1 {
		t.Fatalf("writers %v have all created it", made)
	}
	got := readAll(t, s, archive.OpenParams{Key: "dns/a/b/once"})
	winner := -1
	for i := range 8 {
		if bytes.Equal(got, body(i)) {
			winner = i
		}
	}
	if winner < 0 || len(made) == 1 && made[0] != winner {
		t.Errorf("it holds what writer %d wrote, and writer %v created it", winner, made)
	}
}

func testCreateLarge(t *testing.T, h Harness) {
	s := h.New(t)
	data := make([]byte, 6<<20+7) // more than a part of a multipart upload
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	if err := s.Create(t.Context(), "dns/large", data); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, s, archive.OpenParams{Key: "dns/large"}); !bytes.Equal(got, data) {
		t.Errorf("%d bytes, want %d", len(got), len(data))
	}
	wantErr(t, "Create again", s.Create(t.Context(), "dns/large", data), archive.ErrExists, "dns/large")
}
