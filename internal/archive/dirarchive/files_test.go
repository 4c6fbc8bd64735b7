package dirarchive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
)

func TestNewErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tags := filepath.Join(t.TempDir(), "tags.db")
	for name, tt := range map[string]struct {
		o    dirarchive.Options
		want string
	}{
		"missing":    {dirarchive.Options{Root: filepath.Join(dir, "none"), Tags: tags}, filepath.Join(dir, "none") + " does not exist: create it"},
		"file":       {dirarchive.Options{Root: file, Tags: tags}, "configure the directory that holds the logs"},
		"no root":    {dirarchive.Options{Tags: tags}, "needs a directory"},
		"no tags":    {dirarchive.Options{Root: dir}, "a file for its tags"},
		"tags below": {dirarchive.Options{Root: dir, Tags: filepath.Join(dir, "x", "tags.db")}, "lies below the archive directory"},
	} {
		a, err := dirarchive.New(t.Context(), tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if err == nil {
			_ = a.Close()
		}
	}
	if _, err := os.Stat(tags); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused archive left %s: %v", tags, err)
	}
}

// Whatever a key says, nothing outside is touched, and the error says what is wrong with the key.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	outside := filepath.Join(filepath.Dir(s.root), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"":                        "must not be empty",
		"../secret":               `piece ".."`,
		"a/../../secret":          `piece ".."`,
		"a/..":                    `piece ".."`,
		"./a":                     `piece "."`,
		"/etc/passwd":             "begins with '/'",
		"a//b":                    "empty piece",
		"a/":                      "empty piece",
		"a\x00b":                  "NUL",
		"a/\xff":                  "UTF-8",
		strings.Repeat("a/", 600): "longer than 1024 bytes",
		"a/.reprise-tmp-x":        "unfinished write",
	} {
		_, statErr := s.Stat(t.Context(), key)
		_, openErr := s.Open(t.Context(), archive.OpenParams{Key: key})
		_, tagsErr := s.Tags(t.Context(), key)
		for what, err := range map[string]error{
			"Stat": statErr, "Open": openErr, "Tags": tagsErr,
			"MergeTags": s.MergeTags(t.Context(), key, map[string]string{"k": "v"}, nil),
		} {
			if !errors.Is(err, archive.ErrNotFound) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s(%.30q): %v, want ErrNotFound with %q", what, key, err, want)
			}
		}
		if _, err := s.Archive.Put(t.Context(), dirarchive.PutParams{Key: key, Body: strings.NewReader("x")}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Put(%.30q): %v", key, err)
		}
	}
	if _, err := s.Stat(t.Context(), strings.Repeat("n", 300)); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("a piece too long for a name: %v", err)
	}
	if data, err := os.ReadFile(outside); err != nil || string(data) != "secret" {
		t.Errorf("%q, %v", data, err)
	}
}

func listed(t *testing.T, a archive.Archive) (keys []string, err error) {
	t.Helper()
	for o, lerr := range a.List(t.Context(), "", "") {
		if lerr != nil {
			return keys, lerr
		}
		keys = append(keys, o.Key)
	}
	return keys, nil
}

