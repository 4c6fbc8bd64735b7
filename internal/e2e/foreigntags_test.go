package e2e_test

import (
	"maps"
	"path/filepath"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/archive/dirarchive"
	"github.com/seed-56345083/reprise/internal/archive/s3archive"
)

// foreignTags gives some objects tags of other people.
func foreignTags(s *site) map[string]map[string]string {
	s.t.Helper()
	foreign := map[string]map[string]string{}
	a := openArchive(s)
	n := 0
	for o, err := range a.List(s.t.Context(), "", "") {
		if err != nil {
			s.t.Fatal(err)
		}
		foreign[o.Key] = map[string]string{}
		if n++; n%4 == 0 {
			foreign[o.Key] = map[string]string{"team": "sales", "number": text(int64(n))}
			if err := a.MergeTags(s.t.Context(), o.Key, foreign[o.Key], nil); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return foreign
}

// checkForeignTags: of the tags, those of other people are left, and nothing else.
func checkForeignTags(s *site, foreign map[string]map[string]string) {
	s.t.Helper()
	a := openArchive(s)
	for key, want := range foreign {
		if tags, err := a.Tags(s.t.Context(), key); err != nil || !maps.Equal(tags, want) {
			s.t.Errorf("%s has the tags %v, %v; want %v", key, tags, err, want)
		}
	}
	if len(foreign) == 0 {
		s.t.Error("there is no object")
	}
}

// openArchive opens the site's archive beside the program.
func openArchive(s *site) archive.Archive {
	s.t.Helper()
	if s.cloud != nil {
		a, err := s3archive.New(s3archive.Options{Client: s.cloud.s3, Bucket: s.cloud.bucket})
		if err != nil {
			s.t.Fatal(err)
		}
		return a
	}
	a, err := dirarchive.New(s.t.Context(), dirarchive.Options{Root: s.archive, Tags: filepath.Join(s.dir, "state", "tags.db")})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = a.Close() })
	return a
}