func TestLinks(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.Put(t, "real/a", []byte("one"))
	outside := filepath.Join(filepath.Dir(s.root), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(to, key string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(s.path(key)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, s.path(key)); err != nil {
			t.Skip(err)
		}
	}
	link("../real/a", "links/inside")
	link("../real/none", "links/dangling")
	keys, err := listed(t, s)
	if want := []string{"links/inside", "real/a"}; err != nil || !slices.Equal(keys, want) {
		t.Errorf("listed %q, %v, want %q", keys, err, want)
	}
	if body, err := s.Open(t.Context(), archive.OpenParams{Key: "links/inside"}); err != nil {
		t.Error(err)
	} else if err := body.Close(); err != nil {
		t.Error(err)
	}
	// What leads out is refused aloud, not passed over.
	link("../../secret", "links/out")
	link(filepath.Dir(s.root), "up")
	for _, key := range []string{"links/out", "up/secret"} {
		if _, err := s.Open(t.Context(), archive.OpenParams{Key: key}); err == nil || !strings.Contains(err.Error(), "escapes") {
			t.Errorf("Open(%s): %v", key, err)
		}
	}
	if _, err := listed(t, s); err == nil || !strings.Contains(err.Error(), `"links/out"`) || !strings.Contains(err.Error(), "escapes") {
		t.Errorf("listing over a link that leads out: %v", err)
	}
	if err := errors.Join(os.Remove(s.path("links/out")), os.Remove(s.path("up"))); err != nil {
		t.Fatal(err)
	}
	link("real", "links/directory/..../again")
	link("../real", "links/dir")
	if _, err := listed(t, s); err == nil || !strings.Contains(err.Error(), "a link to a directory is not followed") {
		t.Errorf("listing over a link to a directory: %v", err)
	}
}

// Unfinished writes and what is no regular file are no objects; all else is, hidden files too.
func TestListIgnores(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.Put(t, "a/.hidden", nil)
	s.Put(t, "a/b", nil)
	for _, name := range []string{"a/.reprise-tmp-1", ".reprise-tmp-2"} {
		if err := os.WriteFile(s.path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(s.path("empty/dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	keys, err := listed(t, s)
	if want := []string{"a/.hidden", "a/b"}; err != nil || !slices.Equal(keys, want) {
		t.Errorf("listed %q, %v, want %q", keys, err, want)
	}
	if _, err := s.Stat(t.Context(), "empty/dir"); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("Stat of a directory: %v", err)
	}
	// A name that can be no key stops the listing rather than being lost.
	if err := os.WriteFile(s.path("a/\xff"), nil, 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := listed(t, s); err == nil || !strings.Contains(err.Error(), `"a/\xff" cannot be an object`) {
		t.Errorf("listing over a bad name: %v", err)
	}
}

// Before the place to continue at, no directory is entered: one that cannot be read does no harm there.
func TestListSkipsWithoutReading(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Log("as root every directory can be read; links that lead out stand in for it")
	}
	s := newStore(t)
	for _, key := range []string{"a/1", "b/1", "c/1"} {
		s.Put(t, key, nil)
	}
	for _, dir := range []string{"a", "c"} {
		if err := os.Symlink("/", filepath.Join(s.path(dir), "out")); err != nil {
			t.Skip(err)
		}
	}
	for o, err := range s.List(t.Context(), "", "b") {
		if err != nil {
			t.Fatal(err)
		}
		if o.Key == "b/1" {
			break
		}
	}
	for o, err := range s.List(t.Context(), "b", "a/1") {
		if err != nil || o.Key != "b/1" {
			t.Errorf("%+v, %v", o, err)
		}
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	put := func(p dirarchive.PutParams) (archive.Object, error) { return s.Archive.Put(t.Context(), p) }
	o, err := put(dirarchive.PutParams{Key: "a/b/c", Body: strings.NewReader("one"), IfNoneMatch: true})
	if err != nil || o.Size != 3 {
		t.Fatalf("%+v, %v", o, err)
	}
	if st, err := s.Stat(t.Context(), "a/b/c"); err != nil || st != o {
		t.Errorf("Stat %+v, %v, Put %+v", st, err, o)
	}
	_, err = put(dirarchive.PutParams{Key: "a/b/c", Body: strings.NewReader("two"), IfNoneMatch: true})
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "a/b/c") {
		t.Errorf("IfNoneMatch over an object: %v", err)
	}
	broken := errors.New("broken")
	_, err = put(dirarchive.PutParams{Key: "a/b/c", Body: io.MultiReader(strings.NewReader("tw"), &failing{broken})})
	if !errors.Is(err, broken) {
		t.Errorf("Put of a broken body: %v", err)
	}
	if _, err = put(dirarchive.PutParams{Key: "a/b", Body: strings.NewReader("x")}); err == nil {
		t.Error("an object took the place of a folder")
	}
	if _, err = put(dirarchive.PutParams{Key: "a/b/c/d", Body: strings.NewReader("x")}); err == nil {
		t.Error("a folder took the place of an object")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = s.Archive.Put(ctx, dirarchive.PutParams{Key: "a/b/d", Body: strings.NewReader("x")}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if data, err := os.ReadFile(s.path("a/b/c")); err != nil || string(data) != "one" {
		t.Errorf("%q, %v", data, err)
	}
	names, err := filepath.Glob(filepath.Join(s.path("a"), "*", ".reprise-tmp-*"))
	if err != nil || len(names) != 0 {
		t.Errorf("left behind: %q, %v", names, err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// Two archives on the same files are two processes.
func TestTagsOfTwoProcesses(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	other, err := dirarchive.New(t.Context(), dirarchive.Options{Root: s.root, Tags: filepath.Join(filepath.Dir(s.root), "tags.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	})
	s.Put(t, "a", nil)
	var wg sync.WaitGroup
	for i, a := range []archive.Archive{s, other} {
		for j := range 5 {
			wg.Go(func() {
				if err := a.MergeTags(t.Context(), "a", map[string]string{fmt.Sprint("k", i, j): "v"}, nil); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for _, a := range []archive.Archive{s, other} {
		if tags, err := a.Tags(t.Context(), "a"); err != nil || len(tags) != 10 {
			t.Errorf("tags %v, %v", tags, err)
		}
	}
}

// A file that grows while it is read is not the version that was opened.
func TestAppendedWhileReading(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.Put(t, "a", []byte("one\n"))
	body, err := s.Open(t.Context(), archive.OpenParams{Key: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	if _, err := io.ReadFull(body, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(s.path("a"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("two\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if n, err := body.Read(make([]byte, 10)); n != 0 || !errors.Is(err, archive.ErrChanged) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := s.Open(t.Context(), archive.OpenParams{Key: "a", Offset: 9}); !errors.Is(err, archive.ErrChanged) {
		t.Errorf("an offset behind the end: %v", err)
	}
	if _, err := s.Open(t.Context(), archive.OpenParams{Key: "a", Offset: -1}); err == nil {
		t.Error("a negative offset was taken")
	}
}

func TestCreateBesideFolders(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.Put(t, "a/b/c", nil)
	if err := s.Create(t.Context(), "a/b", []byte("x")); err == nil || errors.Is(err, archive.ErrExists) || !strings.Contains(err.Error(), "a/b") {
		t.Errorf("an object in place of a directory: %v", err)
	}
	if err := s.Create(t.Context(), "a/b/c/d", []byte("x")); err == nil || errors.Is(err, archive.ErrExists) {
		t.Errorf("a directory in place of an object: %v", err)
	}
	if err := s.Create(t.Context(), "../x", []byte("x")); err == nil || errors.Is(err, archive.ErrExists) {
		t.Errorf("an object outside: %v", err)
	}
	if err := s.Create(t.Context(), "a/b/c", []byte("x")); !errors.Is(err, archive.ErrExists) {
		t.Errorf("over an object: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(s.root, "*", "*", ".reprise-tmp-*"))
	top, e := filepath.Glob(filepath.Join(s.root, "*", ".reprise-tmp-*"))
	if left = append(left, top...); len(left) > 0 || errors.Join(err, e) != nil {
		t.Errorf("left behind: %q, %v, %v", left, err, e)
	}
}
